"""A trader for durability tests: opens a core, trades, says what was acknowledged.

Run as a process of its own, so that it can be killed at any instant: `trader.py FOLDER SEED
[nosync] [pause=SECONDS]`. Each line it prints is an acknowledgement: message, sequence, order,
status.
"""

import asyncio
import random
import sys
from pathlib import Path

from farmgate._matching import Engine
from farmgate.api.trading.v1 import trading_pb2

ACCOUNTS = 4
ORDERS_PER_MESSAGE = 20
WINDOW = 8
MINOR = 10**15
RULES = {
    "symbol": "CORN-US2Y-CHI", "kind": 1, "base_asset": 2, "quote_asset": 1,
    "tick_size_micro": 2_500, "tick_value_minor": 2_500, "lot_size_minor": 100_000, "min_lots": 1,
    "max_lots": 1_000, "price_min": 1_000, "price_max": 3_000, "limit_low": 1_500,
    "limit_high": 2_500, "protection_ticks": 20, "max_notional_minor": 0,
    "maker_fee_centi_bps": 50, "taker_fee_centi_bps": 250, "deposit_bps": 0, "phase": 5,
}  # fmt: skip


def message(name: str, dice: random.Random) -> bytes:
    """Returns a message of a session: entries, some of which cross, and cancellations."""
    request = trading_pb2.OrderSessionRequest(request_id=name)
    for _ in range(ORDERS_PER_MESSAGE):
        order = request.instructions.add().create
        order.instrument_id = 1
        order.side = dice.randint(1, 2)
        order.type = trading_pb2.ORDER_TYPE_LIMIT
        order.time_in_force = dice.choice((trading_pb2.TIME_IN_FORCE_GTC, 4))
        order.price_ticks = 1_800 + dice.randint(-5, 5)
        order.quantity_lots = dice.randint(1, 9)
    return request.SerializeToString()


async def prepare(engine: Engine) -> None:
    """Opens the market; what exists is left as it is."""
    loop = asyncio.get_running_loop()

    async def ask(call: object, *arguments: object) -> object:
        future = loop.create_future()
        call(*arguments, future)  # type: ignore[operator]
        return await future

    for code in ("USD", "CORN"):
        await ask(engine.register_asset, code)
    if engine.instruments(["CORN-US2Y-CHI"]):
        return
    await ask(engine.define_instrument, RULES)
    for account in range(1, ACCOUNTS + 1):
        await ask(engine.open_account, bytes([account] * 16), account, 100_000)
        for asset in (1, 2):
            await ask(engine.transfer, account, asset, MINOR, f"{account}-{asset}".encode())


async def trade(folder: Path, seed: int, *, durable: bool, pause_s: float = 0.0) -> None:
    """Trades until it is killed; with a pause, one message at a time.

    Args:
        pause_s: Seconds between two messages, so that readers can be away for a while.
    """
    engine = Engine.open(folder, durable=durable, snapshot_interval_commands=3_000)
    loop = asyncio.get_running_loop()
    loop.add_reader(engine.fileno(), engine.drain)
    await prepare(engine)
    dice = random.Random(seed)
    waiting: list[tuple[str, asyncio.Future[object]]] = []
    print("trading", flush=True)
    number = 0
    while True:
        name = f"{seed}-{number}"
        future = loop.create_future()
        engine.order_session(1 + number % ACCOUNTS, message(name, dice), future)
        waiting.append((name, future))
        number += 1
        if pause_s:
            await asyncio.sleep(pause_s)
        if pause_s or len(waiting) >= WINDOW:
            name, future = waiting.pop(0)
            answer = await future
            assert isinstance(answer, bytes), answer
            reply = trading_pb2.OrderSessionResponse.FromString(answer)
            lines = [f"{name} {ack.sequence} {ack.order_id} {ack.status}" for ack in reply.acks]
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    given = [float(one[6:]) for one in sys.argv if one.startswith("pause=")]
    trading = trade(
        Path(sys.argv[1]), int(sys.argv[2]), durable="nosync" not in sys.argv,
        pause_s=given[0] if given else 0.0,
    )  # fmt: skip
    asyncio.run(trading)
