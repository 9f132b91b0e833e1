"""Streams: what a core's cursor gives, with heartbeats, as messages or as server-sent events."""

from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from farmgate.ports.matching import MarketCursor, Matching, OrderCursor

_TAKE_BYTES_MAX: Final = 256 * 1024
_HEARTBEAT_S: Final = 1.0
SLOW_CONSUMER: Final = "SLOW_CONSUMER"
_RETRY_MS: Final = 1000

M = TypeVar("M", bound="Update")


class Update(Protocol):
    """A step of a stream."""

    sequence: int
    heartbeat: bool
    end_reason: str


async def steps(
    matching: Matching,
    cursor: MarketCursor | OrderCursor,
    beat: Callable[[int], bytes],
    end: Callable[[str], bytes],
) -> AsyncIterator[bytes]:
    """Yields responses as bytes until the caller leaves or is too slow.

    Args:
        matching: The core.
        cursor: The place to start at.
        beat: Makes a heartbeat of the sequence that the stream has reached.
        end: Makes the last update of a stream that the server ends.
    """
    take = matching.taker(cursor)
    while True:
        reached = matching.applied_sequence()
        data, _, more, lost = take(_TAKE_BYTES_MAX)
        if data:
            yield data
        if lost:
            yield end(SLOW_CONSUMER)
            return
        if not more and not await matching.feeds_moved(_HEARTBEAT_S):
            # What came between the look and the wait has a sequence of its own.
            yield beat(reached)


def sse_open() -> HttpBody:
    """Returns the first part of a stream of server-sent events."""
    return HttpBody(content_type="text/event-stream", data=f"retry: {_RETRY_MS}\n\n".encode())


def sse_event(name: str, sequence: int, message: Message) -> bytes:
    """Returns one event; its ID is the sequence to resume after."""
    data = MessageToJson(message, preserving_proto_field_name=True, indent=None)
    return f"id: {sequence}\nevent: {name}\ndata: {data}\n\n".encode()
