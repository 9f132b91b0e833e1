"""Turns refusals into gRPC's statuses: code, words and details."""

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from farmgate.errors import DomainError
from farmgate.rpc.catalogue import CATALOGUE

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

DOMAIN: Final = "farmgate"
_DETAILS_KEY: Final = "grpc-status-details-bin"
# The words may repeat what a caller sent; metadata has a limit of its own.
# Told the edge, which asks another server: nothing was done, so a repeat is safe for every method.
_REPEAT_KEY: Final = "x-farmgate-repeat"
_REPEATABLE: Final = frozenset({"NOT_LEADER"})
_VALUE_LENGTH_MAX: Final = 256
_VIOLATIONS_MAX: Final = 20
# Reasons for which a repeat is worth while soon, and when.
_RETRY_AFTER_MS: Final = {
    "IDEMPOTENCY_IN_PROGRESS": 200,
    "RATE_LIMITED": 1_000,
    "ENGINE_OVERLOADED": 100,
    "NOT_LEADER": 500,
    "UNAVAILABLE": 1_000,
    "DEPENDENCY_DOWN": 5_000,
    "READ_BEHIND": 100,
    "BOOK_FULL": 1_000,
}


def words(refusal: DomainError) -> str:
    """Returns the sentence a caller reads."""
    entry = CATALOGUE[refusal.reason]
    return entry.message.format_map({key: _cut(value) for key, value in refusal.values.items()})


def status_of(refusal: DomainError) -> Status:
    """Returns the status with exactly one ErrorInfo and what else the refusal calls for."""
    entry = CATALOGUE[refusal.reason]
    values = {key: _cut(value) for key, value in refusal.values.items()}
    details = [ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=values)]
    packed = [_packed(detail) for detail in details]
    if refusal.violations:
        packed.append(
            _packed(
                BadRequest(
                    field_violations=[
                        BadRequest.FieldViolation(
                            field=_cut(field),
                            description=_cut(description),
                            reason=refusal.reason,
                        )
                        for field, description in refusal.violations[:_VIOLATIONS_MAX]
                    ]
                )
            )
        )
    delay_ms = retry_after_ms(refusal)
    if delay_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(delay_ms)
        packed.append(_packed(RetryInfo(retry_delay=delay)))
    number: int = entry.code.value[0]
    return Status(code=number, message=words(refusal), details=packed)


def retry_after_ms(refusal: DomainError) -> int | None:
    """Returns after how many milliseconds a repeat may work, or None when it will not."""
    if refusal.retry_after_ms is not None:
        return refusal.retry_after_ms
    return _RETRY_AFTER_MS.get(refusal.reason)


def code_of(refusal: DomainError) -> StatusCode:
    """Returns the gRPC code of the refusal."""
    return CATALOGUE[refusal.reason].code


async def abort(
    context: "ServicerContext[Any, Any]", refusal: DomainError, request_id: str
) -> None:
    """Ends the call with the refusal. Never returns: gRPC's own exception flies."""
    status = status_of(refusal)
    repeat = ((_REPEAT_KEY, "1"),) if refusal.reason in _REPEATABLE else ()
    await context.abort(
        code_of(refusal),
        status.message,
        trailing_metadata=(
            (_DETAILS_KEY, status.SerializeToString()),
            ("x-request-id", request_id),
            *repeat,
        ),
    )


def _packed(message: ErrorInfo | BadRequest | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _cut(value: str) -> str:
    text = value if value.isprintable() else value.encode("unicode_escape").decode("ascii")
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[: _VALUE_LENGTH_MAX - 1]}…"
