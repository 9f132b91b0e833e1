"""The gRPC face of market data as it happens."""

from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.market.v1 import market_pb2
from farmgate.ports.watching import Streams
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from farmgate.rpc.streams import Event, sse_events, sse_open, steps

_CHANNELS_DEFAULT: Final = (
    market_pb2.MARKET_CHANNEL_TRADES,
    market_pb2.MARKET_CHANNEL_BOOK,
    market_pb2.MARKET_CHANNEL_PRICE_UPDATE,
    market_pb2.MARKET_CHANNEL_MARKET_SUMMARY,
    market_pb2.MARKET_CHANNEL_AUCTION,
    market_pb2.MARKET_CHANNEL_STATUS,
)
# Readers of the same instruments get the same bytes: they are turned into JSON once.
_KEPT: Final = 512


class MarketStreamServicer(Servicer):
    """Serves the stream of `MarketService`, also in processes that do nothing else.

    Args:
        streams: What is watched.
    """

    SERVICE = market_pb2.DESCRIPTOR.services_by_name["MarketService"]

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def WatchMarket(
        self, request: market_pb2.WatchMarketRequest, call: Call
    ) -> AsyncIterator[bytes]:
        channels = _channels(request.channels)
        cursor = self._streams.watch_market(list(request.symbols), channels, request.from_sequence)
        async for data, _ in steps(self._streams, cursor, market_beat, market_end):
            yield data


class MarketEventServicer(Servicer):
    """Serves `EventService`: market data for a browser's EventSource.

    Args:
        streams: What is watched.
    """

    SERVICE = market_pb2.DESCRIPTOR.services_by_name["EventService"]

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def StreamMarketEvents(
        self, request: market_pb2.StreamMarketEventsRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        from_sequence = call.resume_after + 1 if call.resume_after else request.from_sequence
        channels = _channels(request.channels)
        cursor = self._streams.watch_market(list(request.symbols), channels, from_sequence)
        yield sse_open()
        async for data, is_whole in steps(self._streams, cursor, market_beat, market_end):
            yield HttpBody(data=_events(data, is_whole))


def market_beat(sequence: int) -> bytes:
    """Returns a heartbeat of market data."""
    update = market_pb2.MarketUpdate(sequence=sequence, heartbeat=True)
    return market_pb2.WatchMarketResponse(updates=[update]).SerializeToString()


def market_end(reason: str) -> bytes:
    """Returns the last update of a stream of market data."""
    update = market_pb2.MarketUpdate(end_reason=reason)
    return market_pb2.WatchMarketResponse(updates=[update]).SerializeToString()


@lru_cache(_KEPT)
def _events(data: bytes, is_whole: bool) -> bytes:  # noqa: FBT001 - A key of the cache.
    updates = market_pb2.WatchMarketResponse.FromString(data).updates
    return sse_events(
        [Event(_name(update), update.sequence, update) for update in updates], is_whole=is_whole
    )


def _channels(wanted: Iterable[int]) -> int:
    channels = 0
    for channel in tuple(wanted) or _CHANNELS_DEFAULT:
        channels |= 1 << channel
    return channels


def _name(update: market_pb2.MarketUpdate) -> str:
    if update.end_reason:
        return "end"
    return "heartbeat" if update.heartbeat else "market"
