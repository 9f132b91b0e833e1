"""What it costs to cross from Python into the core, by the size of a message.

The same orders go in as messages of 1, 64, 1,024 and 10,000, without sync and on memory, so that
only the crossing and the core count. In the largest messages nearly all time is the core's: they
are the baseline. A rise of `ratio`, the time of an order in messages of 1,024 over that in messages
of 10,000, means that crossing got dearer; below it stands what one call for each order costs.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from farmgate.api.trading.v1 import trading_pb2
from farmgate.ports.matching import InstrumentRules, Matching

SIZES = (1, 64, 1_024, 10_000)
BASELINE = 10_000
IN_FLIGHT = 4
# One call for each order is slow: fewer orders tell as much.
ORDERS_MAX = {1: 20_000, 64: 200_000}

RULES = InstrumentRules(
    symbol="CORN",
    kind=1,
    base_asset=2,
    quote_asset=1,
    tick_size_micro=2_500,
    tick_value_minor=2_500,
    lot_size_minor=100_000,
    min_lots=1,
    max_lots=10_000,
    price_min=1_000,
    price_max=3_000,
    limit_low=1_000,
    limit_high=3_000,
    protection_ticks=20,
    max_notional_minor=0,
    maker_fee_centi_bps=50,
    taker_fee_centi_bps=250,
    deposit_bps=0,
    phase=5,
)


async def exchange(folder: Path) -> Matching:
    """Returns a core with one instrument and a funded account."""
    core = Matching.open(folder, durable=False, snapshot_interval_commands=10**12)
    await core.start()
    for code in ("USD", "CORN"):
        await core.register_asset(code)
    account = await core.open_account(bytes([1] * 16), owner=1, max_open_orders=10**6)
    for asset in (1, 2):
        await core.transfer(account, asset, 10**16, b"")
    await core.define_instrument(RULES)
    return core


def messages(size: int, orders: int, dice: random.Random, tag: str) -> list[bytes]:
    """Returns messages of this many orders each: half rest, half cross at once."""
    made = []
    for number in range(orders // size):
        request = trading_pb2.OrderSessionRequest(request_id=f"{tag}-{number}")
        for _ in range(size):
            request.instructions.add().create.MergeFrom(
                trading_pb2.NewOrder(
                    instrument_id=1,
                    side=dice.randint(1, 2),
                    type=trading_pb2.ORDER_TYPE_LIMIT,
                    time_in_force=dice.choice((2, 4)),
                    price_ticks=2_000 + dice.randint(-8, 8),
                    quantity_lots=1,
                    self_trade_prevention=trading_pb2.SELF_TRADE_PREVENTION_NONE,
                )
            )
        made.append(request.SerializeToString())
    return made


async def order_ns(core: Matching, batch: list[bytes], size: int) -> float:
    """Returns nanoseconds an order, with IN_FLIGHT messages under way."""
    waiting = []
    started = time.perf_counter()
    for message in batch:
        waiting.append(core.order_session(1, message))
        if len(waiting) >= IN_FLIGHT:
            core.session_reply(await waiting.pop(0))
    for future in waiting:
        core.session_reply(await future)
    return 1e9 * (time.perf_counter() - started) / (len(batch) * size)


async def measure(arguments: argparse.Namespace) -> dict[int, float]:
    """Returns the median time of an order by the size of its message."""
    dice = random.Random(20260101)
    figures: dict[int, list[float]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        core = await exchange(Path(folder))
        await order_ns(core, messages(1_000, 200_000, dice, "warm"), 1_000)
        for number in range(arguments.rounds):
            for size in SIZES:
                orders = min(arguments.orders, ORDERS_MAX.get(size, arguments.orders))
                batch = messages(size, orders, dice, f"{number}-{size}")
                figures[size].append(await order_ns(core, batch, size))
        await core.stop()
    return {size: statistics.median(times) for size, times in figures.items()}


def main() -> None:
    """Measures and prints one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=400_000, help="orders of a size and round")
    memory = Path("/dev/shm")  # noqa: S108 - A folder of its own is made in it.
    default = memory if memory.is_dir() else None
    parser.add_argument("--folder", type=Path, default=default, help="where the journal goes")
    figures = uvloop.run(measure(parser.parse_args()))
    ratios = {size: figure / figures[BASELINE] for size, figure in figures.items()}
    for size, figure in figures.items():
        print(f"{size:6,} a message {figure:10,.0f} ns an order, ratio {ratios[size]:8.2f}")
    result = {
        "name": "boundary",
        "ratio": round(ratios[1_024], 3),
        "order_ns": {str(size): round(figure) for size, figure in figures.items()},
        "ratios": {str(size): round(ratio, 3) for size, ratio in ratios.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
