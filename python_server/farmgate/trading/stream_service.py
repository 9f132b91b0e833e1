"""The gRPC face of execution reports as they happen."""

from collections.abc import AsyncIterator

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.trading.v1 import events_pb2, trading_pb2
from farmgate.ports.watching import Streams
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from farmgate.rpc.streams import Event, sse_events, sse_open, steps
from farmgate.trading.accounts import Readable, own_account


class OrderStreamServicer(Servicer):
    """Serves the stream of `TradingService`, also in processes that do nothing else.

    Args:
        streams: What is watched.
        readable: Knows whose accounts a call reaches.
    """

    SERVICE = trading_pb2.DESCRIPTOR.services_by_name["TradingService"]

    def __init__(self, streams: Streams, readable: Readable) -> None:
        self._streams = streams
        self._readable = readable

    async def WatchOrders(
        self, request: trading_pb2.WatchOrdersRequest, call: Call
    ) -> AsyncIterator[bytes]:
        account, _ = await self._readable.account(call, request.account_id)
        cursor = self._streams.watch_orders(account, request.from_sequence)
        async for data, _ in steps(self._streams, cursor, order_beat, order_end):
            yield data


class OrderEventServicer(Servicer):
    """Serves `OrderEventService`: the stream of orders for a browser's EventSource.

    Args:
        streams: What is watched.
    """

    SERVICE = events_pb2.DESCRIPTOR.services_by_name["OrderEventService"]

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def StreamOrderEvents(
        self, request: events_pb2.StreamOrderEventsRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        from_sequence = call.resume_after + 1 if call.resume_after else request.from_sequence
        cursor = self._streams.watch_orders(own_account(call), from_sequence)
        yield sse_open()
        async for data, is_whole in steps(self._streams, cursor, order_beat, order_end):
            updates = trading_pb2.WatchOrdersResponse.FromString(data).updates
            events = [Event(_name(update), update.sequence, update) for update in updates]
            yield HttpBody(data=sse_events(events, is_whole=is_whole))


def order_beat(sequence: int) -> bytes:
    """Returns a heartbeat of the stream of orders."""
    update = trading_pb2.OrderUpdate(sequence=sequence, heartbeat=True)
    return trading_pb2.WatchOrdersResponse(updates=[update]).SerializeToString()


def order_end(reason: str) -> bytes:
    """Returns the last update of a stream of orders."""
    update = trading_pb2.OrderUpdate(end_reason=reason)
    return trading_pb2.WatchOrdersResponse(updates=[update]).SerializeToString()


def _name(update: trading_pb2.OrderUpdate) -> str:
    if update.end_reason:
        return "end"
    return "heartbeat" if update.heartbeat else "orders"
