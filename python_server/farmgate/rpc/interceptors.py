"""What every call passes, outermost first: errors, telemetry, access, limits, idempotency.

The chain is built once per method, when the server starts. A call then runs plain code in one
task: no interceptor objects, no lookups by name, nothing put on gRPC's context. Wrapping the
function of the handler, and not its `continuation`, is what makes refusals of all four shapes reach
this place: a `continuation` returns before the handler has begun.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc

from farmgate.db.replies import ClaimLostError
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.rpc import refusals
from farmgate.rpc.access import Grants, authorise, check_network
from farmgate.rpc.addresses import Addresses
from farmgate.rpc.call import Call, Grant
from farmgate.rpc.catalogue import CATALOGUE
from farmgate.rpc.limits import Limits
from farmgate.rpc.methods import Method
from farmgate.rpc.shapes import Codec, Function, Shapes
from farmgate.telemetry import sentry
from farmgate.telemetry.logs import logger
from farmgate.telemetry.metrics import RpcMetrics

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

# Quoted: these classes take parameters in their stubs only.
Context: TypeAlias = "ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

# For callers who send no deadline of their own.
_UNARY_DEADLINE_S: Final = 2.0
_UPLOAD_DEADLINE_S: Final = 60.0
# How often a stream asks whether its caller may still listen.
_RECHECK_S: Final = 2.0
# Who does not read for so long is too slow: nothing of a stream moves on that long only when
# nobody takes it, as heartbeats come each second.
_STALLED_S: Final = 10.0
_ABORT_S: Final = 1.0
_FAR: Final = float("inf")
_BEARER: Final = "bearer "
_REQUEST_ID: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_FIELD_OF_KEY: Final = {
    "accept-language": "languages",
    "authorization": "credentials",
    "idempotency-key": "idempotency_key",
    "last-event-id": "last_event_id",
    "user-agent": "user_agent",
    "x-forwarded-for": "forwarded_for",
    "x-stream-ticket": "ticket",
}
_log = logger("farmgate.rpc")


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the chain works with."""

    grants: Grants
    limits: Limits
    shapes: Shapes
    metrics: RpcMetrics
    addresses: Addresses
    clock: Clock


async def _send(context: Context, message: bytes, patience_s: float | None) -> None:
    """Writes to a stream; answers to what a caller streams wait for the caller.

    Raises:
        DomainError: SLOW_CONSUMER.
    """
    try:
        async with asyncio.timeout(patience_s):
            await context.write(message)
    except TimeoutError:
        raise DomainError("SLOW_CONSUMER") from None


