"""The answers Envoy makes itself, in the shape of the server's refusals.

Callers of REST get google.rpc.Status as JSON; callers of gRPC get it in their trailers.
"""

import base64
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from farmgate.app.edge.options import REQUEST_BYTES_MAX
from farmgate.errors import DomainError
from farmgate.rpc import refusals

_TYPE: Final = "type.googleapis.com/"
_DENIED: Final = "jwt_authn_access_denied"
# Envoy's own words name what is wrong with a request.
_MALFORMED: Final = {"field": "request", "rule": "%LOCAL_REPLY_BODY%"}
_METHOD: Final = {"method": "%REQ(:METHOD)% %PATH(NQ:ORIG_OR_PATH)%"}
_SIZE: Final = {
    "size_bytes": f"more than {REQUEST_BYTES_MAX}",
    "size_bytes_max": str(REQUEST_BYTES_MAX),
}
_RATE: Final = {
    "limit": "the calls a second that one address or one user may make",
    "retry_after_ms": "1000",
}


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer of Envoy's and what becomes of it.

    Attributes:
        status: HTTP status that Envoy would answer with.
        reason: The stable reason instead of its words.
        values: Values of the refusal. Those that depend on the call are Envoy's %COMMANDS%.
        when: Further conditions.
        new_status: HTTP status that is told in its place.
    """

    status: int
    reason: str
    values: dict[str, str] = field(default_factory=dict)
    when: tuple[dict[str, Any], ...] = ()
    new_status: int | None = None


def local_replies() -> list[dict[str, Any]]:
    """Returns the mappers of Envoy's own answers; the first that fits is taken."""
    mappers = [_waiting(status) for status in (503, 504)]
    for reply in _replies():
        status = refusals.status_of(DomainError(reply.reason, **reply.values))
        # Only REST can be told what depends on the call: gRPC's details are encoded here.
        if "%" not in str(reply.values):
            mappers.append(_for_grpc(reply, status))
        mappers.append(_for_rest(reply, status))
    return mappers


def _replies() -> list[_Reply]:
    has_ticket = _has_header("x-stream-ticket")
    is_denied = _details_contain(_DENIED)
    return [
        # Keys that can't be had are no fault of the caller's.
        _Reply(401, "UNAVAILABLE", when=(_details_contain("Jwks"),), new_status=503),
        _Reply(401, "STREAM_TICKET_INVALID", when=(has_ticket,)),
        _Reply(403, "STREAM_TICKET_INVALID", when=(is_denied, has_ticket), new_status=401),
        _Reply(401, "TOKEN_EXPIRED", when=(_details_contain("Jwt_is_expired"),)),
        _Reply(401, "TOKEN_INVALID", when=(_has_header("authorization"),)),
        _Reply(401, "UNAUTHENTICATED"),
        # A token made for another audience.
        _Reply(403, "TOKEN_INVALID", when=(is_denied,), new_status=401),
        _Reply(403, "PERMISSION_DENIED"),
        _Reply(400, "INVALID_ARGUMENT", _MALFORMED),
        _Reply(404, "METHOD_UNKNOWN", _METHOD),
        _Reply(405, "METHOD_UNKNOWN", _METHOD),
        _Reply(408, "DEADLINE"),
        _Reply(413, "PAYLOAD_TOO_LARGE", _SIZE),
        _Reply(415, "INVALID_ARGUMENT", _MALFORMED),
        _Reply(429, "RATE_LIMITED", _RATE),
        _Reply(431, "INVALID_ARGUMENT", {"field": "headers", "rule": "they are too large"}),
        _Reply(500, "INTERNAL", {"request_id": "%REQ(X-REQUEST-ID)%"}),
        _Reply(502, "UNAVAILABLE", new_status=503),
        # Envoy's words would tell addresses of the inside.
        _Reply(503, "UNAVAILABLE"),
        _Reply(504, "DEADLINE"),
    ]


def _waiting(status: int) -> dict[str, Any]:
    """A browser's EventSource gives up for good on any status but 200: it is kept waiting."""
    path = {"name": "x-envoy-original-path", "string_match": {"prefix": "/v1/events/"}}
    return {
        "filter": _all(_status_is(status), {"header_filter": {"header": path}}),
        "status_code": 200,
        "body_format_override": {
            "text_format_source": {
                "inline_string": "retry: 1000\n: The service is away for a moment.\n\n"
            },
            "content_type": "text/event-stream",
        },
    }


def _for_rest(reply: _Reply, status: Status) -> dict[str, Any]:
    told = MessageToDict(status, preserving_proto_field_name=True)
    for detail in told["details"]:
        if detail["@type"].endswith("ErrorInfo"):
            # The transcoder writes empty values too.
            detail.setdefault("metadata", {})
    return _mapper(reply) | {
        "body_format_override": {"json_format": told, "content_type": "application/json"},
    }


def _for_grpc(reply: _Reply, status: Status) -> dict[str, Any]:
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            # The order of its values would differ from run to run.
            detail.Pack(info, deterministic=True)
    details = base64.b64encode(status.SerializeToString(deterministic=True)).rstrip(b"=")
    is_grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    # What came as REST looks like gRPC behind the transcoder.
    is_native = {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}
    conditions = [{"header_filter": {"header": header}} for header in (is_grpc, is_native)]
    return _mapper(reply, *conditions) | {
        "headers_to_add": [
            _set("grpc-status", str(status.code)),
            _set("grpc-status-details-bin", details.decode()),
        ],
        "body_format_override": {
            "text_format_source": {"inline_string": status.message},
            "content_type": "application/grpc",
        },
    }


def _mapper(reply: _Reply, *more: dict[str, Any]) -> dict[str, Any]:
    conditions = (*more, _status_is(reply.status), *reply.when)
    mapper: dict[str, Any] = {"filter": _all(*conditions) if len(conditions) > 1 else conditions[0]}
    if reply.new_status:
        mapper["status_code"] = reply.new_status
    return mapper


def _set(key: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": key, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _all(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(conditions)}}


def _status_is(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "farmgate.unused"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _has_header(name: str) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": name, "present_match": True}}}


def _details_contain(words: str) -> dict[str, Any]:
    """Matches on Envoy's own account of why it answered."""
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": f"{_TYPE}envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": f"response.code_details.contains('{words}')",
            },
        }
    }
