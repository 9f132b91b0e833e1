"""Envoy's bootstrap configuration, as the dictionary that becomes its JSON file."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from farmgate.app.edge.descriptors import StreamRoute, services, stream_routes

_TYPE: Final = "type.googleapis.com/"
_FILTER: Final = f"{_TYPE}envoy.extensions.filters.http."
_TRANSCODER: Final = "envoy.filters.http.grpc_json_transcoder"
_COMPRESSORS: Final = (("brotli", "Brotli"), ("gzip", "Gzip"), ("zstd", "Zstd"))
_REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
_RESPONSE_BYTES_MAX: Final = 32 * 1024 * 1024
# What a client that reads slowly may leave unread in Envoy; more stays with the server, which
# conflates or ends the stream.
_BUFFER_BYTES: Final = 64 * 1024
# The status gRPC has for an HTTP status that Envoy itself answers with, and its stable reason.
_LOCAL_REPLIES: Final = {
    400: (3, "INVALID_ARGUMENT"),
    404: (5, "METHOD_UNKNOWN"),
    405: (12, "METHOD_UNKNOWN"),
    408: (4, "DEADLINE"),
    413: (8, "PAYLOAD_TOO_LARGE"),
    415: (3, "INVALID_ARGUMENT"),
    429: (8, "RATE_LIMITED"),
    503: (14, "UNAVAILABLE"),
    504: (4, "DEADLINE"),
}
_SECURITY_HEADERS: Final = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """How the edge is set up.

    Attributes:
        host: Address REST is served on.
        rest_port: Its port.
        admin_port: Port of Envoy's administration, on loopback.
        upstreams: Host and port of each gRPC server.
        origins: Origins of web pages that may call.
        calls_per_s_per_ip: Calls an address may make in a second.
        descriptor_path: Where Envoy finds the API's descriptors.
    """

    host: str
    rest_port: int
    admin_port: int
    upstreams: tuple[tuple[str, int], ...]
    origins: tuple[str, ...] = ()
    calls_per_s_per_ip: int = 500
    descriptor_path: str = "/etc/envoy/farmgate.binpb"


def bootstrap(options: EdgeOptions) -> dict[str, Any]:
    """Returns Envoy's bootstrap configuration."""
    listener = {
        "name": "rest",
        "address": _address(options.host, options.rest_port),
        "per_connection_buffer_limit_bytes": _BUFFER_BYTES,
        "filter_chains": [{"filters": [_connection_manager(options)]}],
    }
    return {
        "admin": {"address": _address("127.0.0.1", options.admin_port)},
        "static_resources": {"listeners": [listener], "clusters": [_cluster(options)]},
        "overload_manager": {
            "refresh_interval": "0.25s",
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}envoy.extensions.resource_monitors"
                        ".downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 20_000,
                    },
                }
            ],
        },
    }


