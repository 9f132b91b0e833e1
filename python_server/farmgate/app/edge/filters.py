"""What every call passes in Envoy, in order."""

import re
from typing import Any, Final

from farmgate.app.edge import authentication
from farmgate.app.edge.descriptors import bindings, services
from farmgate.app.edge.options import REQUEST_BYTES_MAX, EdgeOptions
from farmgate.rpc.methods import all_methods

DESCRIPTORS: Final = "farmgate.binpb"
TRANSCODER: Final = "envoy.filters.http.grpc_json_transcoder"
HEADERS: Final = "envoy.filters.http.header_mutation"
COMPRESSORS: Final = (("brotli", "Brotli"), ("gzip", "Gzip"), ("zstd", "Zstd"))
# Where the ticket's cookie is kept while its call is under way: namespace and key.
TICKET_COOKIE: Final = "farmgate:stream_ticket"
_TYPE: Final = "type.googleapis.com/"
_FILTER: Final = f"{_TYPE}envoy.extensions.filters.http."
_RESPONSE_BYTES_MAX: Final = 32 * 1024 * 1024
# Below it, what compressing saves is less than a packet.
_COMPRESSED_BYTES_MIN: Final = 256
# Callers whose buckets are remembered. The default of 20 forgets, and so frees, all but the last.
_CALLERS_MAX: Final = 100_000
# HTTP allows more in a header's name than gRPC: a server of gRPC would reset the call.
_NO_METADATA: Final = {"safe_regex": {"regex": r".*[^a-z0-9_.:-].*"}}
_SECURITY_HEADERS: Final = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def filters(options: EdgeOptions) -> list[dict[str, Any]]:
    """Returns the filters, the outermost first."""
    address: dict[str, Any] = {"actions": [{"remote_address": {}}]}
    chain = [
        _ticket_cookie(),
        # Before what refuses: refusals carry these headers too.
        _headers(),
        _filter("cors", "cors.v3.Cors"),
        _rate_limit("ip", address, [{"key": "remote_address"}], options.calls_per_s_per_ip),
        _sign_in_limit(options.sign_ins_per_min_per_ip),
    ]
    if options.tokens:
        payload = [{"key": authentication.PAYLOAD}, {"key": "sub"}]
        source = {"key": authentication.FILTER, "path": payload}
        user = {"descriptor_key": "user", "source": "DYNAMIC", "metadata_key": source}
        chain += [
            authentication.token_filter(options.tokens),
            _rate_limit(
                "user",
                {"actions": [{"metadata": user}]},
                [{"key": "user"}],
                options.calls_per_s_per_user,
            ),
        ]
    return [
        *chain,
        *[_compressor(name, message) for name, message in COMPRESSORS],
        _filter("grpc_web", "grpc_web.v3.GrpcWeb"),
        {"name": TRANSCODER, "typed_config": transcoder(options.folder)},
        _filter("router", "router.v3.Router", suppress_envoy_headers=True),
    ]


def transcoder(
    folder: str, *, newline_delimited: bool = False, events: bool = False
) -> dict[str, Any]:
    """Returns the settings of the transcoder between REST and gRPC.

    Args:
        folder: Where the API's descriptors are.
        newline_delimited: Whether a stream is told as JSON lines.
        events: Whether it is told as server-sent events without IDs.
    """
    return {
        "@type": f"{_FILTER}grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": f"{folder}/{DESCRIPTORS}",
        "services": services(),
        # Else the route is chosen anew by the method's name, and all streams are alike.
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_RESERVED",
        "query_param_unescape_plus": True,
        "case_insensitive_enum_parsing": True,
        "max_request_body_size": REQUEST_BYTES_MAX,
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


def set_header(
    key: str, value: str, *, append_action: str = "OVERWRITE_IF_EXISTS_OR_ADD"
) -> dict[str, Any]:
    """Returns the setting of a header."""
    return {"header": {"key": key, "value": value}, "append_action": append_action}


def _filter(name: str, message: str, **settings: Any) -> dict[str, Any]:
    typed_config = {"@type": f"{_FILTER}{message}", **settings}
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed_config}


