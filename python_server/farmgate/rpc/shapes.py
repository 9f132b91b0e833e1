"""The four shapes of a call: between bytes on the wire and messages of a servicer.

Each builder runs once, when the server starts, and returns the function that every call runs.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from farmgate.db.replies import ClaimLostError
from farmgate.errors import DomainError
from farmgate.rpc import validation
from farmgate.rpc.call import Call
from farmgate.rpc.idempotency import REPLY_BYTES_MAX, Idempotency, RequestHash, join, split
from farmgate.rpc.methods import Method
from farmgate.telemetry.logs import logger

T = TypeVar("T")
# A servicer's method: message or bytes, or a stream of them, in and out.
Function = Callable[[Any, Call], Any]
UnaryUnary = Callable[[bytes, Call], Awaitable[bytes]]
UnaryStream = Callable[[bytes, Call], AsyncIterator[bytes]]
StreamUnary = Callable[[AsyncIterator[bytes], Call], Awaitable[bytes]]
StreamStream = Callable[[AsyncIterator[bytes], Call], AsyncIterator[bytes]]

# A call with a key is carried out even when its caller leaves; this bounds how long.
_WORK_SECONDS_MAX: Final = 60
# Refusals after which nobody knows whether something was changed: the claim stays.
_UNSURE: Final = frozenset({"UNAVAILABLE", "DEADLINE", "ENGINE_STOPPED", "DEPENDENCY_DOWN"})
_log = logger(__name__)


class Codec:
    """Reads requests and writes replies of a method.

    Args:
        method: The method.
        is_raw: Whether its servicer takes and gives bytes.
    """

    def __init__(self, method: Method, *, is_raw: bool) -> None:
        self._is_raw = is_raw
        self.read: Callable[[bytes], Any] = _same if is_raw else validation.reader(method.request)
        self.write: Callable[[Any], bytes] = _same if is_raw else _write

    def canonical(self, request: Message | bytes) -> bytes:
        """Returns the bytes by which repeats are recognised, whatever order the fields came in."""
        if isinstance(request, bytes):
            return request
        return request.SerializeToString(deterministic=True)


class Shapes:
    """Builds the functions of calls.

    Args:
        idempotency: Recognises repeats and records changes.
    """

    def __init__(self, idempotency: Idempotency) -> None:
        self._idempotency = idempotency
        self._unfinished: set[asyncio.Task[Any]] = set()

    def unary_unary(self, method: Method, function: Function, codec: Codec) -> UnaryUnary:
        """Returns the function of a call with one request and one reply."""
        if not _is_recorded(method):
            return function if codec.read is _same else _plain(function, codec)
        idempotency = self._idempotency

        async def work(request: Any, call: Call) -> bytes:
            reply = codec.write(await function(request, call))
            await idempotency.complete(call, reply)
            return reply

        async def run(data: bytes, call: Call) -> bytes:
            request = codec.read(data)
            request_hash = idempotency.trace(call)
            request_hash.add(codec.canonical(request))
            kept = await idempotency.claim(call, request_hash.digest())
            if kept is not None:
                assert kept.reply is not None, "A slot without reply refuses."
                return kept.reply
            return await self._carry_out(call, work(request, call))

        return run

    def unary_stream(self, method: Method, function: Function, codec: Codec) -> UnaryStream:
        """Returns the function of a call with one request and many replies."""

        async def plain(data: bytes, call: Call) -> AsyncIterator[bytes]:
            async with aclosing(function(codec.read(data), call)) as replies:
                async for reply in replies:
                    yield codec.write(reply)

        if not _is_recorded(method):
            return plain
        idempotency = self._idempotency

        async def run(data: bytes, call: Call) -> AsyncIterator[bytes]:
            request = codec.read(data)
            request_hash = idempotency.trace(call)
            request_hash.add(codec.canonical(request))
            kept = await idempotency.claim(call, request_hash.digest())
            if kept is not None:
                async for reply in split(kept.reply or b""):
                    yield reply
                return
            async for reply in self._recorded(call, function(request, call), codec):
                yield reply

        return run

    def stream_unary(self, method: Method, function: Function, codec: Codec) -> StreamUnary:
        """Returns the function of a call with many requests and one reply."""

        async def plain(data: AsyncIterator[bytes], call: Call) -> bytes:
            return codec.write(await function(_read(data, codec), call))

        if not _is_recorded(method):
            return plain
        idempotency = self._idempotency

        async def run(data: AsyncIterator[bytes], call: Call) -> bytes:
            request_hash = idempotency.trace(call)
            requests = _read(data, codec, request_hash)
            kept = await idempotency.claim(call, b"")
            if kept is not None:
                await _compare(requests, request_hash, kept.request_hash, call)
                return kept.reply or b""
            try:
                reply = codec.write(await function(requests, call))
                await idempotency.complete(call, reply)
            except Exception as error:
                await self._give_back(call, error)
                raise
            return reply

        return run

    def stream_stream(self, method: Method, function: Function, codec: Codec) -> StreamStream:
        """Returns the function of a call with many requests and many replies."""

        async def plain(data: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            async with aclosing(function(_read(data, codec), call)) as replies:
                async for reply in replies:
                    yield codec.write(reply)

        if not _is_recorded(method):
            return plain
        idempotency = self._idempotency

        async def run(data: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
            request_hash = idempotency.trace(call)
            requests = _read(data, codec, request_hash)
            kept = await idempotency.claim(call, b"")
            if kept is not None:
                await _compare(requests, request_hash, kept.request_hash, call)
                async for reply in split(kept.reply or b""):
                    yield reply
                return
            async for reply in self._recorded(call, function(requests, call), codec):
                yield reply

        return run

    async def drain(self) -> None:
        """Waits for work whose callers have left."""
        while self._unfinished:
            await asyncio.wait(self._unfinished)

    async def _carry_out(self, call: Call, work: Coroutine[Any, Any, bytes]) -> bytes:
        """Returns the reply of work that goes on when the caller leaves, if it has a key.

        Otherwise a caller who repeats a call after its deadline would be told that the first is
        still being carried out, until the claim lapses.
        """
        if call.trace is None or call.trace.slot is None:
            return await work
        task = asyncio.create_task(self._finish(call, work))
        self._unfinished.add(task)
        task.add_done_callback(self._settle)
        return await asyncio.shield(task)

    async def _finish(self, call: Call, work: Coroutine[Any, Any, bytes]) -> bytes:
        try:
            async with asyncio.timeout(_WORK_SECONDS_MAX):
                return await work
        except Exception as error:
            await self._give_back(call, error)
            raise

    def _settle(self, task: asyncio.Task[bytes]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            # Read, so that asyncio does not complain when the caller left before the refusal.
            task.exception()

    async def _recorded(
        self, call: Call, replies: AsyncIterator[Any], codec: Codec
    ) -> AsyncIterator[bytes]:
        kept: list[bytes] = []
        size_bytes = 0
        try:
            async for reply in replies:
                data = codec.write(reply)
                size_bytes += len(data)
                assert size_bytes <= REPLY_BYTES_MAX, "Longer replies the method keeps itself."
                kept.append(data)
                yield data
            await self._idempotency.complete(call, join(kept))
        except Exception as error:
            await self._give_back(call, error)
            raise

    async def _give_back(self, call: Call, error: Exception) -> None:
        is_sure = isinstance(error, DomainError) and error.reason not in _UNSURE
        if not is_sure or isinstance(error, ClaimLostError):
            return
        try:
            await self._idempotency.release(call)
        except DomainError as failure:
            # The claim lapses by itself.
            _log.warning("claim not released", request_id=call.request_id, reason=str(failure))


def _plain(function: Function, codec: Codec) -> UnaryUnary:
    read, write = codec.read, codec.write

    async def run(data: bytes, call: Call) -> bytes:
        return write(await function(read(data), call))

    return run


def _is_recorded(method: Method) -> bool:
    # What the matching core keeps, its journal records.
    return method.rule.mutates and not method.rule.is_core_kept


async def _read(
    data: AsyncIterator[bytes], codec: Codec, request_hash: RequestHash | None = None
) -> AsyncIterator[Any]:
    async for part in data:
        request = codec.read(part)
        if request_hash:
            request_hash.add(codec.canonical(request))
        yield request


async def _compare(
    requests: AsyncIterator[Any], request_hash: RequestHash, kept_hash: bytes, call: Call
) -> None:
    async for _ in requests:
        pass
    if request_hash.digest() != kept_hash:
        raise DomainError("IDEMPOTENCY_KEY_REUSED", key=call.idempotency_key)


def _same(value: T) -> T:
    return value


def _write(reply: Message | bytes) -> bytes:
    # A stream may pass on what is encoded already: it is the same for many readers.
    return reply if isinstance(reply, bytes) else reply.SerializeToString()
