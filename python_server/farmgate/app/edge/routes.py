"""Where Envoy sends a call, and what differs for streams."""

from typing import Any, Final

from farmgate.app.edge.authentication import TICKET_HEADER
from farmgate.app.edge.descriptors import Binding, bindings
from farmgate.app.edge.filters import (
    COMPRESSORS,
    HEADERS,
    TICKET_COOKIE,
    TRANSCODER,
    set_header,
    transcoder,
)
from farmgate.app.edge.options import REQUEST_BYTES_MAX, EdgeOptions

_TYPE: Final = "type.googleapis.com/envoy."
_OTHER_HOSTS: Final = "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_FILTER: Final = f"{_TYPE}extensions.filters.http."
CLUSTER: Final = "farmgate"
STREAM_CLUSTER: Final = "farmgate_streams"
# Streams that have processes of their own.
STREAMED: Final = frozenset({
    "/farmgate.api.market.v1.EventService/StreamMarketEvents",
    "/farmgate.api.market.v1.MarketService/WatchMarket",
    "/farmgate.api.notifications.v1.NotificationEventService/StreamNotificationEvents",
    "/farmgate.api.notifications.v1.NotificationService/WatchNotifications",
    "/farmgate.api.trading.v1.OrderEventService/StreamOrderEvents",
    "/farmgate.api.trading.v1.TradingService/WatchOrders",
})  # fmt: skip
# Said by a server that did nothing because another one leads; see `rpc/refusals.py`.
_REPEAT_HEADER: Final = "x-farmgate-repeat"
# While another server begins to lead nobody does: repeats reach over some five seconds.
_REPEATS: Final = 14
_FORWARD: Final = {"cluster": CLUSTER, "timeout": "15s"}
# The page of the documentation runs no script and loads nothing but what comes from here.
_DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)
_ALLOWED_HEADERS: Final = (
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "x-request-id",
    "x-grpc-web",
    "x-user-agent",
    "grpc-timeout",
)
_EXPOSED_HEADERS: Final = (
    "x-request-id",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
)


def virtual_host(options: EdgeOptions) -> dict[str, Any]:
    """Returns the routes, the first that matches counts, and who may call from a web page."""
    return {
        "name": "api",
        "domains": ["*"],
        "routes": [
            _too_large(),
            *_docs(),
            *[entry for one in bindings() if one.is_stream for entry in _stream(options, one)],
            *[
                {
                    "match": {"path": path},
                    "route": {
                        "cluster": STREAM_CLUSTER,
                        "timeout": "0s",
                        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
                    },
                }
                for path in (sorted(STREAMED) if options.stream_upstreams else ())
            ],
            {
                "match": {"prefix": "/farmgate.api."},
                "route": {
                    "cluster": CLUSTER,
                    "timeout": "0s",
                    "max_stream_duration": {"grpc_timeout_header_max": "0s"},
                },
            },
            {"match": {"prefix": "/grpc."}, "route": {"cluster": CLUSTER, "timeout": "0s"}},
            {"match": {"prefix": "/"}, "route": _FORWARD},
        ],
        "retry_policy": _retry(),
        "typed_per_filter_config": {"envoy.filters.http.cors": _cors(options)},
    }


def _docs() -> list[dict[str, Any]]:
    """The documentation is pages: they load each other, and may be kept for a while."""
    headers = [
        set_header("content-security-policy", _DOCS_POLICY),
        set_header("cache-control", "public, max-age=300"),
    ]
    matches: tuple[dict[str, str], ...] = (
        {"path": "/docs"}, {"prefix": "/docs/"}, {"path": "/openapi.json"},
    )  # fmt: skip
    return [
        {"match": match, "route": _FORWARD, "response_headers_to_add": headers} for match in matches
    ]


def _too_large() -> dict[str, Any]:
    """The transcoder limits what it buffers, and not JSON, which it passes on as it comes."""
    is_longer = {"start": REQUEST_BYTES_MAX + 1, "end": 2**62}
    return {
        "match": {
            "prefix": "/",
            "headers": [{"name": "content-length", "range_match": is_longer}],
        },
        "direct_response": {"status": 413},
    }


