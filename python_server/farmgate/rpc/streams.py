"""Streams: what a core's cursor gives, with heartbeats, as messages or as server-sent events."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from farmgate.ports.matching import MarketCursor, OrderCursor
from farmgate.ports.watching import Streams

# A reader who takes nothing holds as much, twice: here, and where gRPC waits to send it.
_TAKE_BYTES_MAX: Final = 32 * 1024
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
    streams: Streams,
    cursor: MarketCursor | OrderCursor,
    beat: Callable[[int], bytes],
    end: Callable[[str], bytes],
) -> AsyncIterator[tuple[bytes, bool]]:
    """Yields responses as bytes until the caller leaves or is too slow.

    With each comes whether it is whole: whether nothing of its last sequence is still to come.

    Args:
        streams: What is watched.
        cursor: The place to start at.
        beat: Makes a heartbeat of the sequence that the stream has reached.
        end: Makes the last update of a stream that the server ends.
    """
    take = streams.taker(cursor)
    while True:
        reached = streams.applied_sequence()
        data, _, more, lost = take(_TAKE_BYTES_MAX)
        if data:
            yield data, not more
        if lost:
            yield end(SLOW_CONSUMER), True
            return
        if not more and not await streams.feeds_moved(_HEARTBEAT_S):
            # What came between the look and the wait has a sequence of its own.
            yield beat(reached), True


def sse_open() -> HttpBody:
    """Returns the first part of a stream of server-sent events."""
    return HttpBody(content_type="text/event-stream", data=f"retry: {_RETRY_MS}\n\n".encode())


class Event(NamedTuple):
    """A server-sent event."""

    name: str
    sequence: int
    message: Message


def sse_events(events: Sequence[Event], *, is_whole: bool) -> bytes:
    """Returns events of rising sequences, of which several may share one.

    Only the last of a sequence has it as its ID: a reader that is cut off between two of them
    gets both again instead of losing the second.
    """
    parts = []
    for index, event in enumerate(events):
        is_last = index + 1 == len(events)
        is_complete = is_whole if is_last else events[index + 1].sequence != event.sequence
        data = sse_event(event.name, event.sequence, event.message)
        parts.append(data if is_complete else data.partition(b"\n")[2])
    return b"".join(parts)


def sse_event(name: str, sequence: int, message: Message) -> bytes:
    """Returns one event; its ID is the sequence to resume after."""
    data = MessageToJson(message, preserving_proto_field_name=True, indent=None)
    return f"id: {sequence}\nevent: {name}\ndata: {data}\n\n".encode()