class _Guard:
    """Ends a handler from outside, and remembers why."""

    __slots__ = ("_task", "_timer", "refusal")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "A handler runs in a task."
        self._task = task
        self._timer: asyncio.TimerHandle | None = None
        self.refusal: DomainError | None = None

    def after(self, seconds: float) -> None:
        """Ends the handler when it is still running then."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._expire)

    def watch(self, holds: Callable[[], DomainError | None]) -> None:
        """Ends the handler soon after its grant has ended."""
        refusal = holds()
        if refusal:
            self._end(refusal)
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_RECHECK_S, self.watch, holds)

    def close(self) -> None:
        """Lets the handler be."""
        if self._timer:
            self._timer.cancel()

    def caught(self) -> DomainError | None:
        """Returns why the handler was ended, and takes the cancellation back."""
        if self.refusal and self._task.uncancel() == 0:
            return self.refusal
        return None

    def _expire(self) -> None:
        self._end(DomainError("DEADLINE"))

    def _end(self, refusal: DomainError) -> None:
        self.refusal = refusal
        self._task.cancel()


class Endpoint:
    """One method with everything around it.

    Args:
        with_: What the chain works with.
        method: The method.
        function: The servicer's method, or what answers in its place.
        is_raw: Whether the function takes and gives bytes.
        is_quiet: Whether its calls are counted only, and leave no line in the log.
        bytes_max: Size of the largest request message, in bytes.
    """

    def __init__(
        self, with_: Collaborators, method: Method, function: Function, *, is_raw: bool,
        is_quiet: bool, bytes_max: int,
    ) -> None:  # fmt: skip
        self._method = method
        self._rule = method.rule
        self._is_quiet = is_quiet
        self._bytes_max = bytes_max
        self._grants = with_.grants
        self._limits = with_.limits
        self._addresses = with_.addresses
        self._monotonic = with_.clock.monotonic
        self._meter = with_.metrics.meter(method.service, method.name)
        codec = Codec(method, is_raw=is_raw)
        shapes = with_.shapes
        self._unary_unary = shapes.unary_unary(method, function, codec)
        self._unary_stream = shapes.unary_stream(method, function, codec)
        self._stream_unary = shapes.stream_unary(method, function, codec)
        self._stream_stream = shapes.stream_stream(method, function, codec)

    def handler(self) -> Handler:
        """Returns the handler for gRPC. Bytes come in and go out: reading them can refuse."""
        if self._method.client_streaming:
            if self._method.server_streaming:
                return grpc.stream_stream_rpc_method_handler(self.stream_stream)
            return grpc.stream_unary_rpc_method_handler(self.stream_unary)
        if self._method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self.unary_stream)
        return grpc.unary_unary_rpc_method_handler(self.unary_unary)

    async def unary_unary(self, request: bytes, context: Context) -> bytes:
        """Answers a call with one request and one reply."""
        started = self._begin()
        call = self._call(context, started)
        guard = None
        outcome = "OK"
        try:
            if call.deadline == _FAR:
                guard = _Guard()
                guard.after(_UNARY_DEADLINE_S)
            self._check_size(request)
            await self._admit(call)
            return await self._unary_unary(request, call)
        except BaseException as error:
            refusal = self._judge(call, guard, error)
            outcome = refusal.reason if refusal else "CALL_CANCELLED"
            if refusal:
                await refusals.abort(context, refusal, call.request_id)
            raise
        finally:
            if guard:
                guard.close()
            self._done(call, outcome, started)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        """Answers a call with many requests and one reply."""
        started = self._begin()
        call = self._call(context, started)
        guard = _Guard()
        outcome = "OK"
        try:
            if call.deadline == _FAR:
                guard.after(_UPLOAD_DEADLINE_S)
            await self._admit(call)
            return await self._stream_unary(self._bounded(requests), call)
        except BaseException as error:
            refusal = self._judge(call, guard, error)
            outcome = refusal.reason if refusal else "CALL_CANCELLED"
            if refusal:
                await refusals.abort(context, refusal, call.request_id)
            raise
        finally:
            guard.close()
            self._done(call, outcome, started)

    async def unary_stream(self, request: bytes, context: Context) -> None:
        """Answers a call with one request and many replies."""

        def replies(call: Call) -> AsyncIterator[bytes]:
            self._check_size(request)
            return self._unary_stream(request, call)

        await self._stream(context, replies, _STALLED_S)

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Answers a call with many requests and many replies."""
        await self._stream(
            context, lambda call: self._stream_stream(self._bounded(requests), call), None
        )

    async def _stream(
        self, context: Context, replies: Callable[[Call], AsyncIterator[bytes]],
        patience_s: float | None,
    ) -> None:  # fmt: skip
        started = self._begin()
        call = self._call(context, started)
        guard = _Guard()
        outcome = "OK"
        owner = None
        try:
            await self._admit(call)
            owner = self._limits.open_stream(call)
            grant = call.grant
            if grant:
                guard.watch(lambda: self._grants.refusal_of(grant))
            # Written here and not yielded to gRPC, so that a cancellation always lands here.
            async with aclosing(replies(call)) as messages:  # type: ignore[type-var] # Every one is a generator.
                async for message in messages:
                    await _send(context, message, patience_s)
        except BaseException as error:
            refusal = self._judge(call, guard, error)
            outcome = refusal.reason if refusal else "CALL_CANCELLED"
            if refusal:
                # For who does not read, it waits behind what was not read; nobody waits with it.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_ABORT_S):
                        await refusals.abort(context, refusal, call.request_id)
                return
            raise
        finally:
            guard.close()
            if owner:
                self._limits.close_stream(owner)
            self._done(call, outcome, started)

    def _begin(self) -> float:
        self._meter.open_count += 1
        return self._monotonic()

    def _done(self, call: Call, outcome: str, started: float) -> None:
        seconds = self._monotonic() - started
        meter = self._meter
        meter.open_count -= 1
        meter.done(outcome, seconds)
        if self._is_quiet:
            return
        principal = call.caller_or_none
        _log.info(
            "call",
            method=self._method.full_name,
            outcome=outcome,
            ms=round(seconds * 1000, 2),
            request_id=call.request_id,
            user=principal.user_id if principal else None,
            ip=call.ip,
        )

    def _call(self, context: Context, started: float) -> Call:
        # None without a deadline, which the stubs do not know.
        remaining_s: float | None = context.time_remaining()
        deadline = _FAR if remaining_s is None else started + remaining_s
        call = Call(self._method, self._addresses, context.peer, deadline)
        for key, value in context.invocation_metadata() or ():
            name = _FIELD_OF_KEY.get(key)
            if name:
                setattr(call, name, str(value))
            elif key == "x-request-id" and _REQUEST_ID.fullmatch(str(value)):
                call.request_id = str(value)
        return call

    async def _admit(self, call: Call) -> None:
        if call.credentials is not None:
            try:
                call.grant = await self._grant(call)
            except DomainError:
                # Who asks what anybody may ask need not be known; a client whose token has
                # expired sends it along when it signs in again.
                if not self._rule.is_public:
                    # Guesses at tokens count against the address they come from.
                    self._limits.spend(call)
                    raise
        elif call.ticket is not None and self._rule.accepts_stream_ticket:
            call.grant = await self._grants.redeem(call.ticket)
        grant = call.grant
        authorise(self._rule, grant.principal if grant else None)
        self._limits.spend(call)
        if self._limits.is_shared:
            await self._limits.spend_shared(call)

    async def _grant(self, call: Call) -> Grant:
        credentials = call.credentials or ""
        if credentials[:7].lower() != _BEARER:
            raise DomainError("TOKEN_INVALID")
        token = credentials[7:]
        grant = self._grants.cached(token) or await self._grants.resolve(token)
        if grant.principal.networks:
            check_network(grant.principal, call.ip)
        return grant

    async def _bounded(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for request in requests:
            self._check_size(request)
            yield request

    def _check_size(self, request: bytes) -> None:
        if len(request) > self._bytes_max:
            raise DomainError(
                "PAYLOAD_TOO_LARGE", size_bytes=len(request), size_bytes_max=self._bytes_max
            )

    def _judge(self, call: Call, guard: _Guard | None, error: BaseException) -> DomainError | None:
        """Returns what to tell the caller, or None when there is nobody left to tell."""
        if isinstance(error, DomainError) and error.reason in CATALOGUE:
            return error
        if isinstance(error, ClaimLostError):
            return DomainError("IDEMPOTENCY_IN_PROGRESS", key=call.idempotency_key)
        if isinstance(error, asyncio.CancelledError):
            return guard.caught() if guard else None
        if not isinstance(error, Exception):
            return None
        _log.error(
            "fault",
            method=self._method.full_name,
            request_id=call.request_id,
            exc_info=error,
        )
        sentry.report(error, method=self._method.full_name, request_id=call.request_id)
        return DomainError("INTERNAL", request_id=call.request_id)
