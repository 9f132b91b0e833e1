"""Streams that go on by themselves: after a break they resume, and what was missed is fetched."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.client.connection import waiting_s
from farmgate.client.errors import (
    FarmgateError,
    UnavailableError,
    error_of_reason,
)
from farmgate.client.market import interval_of
from farmgate.client.trading import TradingCalls
from farmgate.client.values import Candle, Level, MyTrade, Order, OrderBook, PublicTrade, Ticker

# What ends a stream and is no reason to give up.
_PASSING: Final = {"SLOW_CONSUMER", "TOKEN_EXPIRED"}
_CHECKED_LEVELS: Final = 10
_TRADES_BACK_MAX: Final = 10_000


class Streams(TradingCalls):
    """What happens, as it happens."""

    async def watch_trades(self, symbol: str) -> AsyncIterator[PublicTrade]:
        """Yields each trade of an instrument once, in order, over breaks as well.

        Raises:
            FarmgateError: `InstrumentUnknown` and others that waiting does not change.
        """
        last = 0
        channels = [market_pb2.MARKET_CHANNEL_TRADES]
        async for update in self._market_updates([symbol], channels):
            if update.snapshot and last:
                # The exchange could not go back as far as this stream had come.
                for one in await self.fetch_trades(symbol, _TRADES_BACK_MAX):
                    if one.id > last:
                        last = one.id
                        yield one
            for trade in update.trades:
                if trade.trade_id > last:
                    last = trade.trade_id
                    yield PublicTrade.of(symbol, trade)

    async def watch_order_book(self, symbol: str, limit: int = 20) -> AsyncIterator[OrderBook]:
        """Yields the book after each change, as many levels a side as asked for.

        Each book is checked against the exchange's checksum; one that differs is fetched anew.

        Raises:
            FarmgateError: `InstrumentUnknown` and others that waiting does not change.
        """
        tick = (await self.fetch_market(symbol)).tick_size
        book = _Book(symbol, tick)
        channels = [market_pb2.MARKET_CHANNEL_BOOK]
        while True:
            async for update in self._market_updates([symbol], channels):
                if not update.HasField("book"):
                    continue
                book.apply(update)
                if update.book.checksum not in {0, book.checksum()}:
                    break
                yield book.shown(limit)

    async def watch_ticker(self, symbol: str) -> AsyncIterator[Ticker]:
        """Yields last and best prices whenever they change."""
        price, summary = market_pb2.Price(symbol=symbol), market_pb2.MarketSummary()
        channels = [
            market_pb2.MARKET_CHANNEL_PRICE_UPDATE, market_pb2.MARKET_CHANNEL_MARKET_SUMMARY,
        ]  # fmt: skip
        async for update in self._market_updates([symbol], channels):
            if update.HasField("price_update"):
                told = update.price_update
                price = market_pb2.Price(
                    symbol=symbol, last_price=told.last_price, last_lots=told.last_lots,
                    best_bid=told.best_bid, best_bid_lots=told.best_bid_lots,
                    best_ask=told.best_ask, best_ask_lots=told.best_ask_lots,
                )  # fmt: skip
            if update.HasField("market_summary"):
                summary = update.market_summary
            if update.HasField("price_update") or update.HasField("market_summary"):
                price.sequence = update.sequence
                yield Ticker.of(price, summary)

    async def watch_ohlcv(self, symbol: str, timeframe: str = "1m") -> AsyncIterator[Candle]:
        """Yields the candle of an interval whenever it changes."""
        wanted = interval_of(timeframe)
        channels = [market_pb2.MARKET_CHANNEL_CANDLES]
        async for update in self._market_updates([symbol], channels):
            if update.HasField("candle") and update.candle.interval == wanted:
                yield Candle.of(update.candle.point)

    async def watch_orders(self) -> AsyncIterator[Order]:
        """Yields orders of one's own whenever they change; after a gap all that are open."""
        async for report in self._reports():
            if report is None:
                for one in reversed(await self.fetch_open_orders()):
                    yield one
            elif report.HasField("order"):
                yield Order.of(report.order)

    async def watch_my_trades(self) -> AsyncIterator[MyTrade]:
        """Yields each fill of one's own once, in order."""
        last = 0
        async for report in self._reports():
            if report is None:
                missed = await self.fetch_my_trades(limit=_TRADES_BACK_MAX)
                fills = [one for one in reversed(missed) if last and one.id > last]
            else:
                fills = [MyTrade.of(report.trade)] if report.HasField("trade") else []
            for one in fills:
                if one.id > last:
                    last = one.id
                    yield one

    async def _market_updates(
        self, symbols: Sequence[str], channels: Sequence[market_pb2.MarketChannel.ValueType]
    ) -> AsyncIterator[market_pb2.MarketUpdate]:
        """Yields updates in order; the first of each beginning is marked as a snapshot."""

        def opened(sequence: int) -> AsyncIterator[Any]:
            request = market_pb2.WatchMarketRequest(
                symbols=symbols, channels=channels, from_sequence=sequence
            )
            return self.stream(self._market.WatchMarket, request)

        # Trades are known by their ID, and all else tells how things are: a repeat does no harm.
        async for update in self._resumed(opened, is_repeatable=True):
            if update is not None:
                yield update

    async def _reports(self) -> AsyncIterator[trading_pb2.ExecutionReport | None]:
        """Yields reports in order, and None where some are no longer kept."""

        def opened(sequence: int) -> AsyncIterator[Any]:
            request = trading_pb2.WatchOrdersRequest(from_sequence=sequence)
            return self.stream(self._trading.WatchOrders, request)

        async for update in self._resumed(opened, is_repeatable=False):
            if update is None:
                yield None
                continue
            for report in update.reports:
                yield report

    async def _resumed(
        self, opened: Callable[[int], AsyncIterator[Any]], *, is_repeatable: bool
    ) -> AsyncIterator[Any]:
        """Yields the updates of a stream, opened again after each break; None for a gap.

        A break may come between two updates of one sequence, so this sequence is asked for again.

        Args:
            opened: Opens the stream from a sequence on, 0 for now.
            is_repeatable: Whether an update may come twice; those seen are left out otherwise.
        """
        reached, seen, failures = 0, 0, 0
        while True:
            known = 0 if is_repeatable else seen
            try:
                async for message in opened(reached):
                    failures = 0
                    for update in message.updates:
                        if update.end_reason:
                            raise error_of_reason(update.end_reason)
                        if update.heartbeat:
                            # All up to here was told.
                            reached, seen = update.sequence + 1, 0
                            continue
                        if update.sequence == reached and known:
                            known -= 1
                            continue
                        seen = seen + 1 if update.sequence == reached else 1
                        reached = update.sequence
                        yield update
            except FarmgateError as error:
                if error.reason == "SEQ_GAP":
                    reached = seen = 0
                    yield None
                elif not isinstance(error, UnavailableError) and error.reason not in _PASSING:
                    raise
            await asyncio.sleep(waiting_s(failures))
            failures += 1