def _ticket_cookie() -> dict[str, Any]:
    namespace, _, key = TICKET_COOKIE.partition(":")
    kept = {"metadata_namespace": namespace, "key": key, "type": "STRING"}
    return _filter(
        "header_to_metadata",
        "header_to_metadata.v3.Config",
        request_rules=[{"cookie": "stream_ticket", "on_header_present": kept}],
    )


def _headers() -> dict[str, Any]:
    security = [
        {"append": set_header(key, value, append_action="ADD_IF_ABSENT")}
        for key, value in _SECURITY_HEADERS.items()
    ]
    request_id = {"append": set_header("x-request-id", "%REQ(x-request-id)%")}
    mutations = [*security, request_id, {"remove": "grpc-accept-encoding"}]
    return {
        "name": HEADERS,
        "typed_config": {
            "@type": f"{_FILTER}header_mutation.v3.HeaderMutation",
            "mutations": {
                "request_mutations": [{"remove_on_match": {"key_matcher": _NO_METADATA}}],
                "response_mutations": mutations,
            },
        },
    }


def _sign_in_limit(calls_per_min: int) -> dict[str, Any]:
    """Returns the limit of what guesses at passwords, codes and letters, by address.

    It names both ways to each method: without the native one, gRPC would be a way around it.
    """
    meant = {
        "descriptor_value": "sign_in",
        "headers": [{"name": ":path", "string_match": {"safe_regex": {"regex": _sign_in_paths()}}}],
    }
    action = {"actions": [{"header_value_match": meant}, {"remote_address": {}}]}
    entries = [{"key": "header_match", "value": "sign_in"}, {"key": "remote_address"}]
    return _rate_limit("sign_in", action, entries, calls_per_min, period_s=60)


def _sign_in_paths() -> str:
    """Returns the paths of public methods that have a limit of their own in the API."""
    methods = [
        one for one in all_methods().values()
        if one.rule.is_public and one.rule.calls_per_hour_per_ip
    ]  # fmt: skip
    meant = {one.path for one in methods}
    rest = {one.pattern for one in bindings() if one.method.path in meant}
    every = sorted(rest | {re.escape(path) for path in meant})
    return f"(?:{'|'.join(every)})(?:\\?.*)?"


def _rate_limit(
    name: str, action: dict[str, Any], entries: list[dict[str, str]], calls: int, *,
    period_s: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Returns the limit of the calls that have the values of some keys in common."""

    def bucket(count: int) -> dict[str, Any]:
        return {
            "max_tokens": count, "tokens_per_fill": count, "fill_interval": f"{period_s}s"
        }  # fmt: skip

    always = {"default_value": {"numerator": 100}}
    limit = _filter(
        "local_ratelimit",
        "local_ratelimit.v3.LocalRateLimit",
        stat_prefix=name,
        token_bucket=bucket(1_000_000),
        filter_enabled=always,
        filter_enforced=always,
        rate_limits=[action],
        descriptors=[{"entries": entries, "token_bucket": bucket(calls)}],
        max_dynamic_descriptors=_CALLERS_MAX,
        always_consume_default_token_bucket=False,
        rate_limited_as_resource_exhausted=True,
        response_headers_to_add=[set_header("retry-after", str(period_s))],
        # Told once: two filters would both write them.
        enable_x_ratelimit_headers="DRAFT_VERSION_03" if name == "user" else "OFF",
    )
    return limit | {"name": f"envoy.filters.http.local_ratelimit.{name}"}


def _compressor(name: str, message: str) -> dict[str, Any]:
    common = {"min_content_length": _COMPRESSED_BYTES_MIN}
    library = f"{_TYPE}envoy.extensions.compression.{name}.compressor.v3.{message}"
    return {
        "name": name,
        "typed_config": {
            "@type": f"{_FILTER}compressor.v3.Compressor",
            "response_direction_config": {"common_config": common},
            # Where a caller takes several alike.
            "choose_first": name == "brotli",
            "compressor_library": {"name": name, "typed_config": {"@type": library}},
        },
    }