def render(options: EdgeOptions) -> str:
    """Returns the configuration as Envoy reads it; YAML readers take it too."""
    return json.dumps(bootstrap(options), indent=1, sort_keys=True) + "\n"


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _connection_manager(options: EdgeOptions) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPE}envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "rest",
        "codec_type": "AUTO",
        "use_remote_address": True,
        "server_header_transformation": "PASS_THROUGH",
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": True,
        "generate_request_id": True,
        "request_headers_timeout": "10s",
        "request_timeout": "0s",
        "stream_idle_timeout": "300s",
        "delayed_close_timeout": "1s",
        "common_http_protocol_options": {
            "idle_timeout": "900s",
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": 100,
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 1_000,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        # Whoever calls may not pretend to be the edge.
        "early_header_mutation_extensions": [
            {
                "name": "strip",
                "typed_config": {
                    "@type": f"{_TYPE}envoy.extensions.http.early_header_mutation"
                    ".header_mutation.v3.HeaderMutation",
                    "mutations": [{"remove": "x-stream-ticket"}],
                },
            }
        ],
        "local_reply_config": {"mappers": _local_replies()},
        "route_config": {"name": "api", "virtual_hosts": [_virtual_host(options)]},
        "http_filters": _filters(options),
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _status_is(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "farmgate.unused"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _local_replies() -> list[dict[str, Any]]:
    path = {"name": "x-envoy-original-path", "string_match": {"prefix": "/v1/events/"}}
    # A browser's EventSource gives up for good on any status but 200: it is kept waiting.
    waiting = [
        {
            "filter": {
                "and_filter": {"filters": [_status_is(status), {"header_filter": {"header": path}}]}
            },
            "status_code": 200,
            "body_format_override": {
                "text_format_source": {
                    "inline_string": "retry: 1000\n: The service is away for a moment.\n\n"
                },
                "content_type": "text/event-stream",
            },
        }
        for status in (503, 504)
    ]
    return waiting + [
        {
            "filter": _status_is(status),
            "body_format_override": {
                "json_format": {
                    "code": code,
                    "message": "%LOCAL_REPLY_BODY%",
                    "details": [
                        {
                            "@type": f"{_TYPE}google.rpc.ErrorInfo",
                            "reason": reason,
                            "domain": "farmgate",
                            "metadata": {},
                        }
                    ],
                },
                "content_type": "application/json",
            },
        }
        for status, (code, reason) in _LOCAL_REPLIES.items()
    ]


def _transcoder(
    options: EdgeOptions, *, newline_delimited: bool = False, events: bool = False
) -> dict[str, Any]:
    return {
        "@type": f"{_FILTER}grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": options.descriptor_path,
        "services": services(),
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_RESERVED",
        "query_param_unescape_plus": True,
        "case_insensitive_enum_parsing": True,
        "max_request_body_size": _REQUEST_BYTES_MAX,
        "max_response_body_size": _RESPONSE_BYTES_MAX,
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        "print_options": {
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
            "stream_newline_delimited": newline_delimited,
            "stream_sse_style_delimited": events,
        },
    }


def _uncompressed() -> dict[str, Any]:
    disabled = {"@type": f"{_FILTER}compressor.v3.CompressorPerRoute", "disabled": True}
    return {name: disabled for name, _ in _COMPRESSORS}


def _stream(options: EdgeOptions, route: StreamRoute) -> list[dict[str, Any]]:
    pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(route.path))
    match = {"safe_regex": {"regex": pattern}}
    forward = {"cluster": "farmgate", "timeout": "0s", "idle_timeout": "3600s"}
    if route.is_http_body:
        # EventSource can't send headers, so its ticket comes in the address.
        ticket = {"header": {"key": "x-stream-ticket", "value": "%QUERY_PARAM(ticket)%"}}
        return [
            {
                "match": match | {"query_parameters": [{"name": "ticket", "present_match": True}]},
                "route": forward,
                "request_headers_to_add": [ticket],
                "typed_per_filter_config": _uncompressed(),
            },
            {"match": match, "route": forward, "typed_per_filter_config": _uncompressed()},
        ]
    accepts = {"name": "accept", "string_match": {"contains": "text/event-stream"}}
    ndjson = {
        "@type": f"{_FILTER}header_mutation.v3.HeaderMutationPerRoute",
        "mutations": {
            "response_mutations": [
                {
                    "append": {
                        "header": {"key": "content-type", "value": "application/x-ndjson"},
                        "append_action": "OVERWRITE_IF_EXISTS",
                    }
                }
            ]
        },
    }
    return [
        {
            "match": match | {"headers": [accepts]},
            "route": forward,
            "typed_per_filter_config": _uncompressed()
            | {_TRANSCODER: _transcoder(options, events=True)},
        },
        {
            "match": match,
            "route": forward,
            "typed_per_filter_config": _uncompressed()
            | {
                _TRANSCODER: _transcoder(options, newline_delimited=True),
                "envoy.filters.http.header_mutation": ndjson,
            },
        },
    ]


def _virtual_host(options: EdgeOptions) -> dict[str, Any]:
    streams = [entry for route in stream_routes() for entry in _stream(options, route)]
    retry = {
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }
    forward = {"cluster": "farmgate", "timeout": "15s"}
    is_get = {"name": ":method", "string_match": {"exact": "GET"}}
    grpc = {
        "match": {"prefix": "/farmgate.api."},
        "route": {
            "cluster": "farmgate",
            "timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        },
    }
    return {
        "name": "api",
        "domains": ["*"],
        "routes": [
            *streams,
            grpc,
            {"match": {"prefix": "/grpc."}, "route": {"cluster": "farmgate", "timeout": "0s"}},
            {
                "match": {"prefix": "/", "headers": [is_get]},
                "route": forward | {"retry_policy": retry},
            },
            {"match": {"prefix": "/"}, "route": forward},
        ],
        "typed_per_filter_config": {"envoy.filters.http.cors": _cors(options)},
    }


def _cors(options: EdgeOptions) -> dict[str, Any]:
    return {
        "@type": f"{_FILTER}cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in options.origins],
        "allow_methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS",
        "allow_headers": "authorization,content-type,idempotency-key,last-event-id,x-request-id,"
        "x-grpc-web,x-user-agent,grpc-timeout",
        "expose_headers": "x-request-id,grpc-status,grpc-message,grpc-status-details-bin,"
        "retry-after",
        "max_age": "600",
        "allow_credentials": True,
    }


def _filters(options: EdgeOptions) -> list[dict[str, Any]]:
    return [
        _header_filter(),
        {
            "name": "envoy.filters.http.cors",
            "typed_config": {"@type": f"{_FILTER}cors.v3.Cors"},
        },
        _rate_limit(options),
        *[_compressor(name, message) for name, message in _COMPRESSORS],
        {
            "name": "envoy.filters.http.grpc_web",
            "typed_config": {"@type": f"{_FILTER}grpc_web.v3.GrpcWeb"},
        },
        {"name": _TRANSCODER, "typed_config": _transcoder(options)},
        {
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": f"{_FILTER}router.v3.Router",
                "suppress_envoy_headers": True,
            },
        },
    ]


def _header_filter() -> dict[str, Any]:
    append = [
        {"append": {"header": {"key": key, "value": value}, "append_action": "ADD_IF_ABSENT"}}
        for key, value in _SECURITY_HEADERS.items()
    ]
    request_id = {
        "append": {
            "header": {"key": "x-request-id", "value": "%REQ(x-request-id)%"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    return {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": f"{_FILTER}header_mutation.v3.HeaderMutation",
            "mutations": {
                "response_mutations": [*append, request_id, {"remove": "grpc-accept-encoding"}]
            },
        },
    }


def _rate_limit(options: EdgeOptions) -> dict[str, Any]:
    def bucket(count: int) -> dict[str, Any]:
        return {"max_tokens": count, "tokens_per_fill": count, "fill_interval": "1s"}

    always = {"default_value": {"numerator": 100}}
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": f"{_FILTER}local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "ip",
            "token_bucket": bucket(100_000),
            "filter_enabled": always,
            "filter_enforced": always,
            "rate_limits": [{"actions": [{"remote_address": {}}]}],
            "descriptors": [
                {
                    "entries": [{"key": "remote_address"}],
                    "token_bucket": bucket(options.calls_per_s_per_ip),
                }
            ],
            # The default of 20 forgets, and so frees, all but the last addresses.
            "max_dynamic_descriptors": 100_000,
            "always_consume_default_token_bucket": False,
            "rate_limited_as_resource_exhausted": True,
            "response_headers_to_add": [
                {
                    "header": {"key": "retry-after", "value": "1"},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }
            ],
        },
    }


def _compressor(name: str, message: str) -> dict[str, Any]:
    return {
        "name": name,
        "typed_config": {
            "@type": f"{_FILTER}compressor.v3.Compressor",
            "response_direction_config": {"common_config": {"min_content_length": 256}},
            "choose_first": name == "brotli",
            "compressor_library": {
                "name": name,
                "typed_config": {
                    "@type": f"{_TYPE}envoy.extensions.compression.{name}.compressor.v3.{message}"
                },
            },
        },
    }


def _cluster(options: EdgeOptions) -> dict[str, Any]:
    http2 = {
        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
        "max_concurrent_streams": 1_000,
        "initial_stream_window_size": 65_535,
        "initial_connection_window_size": 1_048_576,
    }
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    endpoints = [
        {"endpoint": {"address": _address(host, port)}} for host, port in options.upstreams
    ]
    names = any(not re.fullmatch(r"[\d.]+|.*:.*", host) for host, _ in options.upstreams)
    return {
        "name": "farmgate",
        "type": "STRICT_DNS" if names else "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": _BUFFER_BYTES,
        "typed_extension_protocol_options": {
            protocol: {
                "@type": f"{_TYPE}{protocol}",
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 1_024,
                    "max_pending_requests": 4_096,
                    "max_requests": 16_384,
                    "retry_budget": {
                        "budget_percent": {"value": 20},
                        "min_retry_concurrency": 8,
                    },
                }
            ]
        },
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "load_assignment": {
            "cluster_name": "farmgate",
            "endpoints": [{"lb_endpoints": endpoints}],
        },
    }
