"""Refusals as exceptions, a class a reason: `errors.InsufficientFunds` is INSUFFICIENT_FUNDS."""

from typing import Any, Final

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from farmgate.api.errors.v1 import errors_pb2

_DETAILS_KEY: Final = "grpc-status-details-bin"
# A call with one of these codes may be sent again as it was.
_TRANSIENT: Final = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


class FarmgateError(Exception):
    """The exchange refused a call, or can't be reached.

    Attributes:
        reason: Stable name, such as "PRICE_TICK"; see docs/errors.md.
        metadata: What the words are about, by name.
        request_id: What to tell support; empty when there was no answer.
        retry_after_s: When a repeat is worth while, None when it is not.
    """

    reason = "UNKNOWN"

    def __init__(
        self, words: str, *, metadata: dict[str, str] | None = None, request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(words)
        self.metadata = metadata or {}
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class RefusedError(FarmgateError):
    """The exchange understood and refused."""


class UnavailableError(FarmgateError):
    """The exchange, or what it needs, can't be reached now."""

    reason = "UNAVAILABLE"


def _camel(reason: str) -> str:
    return "".join(word.capitalize() for word in reason.split("_"))


def _classes() -> dict[str, type[FarmgateError]]:
    found: dict[str, type[FarmgateError]] = {}
    for value in errors_pb2.Reason.DESCRIPTOR.values:
        reason = value.name.removeprefix("REASON_")
        is_away = reason in {"UNAVAILABLE", "DEPENDENCY_DOWN", "ENGINE_OVERLOADED"}
        base = UnavailableError if is_away else RefusedError
        found[reason] = type(_camel(reason), (base,), {"reason": reason, "__module__": __name__})
    return found


BY_REASON: Final = _classes()
"""Exception of each reason."""


def __getattr__(name: str) -> type[FarmgateError]:
    for kind in BY_REASON.values():
        if kind.__name__ == name:
            return kind
    raise AttributeError(f"There is no reason called {name}.")


def error_of_reason(reason: str, words: str = "", **given: Any) -> FarmgateError:
    """Returns the exception of a reason."""
    kind = BY_REASON.get(reason, RefusedError)
    return kind(words or reason, **given)


def error_of(error: grpc.aio.AioRpcError) -> FarmgateError:
    """Returns the exception that tells what a failed call's status tells."""
    trailers = dict(tuple(error.trailing_metadata() or ()))
    request_id = str(trailers.get("x-request-id", ""))
    details = trailers.get(_DETAILS_KEY)
    words = error.details() or error.code().name
    if not isinstance(details, bytes):
        kind = UnavailableError if error.code() in _TRANSIENT else FarmgateError
        return kind(words, request_id=request_id)
    reason, metadata, retry_after_s = "UNKNOWN", {}, None
    for detail in Status.FromString(details).details:
        info, retry = ErrorInfo(), RetryInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return error_of_reason(
        reason, words, metadata=metadata, request_id=request_id, retry_after_s=retry_after_s
    )