class _Book:
    """A book that follows its changes; prices are ticks inside."""

    def __init__(self, symbol: str, tick: Decimal) -> None:
        self._symbol = symbol
        self._tick = tick
        self._sides: tuple[dict[int, Level], dict[int, Level]] = ({}, {})
        self._sequence = 0

    def apply(self, update: market_pb2.MarketUpdate) -> None:
        """Takes a change in; a level without lots goes."""
        if update.book.snapshot:
            self._sides = ({}, {})
        self._sequence = update.sequence
        for side, levels in zip(self._sides, (update.book.bids, update.book.asks), strict=True):
            for one in levels:
                ticks = int(Decimal(one.price) / self._tick)
                if one.quantity_lots:
                    side[ticks] = Level.of(one)
                else:
                    side.pop(ticks, None)

    def checksum(self) -> int:
        """Returns the CRC-32 of the ten best prices a side, as the exchange tells it."""
        bids, asks = (
            [(ticks, side[ticks].lots) for ticks in sorted(side, reverse=is_bid)][:_CHECKED_LEVELS]
            for side, is_bid in zip(self._sides, (True, False), strict=True)
        )
        parts: list[str] = []
        for place in range(max(len(bids), len(asks))):
            parts += [
                f"{side[place][0]}:{side[place][1]}" for side in (bids, asks) if place < len(side)
            ]
        return zlib.crc32(":".join(parts).encode())

    def shown(self, limit: int) -> OrderBook:
        """Returns the best levels."""
        bids, asks = self._sides
        return OrderBook(
            self._symbol,
            tuple(bids[ticks] for ticks in sorted(bids, reverse=True)[:limit]),
            tuple(asks[ticks] for ticks in sorted(asks)[:limit]),
            self._sequence,
        )
