"""Backtests on the same core, and the stream of one book."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.app import wire
from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import Simulation
from service.admin.test_controls import signed_in
from service.trading.market import opened, trade
from support import Api, SignedIn, refused, running

SYMBOL = "OATS-US2-CHI"
State = trading_pb2.Simulation.State


@pytest.fixture
async def demo(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Api]:
    """The demonstration."""
    async with running(wire.build(make_settings(demo=True), clock=clock)) as api:
        yield api


async def run(api: Api, person: SignedIn, **given: Any) -> trading_pb2.Simulation:
    request = trading_pb2.RunSimulationRequest(**({"symbol": SYMBOL} | given))
    return (await api.trading.RunSimulation(request, metadata=person.metadata)).simulation


async def watched(api: Api, person: SignedIn, run_id: str) -> list[trading_pb2.Simulation]:
    request = trading_pb2.WatchSimulationRequest(simulation_id=run_id)
    stream = api.trading.WatchSimulation(request, metadata=person.metadata, timeout=60)
    return [step.simulation async for step in stream]


async def test_a_seed_gives_the_same_result_again(demo: Api) -> None:
    """TRD-070: progress is streamed, the result depends on rules, seed and count alone."""
    jan = await signed_in(demo, "farmer.jan")
    results = []
    for seed in (7, 7, 8):
        started = await run(demo, jan, command_count=120_000, seed=seed)
        assert started.state == State.STATE_RUNNING
        steps = await watched(demo, jan, started.simulation_id)
        counts = [step.command_count for step in steps]
        assert counts == sorted(counts)
        assert len(set(counts)) >= 3, "it told of its progress"
        last = steps[-1]
        assert (last.state, last.command_count) == (State.STATE_SUCCEEDED, 120_000)
        assert last.trade_count > 1_000
        request = trading_pb2.GetSimulationRequest(simulation_id=started.simulation_id)
        got = await demo.trading.GetSimulation(request, metadata=jan.metadata)
        assert got.simulation == last
        results.append((
            last.state_hash, last.trades_hash, last.trade_count, last.result, last.last_price,
        ))  # fmt: skip
    assert results[0] == results[1]
    assert results[0] != results[2]


async def test_a_simulation_is_stopped_and_bounded(demo: Api) -> None:
    """TRD-071: its owner stops it; a second one at a time, and what is no run, is refused."""
    jan, lea = await signed_in(demo, "farmer.jan"), await signed_in(demo, "farmer.lea")
    long = await run(demo, jan, command_count=10_000_000)
    refusal = await refused(run(demo, jan, command_count=1))
    assert refusal.reason == "RATE_LIMITED"
    request = trading_pb2.CancelSimulationRequest(simulation_id=long.simulation_id)
    refusal = await refused(demo.trading.CancelSimulation(request, metadata=lea.metadata))
    assert refusal.reason == "NOT_FOUND"
    stopped = await demo.trading.CancelSimulation(request, metadata=jan.metadata)
    assert stopped.simulation.state == State.STATE_CANCELLED
    assert (await watched(demo, jan, long.simulation_id))[-1].state == State.STATE_CANCELLED
    refusals = [
        ({"command_count": 1, "symbol": "NOPE"}, "INSTRUMENT_UNKNOWN"),
        ({}, "INVALID_ARGUMENT"),
        ({"command_count": 1, "from_sequence": 1, "to_sequence": 1}, "INVALID_ARGUMENT"),
        ({"command_count": 10_000_001}, "INVALID_ARGUMENT"),
        ({"from_sequence": 2, "to_sequence": 1}, "INVALID_ARGUMENT"),
        ({"from_sequence": 1, "to_sequence": 10**9}, "INVALID_ARGUMENT"),
    ]
    for given, reason in refusals:
        assert (await refused(run(demo, jan, **given))).reason == reason, given
    get = trading_pb2.GetSimulationRequest(simulation_id=long.simulation_id)
    assert (await refused(demo.trading.GetSimulation(get, metadata=lea.metadata))).reason == (
        "NOT_FOUND"
    )
    assert (await refused(demo.trading.GetSimulation(get))).reason == "UNAUTHENTICATED"
    run_anyway = trading_pb2.RunSimulationRequest(symbol=SYMBOL, command_count=1)
    assert (await refused(demo.trading.RunSimulation(run_anyway))).reason == "UNAUTHENTICATED"


async def test_a_range_of_the_journal_is_replayed(demo: Api) -> None:
    """TRD-072: the same core over the same commands gives the same state."""
    jan = await signed_in(demo, "farmer.jan")
    order = trading_pb2.CreateOrderRequest(
        symbol=SYMBOL, side=types_pb2.SIDE_BUY, type=trading_pb2.ORDER_TYPE_LIMIT, price="3.6575",
        quantity_lots=2, time_in_force=trading_pb2.TIME_IN_FORCE_IOC,
    )  # fmt: skip
    entered = (await demo.trading.CreateOrder(order, metadata=jan.metadata)).order
    assert entered.filled_lots == 2
    first = entered.sequence
    started = await run(demo, jan, from_sequence=first, to_sequence=first)
    last = (await watched(demo, jan, started.simulation_id))[-1]
    assert (last.state, last.command_count) == (State.STATE_SUCCEEDED, 1)
    assert (last.trade_count, last.volume_lots, last.net_lots) == (1, 2, 2)
    assert last.result == f"-{entered.fees}", "bought at the last price: the fee is all it cost"


async def test_a_replay_reaches_the_live_state(tmp_path: Any) -> None:
    """TRD-072."""
    async with opened(tmp_path / "journal") as matching:
        await trade(matching, 20)
        await matching.caught_up()
        live, sequence = matching.state_hash()
        run = Simulation.replayed(tmp_path / "journal", 1, sequence, 1, 2)
        while run.step(7):
            pass
        assert run.state_hash() == live
        assert run.summary()["trades"] == 20


def checksum(bids: list[Any], asks: list[Any], tick_micro: int) -> int:
    """Returns the checksum as its definition says, of decimals."""
    parts: list[str] = []
    for rank in range(10):
        for side in (bids, asks):
            if rank < len(side):
                whole, _, fraction = side[rank].price.partition(".")
                micro = int(whole) * 10**6 + int(fraction.ljust(6, "0")[:6] or 0)
                parts += [str(micro // tick_micro), str(side[rank].quantity_lots)]
    return zlib.crc32(":".join(parts).encode())


async def test_a_book_is_followed_by_its_changes(demo: Api) -> None:
    """TRD-073: a snapshot and the changes after it are the book, sequence by sequence."""
    jan = await signed_in(demo, "farmer.jan")
    request = trading_pb2.WatchOrderBookRequest(symbol=SYMBOL)
    stream = demo.trading.WatchOrderBook(request, timeout=60)
    sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})

    async def take() -> trading_pb2.WatchOrderBookResponse:
        while True:
            step = await stream.read()
            if not step.heartbeat:
                return step

    def apply(step: trading_pb2.WatchOrderBookResponse) -> None:
        for levels, changes in zip(sides, (step.bids, step.asks), strict=True):
            for level in changes:
                if level.quantity_lots:
                    levels[level.price] = level
                else:
                    levels.pop(level.price, None)
        bids = sorted(sides[0].values(), key=lambda level: -float(level.price))
        asks = sorted(sides[1].values(), key=lambda level: float(level.price))
        assert step.checksum == checksum(bids, asks, 2_500)

    step = await take()
    assert step.snapshot
    apply(step)
    for price in ("3.6525", "3.6575"):
        await demo.trading.CreateOrder(
            trading_pb2.CreateOrderRequest(
                symbol=SYMBOL, side=types_pb2.SIDE_BUY, type=trading_pb2.ORDER_TYPE_LIMIT,
                price=price, quantity_lots=1,
            ),
            metadata=jan.metadata,
        )  # fmt: skip
        before = step.sequence
        step = await take()
        assert (step.snapshot, step.previous_sequence) == (False, before)
        apply(step)
    book = await demo.trading.GetOrderBook(
        trading_pb2.GetOrderBookRequest(symbol=SYMBOL, min_sequence=step.sequence)
    )
    assert (book.sequence, book.checksum) == (step.sequence, step.checksum)
    stream.cancel()
    again = demo.trading.WatchOrderBook(
        trading_pb2.WatchOrderBookRequest(symbol=SYMBOL, from_sequence=step.sequence), timeout=60
    )
    resumed = await asyncio.wait_for(again.read(), 10)
    assert (resumed.sequence, resumed.snapshot) == (step.sequence, False)
    again.cancel()
    unknown = demo.trading.WatchOrderBook(trading_pb2.WatchOrderBookRequest(symbol="NOPE"))
    assert (await refused(unknown.read())).reason == "INSTRUMENT_UNKNOWN"


async def test_orders_of_a_book_are_their_owners_to_know(demo: Api) -> None:
    """TRD-074: every order in its place with the lots that show, and named to its owner alone."""
    jan = await signed_in(demo, "farmer.jan")
    order = trading_pb2.CreateOrderRequest(
        symbol=SYMBOL, side=types_pb2.SIDE_BUY, type=trading_pb2.ORDER_TYPE_LIMIT, price="3.6525",
        quantity_lots=7, display_lots=2,
    )  # fmt: skip
    own = (await demo.trading.CreateOrder(order, metadata=jan.metadata)).order
    request = trading_pb2.GetOrderBookRequest(
        symbol=SYMBOL, include_orders=True, min_sequence=own.sequence
    )
    mine = await demo.trading.GetOrderBook(request, metadata=jan.metadata)
    best = mine.bids[0]
    assert best.price == own.price
    assert [one.order_id for one in best.orders] == [0, own.order_id], "the seed's came first"
    assert best.orders[1].quantity_lots == 2, "the rest of an iceberg shows to nobody"
    assert sum(one.quantity_lots for one in best.orders) == best.quantity_lots
    assert all(len(level.orders) == level.order_count for level in [*mine.bids, *mine.asks])
    lea = await signed_in(demo, "farmer.lea")
    for caller in ({}, {"metadata": lea.metadata}):
        seen = await demo.trading.GetOrderBook(request, **caller)
        assert {one.order_id for level in seen.bids for one in level.orders} == {0}
        assert seen.checksum == mine.checksum
    plain = await demo.trading.GetOrderBook(trading_pb2.GetOrderBookRequest(symbol=SYMBOL))
    assert not plain.bids[0].orders
