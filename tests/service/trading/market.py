"""A core with one market, driven without a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.ports.matching import InstrumentRules, Matching

SYMBOL = "CORN-US2Y-CHI"
SELLER, BUYER = 1, 2
RICH_MINOR = 10**15
RULES: InstrumentRules = {
    "symbol": SYMBOL, "kind": 1, "base_asset": 2, "quote_asset": 1,
    "tick_size_micro": 2_500, "tick_value_minor": 2_500, "lot_size_minor": 100_000, "min_lots": 1,
    "max_lots": 1_000, "price_min": 1_000, "price_max": 3_000, "limit_low": 1_500,
    "limit_high": 2_500, "protection_ticks": 20, "max_notional_minor": 0,
    "maker_fee_centi_bps": 50, "taker_fee_centi_bps": 250, "deposit_bps": 0, "phase": 5,
}  # fmt: skip


@asynccontextmanager
async def opened(folder: Path, *, snapshot_every: int = 1_000_000) -> AsyncIterator[Matching]:
    """Opens a core, with its market when it is new, for the length of a block."""
    matching = Matching.open(folder, snapshot_interval_commands=snapshot_every)
    await matching.start()
    try:
        for code in ("USD", "CORN"):
            await matching.register_asset(code)
        if not matching.instruments():
            await matching.define_instrument(RULES)
            for account in (SELLER, BUYER):
                number = await matching.open_account(
                    bytes([account] * 16), owner=account, max_open_orders=100_000
                )
                for asset in (1, 2):
                    await matching.transfer(number, asset, RICH_MINOR, f"start {asset}".encode())
        await matching.caught_up()
        yield matching
    finally:
        await matching.stop()


def session_message(account: int, count: int, *, price_ticks: int = 1_800, first: int = 0) -> bytes:
    """Returns a message of a session: limit orders of one lot, sales for the seller."""
    request = trading_pb2.OrderSessionRequest()
    side = types_pb2.SIDE_SELL if account == SELLER else types_pb2.SIDE_BUY
    for number in range(count):
        order = request.instructions.add().create
        order.client_order_id = f"{account}-{first + number}"
        order.instrument_id = 1
        order.side = side
        order.type = trading_pb2.ORDER_TYPE_LIMIT
        order.time_in_force = trading_pb2.TIME_IN_FORCE_GTC
        order.price_ticks = price_ticks
        order.quantity_lots = 1
    return request.SerializeToString()


async def trade(matching: Matching, count: int, *, first: int = 0) -> None:
    """Makes so many trades, each of a step of its own."""
    for number in range(first, first + count):
        for account in (SELLER, BUYER):
            message = session_message(account, 1, first=number)
            matching.session_reply(await matching.order_session(account, message))


async def trade_fast(matching: Matching, count: int, *, first: int = 0) -> None:
    """Makes so many trades in few steps."""
    for account in (SELLER, BUYER):
        message = session_message(account, count, first=first)
        matching.session_reply(await matching.order_session(account, message))


async def settled(matching: Matching) -> int:
    """Waits until feeds show everything; returns the sequence."""
    await matching.caught_up()
    await asyncio.sleep(0)
    return matching.applied_sequence()
