"""The demonstration's market makers: they quote every SPOT instrument and now and then trade.

They are clients like any other: they sign in, read the instruments and keep an order session.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from typing import Final

import grpc

from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2
from farmgate.app.seeding.ground import DOMAIN, PASSWORD
from farmgate.telemetry.logs import logger

_MAKERS: Final = ("mill.nord", "trader.riverside", "trader.meridian")
_INTERVAL_S: Final = 0.5
_LEVELS: Final = 20
_LOTS_MAX: Final = 20
_RETRY_S: Final = 2.0
_MICRO: Final = 10**6
_log = logger(__name__)


def run(address: str) -> None:
    """Trades until SIGTERM or Ctrl-C.

    Args:
        address: Host and port of the gRPC server.
    """
    asyncio.run(_run(address))


async def _run(address: str) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.gather(*(_keep_trading(address, name) for name in _MAKERS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        _log.info("bots stopped")


async def _keep_trading(address: str, name: str) -> None:
    while True:
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                await _trade(channel, name)
        except grpc.aio.AioRpcError as error:
            _log.warning("bot starts again", bot=name, reason=str(error.details()))
        await asyncio.sleep(_RETRY_S)


async def _trade(channel: grpc.aio.Channel, name: str) -> None:
    token = await auth_pb2_grpc.AuthServiceStub(channel).Login(
        auth_pb2.LoginRequest(email=f"{name}@{DOMAIN}", password=PASSWORD)
    )
    listed = await market_pb2_grpc.MarketServiceStub(channel).ListInstruments(
        market_pb2.ListInstrumentsRequest(page_size=500, kind=market_pb2.INSTRUMENT_KIND_SPOT)
    )
    maker = _Maker(list(listed.instruments), random.Random(name))  # noqa: S311 - A simulation.
    stub = trading_pb2_grpc.TradingServiceStub(channel)
    metadata = (("authorization", f"Bearer {token.access_token}"),)
    async for reply in stub.OrderSession(maker.messages(), metadata=metadata):
        maker.hear(reply)


class _Maker:
    """Quotes around a price that wanders."""

    def __init__(self, instruments: list[market_pb2.Instrument], dice: random.Random) -> None:
        self._dice = dice
        self._instruments = instruments
        self._middle = {one.instrument_id: _middle_ticks(one) for one in instruments}
        self._open: dict[int, list[int]] = {one.instrument_id: [] for one in instruments}
        self._asked: list[int] = []

    async def messages(self) -> AsyncIterator[trading_pb2.OrderSessionRequest]:
        """Yields a message for one instrument after the other."""
        while True:
            instrument = self._dice.choice(self._instruments)
            yield self._message(instrument)
            await asyncio.sleep(_INTERVAL_S)

    def hear(self, reply: trading_pb2.OrderSessionResponse) -> None:
        """Remembers which orders rest."""
        number = self._asked.pop(0)
        self._open[number] += [
            ack.order_id for ack in reply.acks if ack.status == trading_pb2.ORDER_STATUS_NEW
        ]

    def _message(self, instrument: market_pb2.Instrument) -> trading_pb2.OrderSessionRequest:
        number = instrument.instrument_id
        self._asked.append(number)
        self._middle[number] += self._dice.randint(-1, 1)
        request = trading_pb2.OrderSessionRequest()
        stale, self._open[number] = self._open[number], []
        for order_id in stale:
            request.instructions.add().cancel.order_id = order_id
        for side, away in ((types_pb2.SIDE_BUY, -1), (types_pb2.SIDE_SELL, 1)):
            for step in range(1, _LEVELS + 1):
                self._quote(request, number, side, self._middle[number] + away * step)
        # One order crosses, so that there are trades to look at.
        side = self._dice.choice((types_pb2.SIDE_BUY, types_pb2.SIDE_SELL))
        away = 2 if side == types_pb2.SIDE_BUY else -2
        order = self._quote(request, number, side, self._middle[number] + away)
        order.time_in_force = trading_pb2.TIME_IN_FORCE_IOC
        return request

    def _quote(
        self,
        request: trading_pb2.OrderSessionRequest,
        number: int,
        side: types_pb2.Side.ValueType,
        price_ticks: int,
    ) -> trading_pb2.NewOrder:
        order = request.instructions.add().create
        order.instrument_id = number
        order.side = side
        order.type = trading_pb2.ORDER_TYPE_LIMIT
        order.time_in_force = trading_pb2.TIME_IN_FORCE_GTC
        order.price_ticks = price_ticks
        order.quantity_lots = self._dice.randint(1, _LOTS_MAX)
        return order


def _middle_ticks(instrument: market_pb2.Instrument) -> int:
    """Returns the middle of the day's limits, in ticks."""
    tick = _micro(instrument.tick_size)
    return (_micro(instrument.price_low) + _micro(instrument.price_high)) // (2 * tick)


def _micro(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * _MICRO + int(fraction.ljust(6, "0") or "0")
