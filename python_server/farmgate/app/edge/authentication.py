"""Envoy's own judgement of tokens: every path needs a good one that the API does not exempt.

Both ways to a method are told: its REST path and, for gRPC and gRPC-Web, its full name. The server
judges again, knows which sessions have ended, and spends stream tickets.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from farmgate.app.edge.descriptors import Binding, bindings
from farmgate.app.edge.options import TokenRules
from farmgate.rpc.methods import all_methods

FILTER: Final = "envoy.filters.http.jwt_authn"
PAYLOAD: Final = "jwt_payload"
TICKET_HEADER: Final = "x-stream-ticket"
_TYPE: Final = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
# The scheme is written in any case, and Envoy compares it exactly.
_SCHEMES: Final = ("Bearer ", "bearer ", "BEARER ")
# As the server's: clocks of one installation differ by less.
_SKEW_S: Final = 30
_CACHED: Final = 10_000
_KEY_IN_HEADER: Final = {
    "name": "authorization",
    "string_match": {"safe_regex": {"regex": "(?i:bearer) fgk_.*"}},
}
_HEALTH: Final = "/grpc.health.v1.Health/"


def token_filter(rules: TokenRules) -> dict[str, Any]:
    """Returns the filter that refuses calls without a good token."""
    access = {
        "audiences": [rules.audience],
        "from_headers": [{"name": "authorization", "value_prefix": scheme} for scheme in _SCHEMES],
    }
    ticket = {
        "audiences": [f"{rules.audience}-stream"],
        "from_headers": [{"name": TICKET_HEADER}],
    }
    return {
        "name": FILTER,
        "typed_config": {
            "@type": _TYPE,
            "providers": {
                "access": _provider(rules) | access,
                "ticket": _provider(rules) | ticket,
            },
            "rules": _requirements(),
            "bypass_cors_preflight": True,
        },
    }


def _provider(rules: TokenRules) -> dict[str, Any]:
    keys = {"inline_string": rules.jwks} if rules.jwks else {"filename": rules.jwks_path}
    return {
        "issuer": rules.issuer,
        "local_jwks": keys,
        # The server reads the token too.
        "forward": True,
        "payload_in_metadata": PAYLOAD,
        "clock_skew_seconds": _SKEW_S,
        "jwt_cache_config": {"jwt_cache_size": _CACHED},
    }


def _requirements() -> list[dict[str, Any]]:
    """Returns the rules; the first that matches counts, the last matches all."""
    rest = bindings()
    methods = all_methods().values()
    access = {"provider_name": "access"}
    either = {"requires_any": {"requirements": [access, {"provider_name": "ticket"}]}}
    public = [one for one in rest if one.method.rule.is_public]
    ticketed = [one for one in rest if one.method.rule.accepts_stream_ticket]
    native = [one.path for one in methods if one.rule.is_public]
    native_ticketed = [one.path for one in methods if one.rule.accepts_stream_ticket]
    return [
        # An API key is no token: the server alone knows it.
        {"match": {"prefix": "/", "headers": [_KEY_IN_HEADER]}},
        *_rules(shadowed(rest), access),
        *_rules(ticketed, either),
        *_rules(public, None),
        _rule([re.escape(path) for path in native_ticketed], either),
        _rule([re.escape(path) for path in native] + [f"{re.escape(_HEALTH)}.*"], None),
        {"match": {"prefix": "/"}, "requires": access},
    ]


def shadowed(rest: Iterable[Binding]) -> list[Binding]:
    """Returns the paths that need a token and fit the pattern of one that needs none.

    `/v1/things/mine` fits `/v1/things/{thing_id}`: without a rule of its own, before that of the
    pattern, it would be let through.
    """
    known = list(rest)
    public = [one for one in known if one.method.rule.is_public]
    return [
        one
        for one in known
        if not one.method.rule.is_public
        and any(
            one.verb == other.verb and re.fullmatch(other.pattern, one.path) for other in public
        )
    ]


def _rules(rest: Iterable[Binding], requires: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Returns a rule for each verb."""
    patterns: dict[str, list[str]] = {}
    for binding in rest:
        patterns.setdefault(binding.verb, []).append(binding.pattern)
    return [_rule(patterns[verb], requires, verb=verb) for verb in sorted(patterns)]


def _rule(
    patterns: Iterable[str], requires: dict[str, Any] | None, *, verb: str = ""
) -> dict[str, Any]:
    match: dict[str, Any] = {"safe_regex": {"regex": "|".join(sorted(set(patterns)))}}
    if verb:
        match["headers"] = [{"name": ":method", "string_match": {"exact": verb}}]
    return {"match": match} | ({"requires": requires} if requires else {})