def _retry() -> dict[str, Any]:
    """What did not reach a server, or was refused unread, is sent again, whatever it asks for."""
    header = {"name": _REPEAT_HEADER, "string_match": {"exact": "1"}}
    return {
        "retry_on": "connect-failure,refused-stream,reset-before-request,retriable-headers",
        "retriable_headers": [header],
        "num_retries": _REPEATS,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"{_TYPE}{_OTHER_HOSTS}"},
            }
        ],
        "host_selection_retry_max_attempts": 3,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
    }


def _stream(options: EdgeOptions, binding: Binding) -> list[dict[str, Any]]:
    is_apart = bool(options.stream_upstreams) and binding.method.path in STREAMED
    # A stream lasts as long as its reader; the server says at least each second that it lives.
    route = {
        "cluster": STREAM_CLUSTER if is_apart else CLUSTER,
        "timeout": "0s",
        "idle_timeout": "3600s",
    }
    match: dict[str, Any] = {"safe_regex": {"regex": binding.pattern}}
    if binding.is_http_body and not binding.method.rule.accepts_stream_ticket:
        # A file, and not events: somebody may have uploaded it. No page shows it as its own.
        attachment = {"append": set_header("content-disposition", "attachment")}
        variants = [_variant(match, route, {HEADERS: _mutation(response_mutations=[attachment])})]
    elif binding.is_http_body:
        variants = [_variant(match, route)]
    else:
        accepts = {"name": "accept", "string_match": {"contains": "text/event-stream"}}
        newlines = transcoder(options.folder, newline_delimited=True)
        content_type = {
            "append": set_header(
                "content-type", "application/x-ndjson", append_action="OVERWRITE_IF_EXISTS"
            )
        }
        variants = [
            _variant(
                match | {"headers": [accepts]},
                route,
                {TRANSCODER: transcoder(options.folder, events=True)},
            ),
            _variant(
                match,
                route,
                {
                    TRANSCODER: newlines,
                    HEADERS: _mutation(response_mutations=[content_type]),
                },
            ),
        ]
    if binding.method.rule.accepts_stream_ticket:
        return [entry for variant in variants for entry in _with_ticket(variant)]
    return variants


def _variant(
    match: dict[str, Any], route: dict[str, Any], more: dict[str, Any] | None = None
) -> dict[str, Any]:
    off = {"@type": f"{_FILTER}compressor.v3.CompressorPerRoute", "disabled": True}
    return {
        "match": match,
        "route": route,
        # A compressor would hold events back.
        "typed_per_filter_config": {name: off for name, _ in COMPRESSORS} | (more or {}),
    }


def _with_ticket(variant: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the route for those whose ticket is in the address, and that for the others.

    EventSource can't send headers: its ticket comes in the address or in a cookie. It is taken
    over before the transcoder rewrites the address.
    """
    in_query = [{"name": "ticket", "present_match": True}]
    per_filter = variant["typed_per_filter_config"]
    routes = []
    for match, value in (
        (variant["match"] | {"query_parameters": in_query}, "%QUERY_PARAM(ticket)%"),
        (variant["match"], f"%DYNAMIC_METADATA({TICKET_COOKIE})%"),
    ):
        ticket = {"append": set_header(TICKET_HEADER, value)}
        kept = per_filter.get(HEADERS, {"mutations": {}})["mutations"]
        mutation = _mutation(**kept, request_mutations=[ticket])
        routes.append(
            variant | {"match": match, "typed_per_filter_config": per_filter | {HEADERS: mutation}}
        )
    return routes


def _mutation(**mutations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": f"{_FILTER}header_mutation.v3.HeaderMutationPerRoute",
        "mutations": mutations,
    }


def _cors(options: EdgeOptions) -> dict[str, Any]:
    return {
        "@type": f"{_FILTER}cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in options.origins],
        "allow_methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS",
        "allow_headers": ",".join(_ALLOWED_HEADERS),
        "expose_headers": ",".join(_EXPOSED_HEADERS),
        "max_age": "600",
        "allow_credentials": True,
    }
