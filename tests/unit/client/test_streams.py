"""Streams of the client go on by themselves, and no update is lost or told twice."""

import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from farmgate.api.market.v1.market_pb2 import BookUpdate, MarketUpdate
from farmgate.api.trading.v1.trading_pb2 import BookLevel, OrderUpdate
from farmgate.client import Farmgate, streams
from farmgate.client.errors import FarmgateError, UnavailableError, error_of_reason

AWAY = UnavailableError("away")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "waiting_s", lambda _number: 0.0)


def server(
    *turns: Sequence[OrderUpdate | FarmgateError],
) -> tuple[Callable[[int], AsyncIterator[Any]], list[int]]:
    """Returns what opens a stream, whose each opening gives a turn; and the sequences asked for."""
    asked: list[int] = []
    waiting = list(turns)

    async def opened(sequence: int) -> AsyncIterator[Any]:
        asked.append(sequence)
        for one in waiting.pop(0):
            if isinstance(one, FarmgateError):
                raise one
            yield SimpleNamespace(updates=[one])

    return opened, asked


def step(sequence: int, **given: Any) -> OrderUpdate:
    return OrderUpdate(sequence=sequence, **given)


async def told(
    opened: Callable[[int], AsyncIterator[Any]], *, repeatable: bool = False
) -> list[Any]:
    """Returns what a reader gets until an error that ends it."""
    found: list[Any] = []
    async with Farmgate("127.0.0.1:1") as farm:

        async def read() -> None:
            async for update in farm._resumed(opened, is_repeatable=repeatable):
                found.append(None if update is None else update.sequence)  # noqa: PERF401 - The stream raises.

        with pytest.raises(FarmgateError):
            await read()
    return found


END = error_of_reason("PERMISSION_DENIED")


async def test_a_break_between_two_updates_of_one_sequence_loses_none() -> None:
    """CLI-003."""
    opened, asked = server([step(7), step(8), AWAY], [step(8), step(8), step(9), END])
    assert await told(opened) == [7, 8, 8, 9]
    assert asked == [0, 8]


async def test_what_tells_how_things_are_may_come_twice() -> None:
    """CLI-003."""
    opened, _ = server([step(8), AWAY], [step(8), step(9), END])
    assert await told(opened, repeatable=True) == [8, 8, 9]


async def test_a_heartbeat_is_where_a_stream_goes_on() -> None:
    """CLI-003."""
    opened, asked = server([step(7), step(20, heartbeat=True), AWAY], [step(21), END])
    assert await told(opened) == [7, 21]
    assert asked == [0, 21]


async def test_a_gap_is_told_and_slow_readers_come_back() -> None:
    """CLI-004."""
    gap = error_of_reason("SEQ_GAP")
    opened, asked = server(
        [step(7), step(8, end_reason="SLOW_CONSUMER")], [gap], [step(90), END]
    )  # fmt: skip
    assert await told(opened) == [7, None, 90]
    assert asked == [0, 7, 0]


def test_a_book_follows_its_changes_and_proves_it() -> None:
    """CLI-005."""
    book = streams._Book("OATS", Decimal("0.0025"))
    start = BookUpdate(
        snapshot=True,
        bids=[
            BookLevel(price="3.6500", quantity_lots=4),
            BookLevel(price="3.6475", quantity_lots=2),
        ],
        asks=[BookLevel(price="3.6550", quantity_lots=1)],
    )
    book.apply(MarketUpdate(sequence=5, book=start))
    assert book.checksum() == zlib.crc32(b"1460:4:1462:1:1459:2")
    change = BookUpdate(
        bids=[BookLevel(price="3.6500", quantity_lots=0)],
        asks=[BookLevel(price="3.6525", quantity_lots=9)],
    )
    book.apply(MarketUpdate(sequence=6, book=change))
    shown = book.shown(1)
    assert [(one.price, one.lots) for one in shown.bids] == [(Decimal("3.6475"), 2)]
    assert [(one.price, one.lots) for one in shown.asks] == [(Decimal("3.6525"), 9)]
    assert shown.sequence == 6
    assert book.checksum() == zlib.crc32(b"1459:2:1461:9:1462:1")
