"""Envoy's bootstrap configuration, as the dictionary that becomes its JSON file."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from farmgate.app.edge.authentication import TICKET_HEADER
from farmgate.app.edge.filters import filters
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.replies import local_replies
from farmgate.app.edge.routes import CLUSTER, STREAM_CLUSTER, virtual_host

__all__ = ["EdgeOptions", "bootstrap", "render"]
_TYPE: Final = "type.googleapis.com/"
# What a client that reads slowly may leave unread in Envoy; more stays with the server, which
# conflates or ends the stream.
_BUFFER_BYTES: Final = 64 * 1024
_CONNECTIONS_MAX: Final = 20_000
_HEAP: Final = "envoy.resource_monitors.fixed_heap"
_HEAP_BYTES_MAX: Final = 1024 * 1024 * 1024
# The page of the API names every method.
_PAGE_BYTES_MAX: Final = 256 * 1024
# The rules of tokens name all public paths in one expression, for which 100 is too small.
_RUNTIME: Final = {
    "re2.max_program_size.error_level": 20_000,
    "re2.max_program_size.warn_level": 20_000,
    # A client that opens streams and resets them at once (CVE-2023-44487) gets one request worked
    # on in a turn, and is cut off when most of its first 500 streams lasted less than a second.
    "http.max_requests_per_io_cycle": 1,
    "overload.premature_reset_total_stream_count": 500,
    "overload.premature_reset_min_stream_lifetime_seconds": 1,
}
# The query stays out: stream tickets are in it.
_LINE: Final = {
    "time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "ms": "%DURATION%",
    "upstream": "%UPSTREAM_HOST%",
    "ip": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "user": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:jwt_payload:sub)%",
}


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
        "static_resources": {"listeners": [listener], "clusters": _clusters(options)},
        "overload_manager": _overload_manager(),
        "layered_runtime": {"layers": [{"name": "fixed", "static_layer": _RUNTIME}]},
    }


def render(options: EdgeOptions) -> str:
    """Returns the configuration as Envoy reads it; YAML readers take it too."""
    return json.dumps(bootstrap(options), indent=1, sort_keys=True) + "\n"


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _overload_manager() -> dict[str, Any]:
    connections = {
        "@type": f"{_TYPE}envoy.extensions.resource_monitors"
        ".downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": _CONNECTIONS_MAX,
    }
    heap = {
        "@type": f"{_TYPE}envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
        "max_heap_size_bytes": _HEAP_BYTES_MAX,
    }
    monitors = {
        "envoy.resource_monitors.global_downstream_max_connections": connections,
        _HEAP: heap,
    }
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {"name": name, "typed_config": config} for name, config in monitors.items()
        ],
        "actions": [
            _when_heap_is("envoy.overload_actions.shrink_heap", 0.95),
            _when_heap_is("envoy.overload_actions.stop_accepting_requests", 0.98),
        ],
    }


def _when_heap_is(action: str, share: float) -> dict[str, Any]:
    return {"name": action, "triggers": [{"name": _HEAP, "threshold": {"value": share}}]}


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
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "early_header_mutation_extensions": [_strip()],
        "local_reply_config": {"mappers": local_replies()},
        "route_config": {
            "name": "api",
            "virtual_hosts": [virtual_host(options)],
            "max_direct_response_body_size_bytes": _PAGE_BYTES_MAX,
        },
        "http_filters": filters(options),
    }
    if options.logs_calls:
        manager["access_log"] = [_access_log()]
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _strip() -> dict[str, Any]:
    """Whoever calls may not pretend to be the edge."""
    mutation = f"{_TYPE}envoy.extensions.http.early_header_mutation.header_mutation.v3"
    return {
        "name": "strip",
        "typed_config": {
            "@type": f"{mutation}.HeaderMutation",
            "mutations": [{"remove": TICKET_HEADER}],
        },
    }


def _access_log() -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": f"{_TYPE}envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": _LINE},
        },
    }


def _clusters(options: EdgeOptions) -> list[dict[str, Any]]:
    clusters = [_cluster(CLUSTER, options.upstreams, streams_max=1_000)]
    if options.stream_upstreams:
        # Few streams a connection: the processes on the port share connections, not streams.
        clusters.append(_cluster(STREAM_CLUSTER, options.stream_upstreams, streams_max=50))
    return clusters


def _cluster(
    name: str, upstreams: Sequence[tuple[str, int]], *, streams_max: int
) -> dict[str, Any]:
    http2 = {
        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
        "max_concurrent_streams": streams_max,
        "initial_stream_window_size": 65_535,
        "initial_connection_window_size": 1_048_576,
    }
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    endpoints = [{"endpoint": {"address": _address(host, port)}} for host, port in upstreams]
    has_names = any(not re.fullmatch(r"[\d.]+|.*:.*", host) for host, _ in upstreams)
    return {
        "name": name,
        "type": "STRICT_DNS" if has_names else "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": _BUFFER_BYTES,
        "typed_extension_protocol_options": {
            protocol: {
                "@type": f"{_TYPE}{protocol}",
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
        "health_checks": [_health_check()],
        "circuit_breakers": {"thresholds": [_limits()]},
        # When no server is ready, all are asked: one of them may have begun to lead since the last
        # look at it, and those that do not lead say so.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": endpoints}],
        },
    }


def _health_check() -> dict[str, Any]:
    return {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }


def _limits() -> dict[str, Any]:
    return {
        "max_connections": 1_024,
        "max_pending_requests": 4_096,
        "max_requests": 16_384,
        # While another server begins to lead, every call is a repeat.
        "retry_budget": {"budget_percent": {"value": 100}, "min_retry_concurrency": 1_024},
    }
