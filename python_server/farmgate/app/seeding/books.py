"""A book to trade on: ten levels on each side of every SPOT instrument."""

from typing import Any, Final

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.app.seeding.ground import Ground
from farmgate.app.seeding.people import MAKERS
from farmgate.market import catalogue

_SIDES: Final = (
    (MAKERS[0], types_pb2.SIDE_SELL, 1),
    (MAKERS[1], types_pb2.SIDE_BUY, -1),
)
_LEVELS: Final = 10
_LOTS: Final = 20
_REQUEST_ID_CHARS: Final = 36


async def plant(ground: Ground) -> None:
    """Enters the makers' orders; the core knows a batch that it had before."""
    numbers = {found["symbol"]: found["number"] for found in ground.matching.instruments()}
    spot = market_pb2.INSTRUMENT_KIND_SPOT
    rules = [
        listing.rules
        for listing in catalogue.listings(ground.base.clock.now().date())
        if listing.rules["kind"] == spot
    ]
    for maker, side, away in _SIDES:
        user = await ground.person(maker)
        assert user.account_number, "Makers have accounts."
        for entry in rules:
            batch = _batch(entry, numbers[entry["symbol"]], side, away)
            await ground.matching.batch_create_orders(user.account_number, batch)


def _batch(rules: dict[str, Any], number: int, side: types_pb2.Side.ValueType, away: int) -> bytes:
    """Returns a side of a book around the middle of the day's limits."""
    middle = (rules["limit_low"] + rules["limit_high"]) // 2
    request_id = f"seed-{rules['symbol']}"[:_REQUEST_ID_CHARS]
    request = trading_pb2.BatchCreateOrdersRequest(request_id=request_id)
    for step in range(1, _LEVELS + 1):
        request.orders.add(
            instrument_id=number,
            side=side,
            type=trading_pb2.ORDER_TYPE_LIMIT,
            time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
            price_ticks=middle + away * step,
            quantity_lots=_LOTS,
        )
    return request.SerializeToString()
