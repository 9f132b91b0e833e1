"""What those who watch get when they are slow, late or ask for too much."""

from pathlib import Path

import pytest

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.errors import DomainError
from farmgate.ports.matching import MarketCursor, Matching, OrderCursor
from service.trading.market import (
    BUYER,
    SELLER,
    SYMBOL,
    opened,
    session_message,
    settled,
    trade,
    trade_fast,
)

TRADES, BOOK, AUCTION = 1 << 1, 1 << 2, 1 << 6
# More steps than an instrument's log keeps.
TOO_MANY = 4_200


def _all(matching: Matching, cursor: MarketCursor | OrderCursor) -> tuple[list[bytes], bool]:
    """Takes what there is; returns it and whether something was lost."""
    take, parts = matching.taker(cursor), []
    while True:
        data, _, more, lost = take(256 * 1024)
        if data:
            parts.append(data)
        if lost or not more:
            return parts, lost


def _updates(matching: Matching, cursor: MarketCursor) -> list[market_pb2.MarketUpdate]:
    parts, _ = _all(matching, cursor)
    responses = [market_pb2.WatchMarketResponse.FromString(part) for part in parts]
    return [update for response in responses for update in response.updates]


async def test_book_conflates_for_the_slow_and_trades_do_not(tmp_path: Path) -> None:
    """TRD-206, TRD-207, TRD-208: behind by more than is kept."""
    async with opened(tmp_path) as matching:
        books = matching.watch_market([SYMBOL], BOOK, 0)
        trades = matching.watch_market([SYMBOL], TRADES, 0)
        _all(matching, books)
        _all(matching, trades)
        await trade(matching, TOO_MANY // 2 + 100)
        for account in (SELLER, BUYER):
            price = 1_850 if account == SELLER else 1_750
            message = session_message(account, 2, price_ticks=price, first=1_000_000)
            await matching.order_session(account, message)
        await settled(matching)
        parts, lost = _all(matching, books)
        assert not lost
        updates = [
            update
            for part in parts
            for update in market_pb2.WatchMarketResponse.FromString(part).updates
        ]
        assert len(updates) < 10, "a snapshot and what came after it"
        assert updates[0].snapshot
        _, lost = _all(matching, trades)
        assert lost, "a trade is never left out without a word"


async def test_own_reports_are_all_there_however_slow(tmp_path: Path) -> None:
    """TRD-206, TRD-207: one report for every event, none of what is not durable."""
    async with opened(tmp_path) as matching:
        start = await settled(matching)
        reports = matching.watch_orders(SELLER, start + 1)
        await trade_fast(matching, 5_000)
        last = await settled(matching)
        parts, lost = _all(matching, reports)
        assert not lost
        updates = [
            update
            for part in parts
            for update in trading_pb2.WatchOrdersResponse.FromString(part).updates
        ]
        kinds = [report.kind for update in updates for report in update.reports]
        assert kinds.count(trading_pb2.ExecutionReport.KIND_ACCEPTED) == 5_000
        assert kinds.count(trading_pb2.ExecutionReport.KIND_FILL) == 5_000
        durable = matching.statistics()["durable_sequence"]
        assert max(update.sequence for update in updates) <= last <= durable
        previous = [update.previous_sequence for update in updates[1:]]
        assert previous == [update.sequence for update in updates[:-1]], "no gap"


async def test_reports_that_are_gone_are_a_gap(tmp_path: Path) -> None:
    """TRD-209: of before the last snapshot nothing is kept; a market stream starts with one."""
    async with opened(tmp_path, snapshot_every=1) as matching:
        await trade(matching, 30)
    async with opened(tmp_path) as matching:
        await settled(matching)
        with pytest.raises(DomainError) as refusal:
            matching.watch_orders(SELLER, 5)
        assert refusal.value.reason == "SEQ_GAP"
        assert refusal.value.values["from_sequence"] == "5"
        cursor = matching.watch_market([SYMBOL], BOOK, 5)
        parts, lost = _all(matching, cursor)
        assert not lost
        assert market_pb2.WatchMarketResponse.FromString(parts[0]).updates[0].snapshot


async def test_unknown_symbol_is_named(tmp_path: Path) -> None:
    """TRD-212."""
    async with opened(tmp_path) as matching:
        with pytest.raises(DomainError) as refusal:
            matching.watch_market([SYMBOL, "NOPE"], BOOK, 0)
        assert refusal.value.reason == "INSTRUMENT_UNKNOWN"


async def test_read_that_comes_too_early_says_so(tmp_path: Path) -> None:
    """TRD-130, TRD-131."""
    async with opened(tmp_path) as matching:
        await trade(matching, 1)
        sequence = await settled(matching)
        await matching.caught_up(sequence)
        with pytest.raises(DomainError) as refusal:
            await matching.caught_up(sequence + 1_000)
        assert refusal.value.reason == "READ_BEHIND"
        assert refusal.value.values == {"reached": str(sequence), "wanted": str(sequence + 1_000)}


async def test_what_an_auction_would_give_is_told(tmp_path: Path) -> None:
    """TRD-220: each time it changes, with the side that is left over, until it ends."""
    async with opened(tmp_path) as matching:
        cursor = matching.watch_market([SYMBOL], AUCTION, 0)
        _all(matching, cursor)
        await matching.set_phase(1, market_pb2.INSTRUMENT_PHASE_AUCTION)
        for account, price, lots in ((SELLER, 1_800, 3), (BUYER, 1_810, 5), (SELLER, 1_790, 1)):
            message = session_message(account, lots, price_ticks=price, first=price)
            matching.session_reply(await matching.order_session(account, message))
            await settled(matching)
        late = matching.watch_market([SYMBOL], AUCTION, 0)
        (snapshot,) = _updates(matching, late)
        assert (snapshot.auction.indicative_price, snapshot.auction.indicative_lots) == (
            "4.5250",
            4,
        )
        await matching.set_phase(1, market_pb2.INSTRUMENT_PHASE_OPEN)
        await settled(matching)
        told = [
            (one.auction.indicative_price, one.auction.indicative_lots, one.auction.imbalance_lots)
            for one in _updates(matching, cursor)
        ]
        assert told == [("", 0, 0), ("4.5250", 3, 2), ("4.5250", 4, 1)]
        assert snapshot.auction.imbalance_side == 1, "buyers are left over"
