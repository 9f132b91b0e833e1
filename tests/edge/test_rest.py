"""REST through a real Envoy: answers, refusals of Envoy's own, headers."""

import json

import httpx
import pytest

from edge.backend import Backend, token
from edge.conftest import ORIGIN


def test_public_method_answers_without_a_token(backend: Backend) -> None:
    reply = backend.call("GET", "/v1/market/prices")
    assert reply.status == 200
    assert reply.body["prices"][0]["symbol"] == "S0"


def test_headers_reach_the_server_and_are_not_to_be_forged(backend: Backend) -> None:
    reply = backend.call(
        "GET",
        "/v1/auth/me",
        token=token(),
        idempotency_key="k",
        x_stream_ticket="forged",
        x_forwarded_for="203.0.113.9",
    )
    seen = json.loads(reply.body["session_id"])
    assert seen["idempotency-key"] == "k"
    assert seen["authorization"].startswith("Bearer ")
    # The server believes the last one, which Envoy wrote.
    assert seen["x-forwarded-for"].rpartition(",")[2] not in {"", "203.0.113.9"}
    assert seen["x-request-id"] == reply.headers["x-request-id"]
    assert "x-stream-ticket" not in seen


def test_refusal_of_the_server_keeps_its_details(backend: Backend) -> None:
    reply = backend.call("GET", "/v1/market/commodities/TULIP")
    assert (reply.status, reply.reason) == (404, "NOT_FOUND")
    assert reply.body["details"][0]["metadata"] == {"resource": "commodity", "id": "TULIP"}


@pytest.mark.parametrize(
    ("verb", "path", "status", "code", "reason"),
    [
        ("GET", "/v1/nothing", 404, 12, "METHOD_UNKNOWN"),
        ("PUT", "/v1/market/prices", 404, 12, "METHOD_UNKNOWN"),
        ("GET", "/v1/market/prices?colour=red", 400, 3, "INVALID_ARGUMENT"),
        ("GET", "/v1/market/commodities/a%2Fb", 400, 3, "INVALID_ARGUMENT"),
    ],
)
def test_refusal_of_envoy_has_the_servers_shape(
    backend: Backend, verb: str, path: str, status: int, code: int, reason: str
) -> None:
    reply = backend.call(verb, path, token=token())
    assert (reply.status, reply.body["code"], reply.reason) == (status, code, reason), reply.body
    assert set(reply.body) == {"code", "message", "details"}
    assert reply.body["details"][0]["domain"] == "farmgate"
    assert reply.headers["content-type"] == "application/json"


def test_unknown_path_is_named_without_its_query(backend: Backend) -> None:
    reply = backend.call("GET", "/v1/nothing?secret=1", token=token())
    assert reply.body["message"] == "There is no method GET /v1/nothing."
    assert reply.body["details"][0]["metadata"] == {"method": "GET /v1/nothing"}


def test_broken_json_is_refused_with_its_fault(backend: Backend) -> None:
    reply = httpx.post(f"{backend.rest}/v1/auth/login", content=b"{", timeout=10)
    assert reply.status_code == 400
    assert reply.json()["details"][0]["reason"] == "INVALID_ARGUMENT"
    assert reply.json()["message"].startswith("request: ")


def test_large_request_is_refused(backend: Backend) -> None:
    body = b"x" * (13 * 1024 * 1024)
    for path in ("/v1/auth/login", "/v1/blockchain/ipfs"):
        reply = _post(backend, path, body)
        assert reply.status_code == 413
        assert reply.json()["details"][0]["reason"] == "PAYLOAD_TOO_LARGE"
        assert reply.json()["details"][0]["metadata"]["size_bytes_max"] == str(12 * 1024 * 1024)
    in_parts = _post(backend, "/v1/blockchain/ipfs", iter([body]))
    assert in_parts.status_code == 413


def test_document_of_ten_mebibytes_passes(backend: Backend) -> None:
    reply = _post(backend, "/v1/blockchain/ipfs", b"x" * (10 * 1024 * 1024))
    assert reply.status_code == 200, reply.text


def _post(backend: Backend, path: str, content: object) -> httpx.Response:
    headers = {"authorization": f"Bearer {token()}", "content-type": "application/octet-stream"}
    return httpx.post(backend.rest + path, content=content, headers=headers, timeout=20)


@pytest.mark.parametrize("path", ["/v1/market/prices", "/v1/nothing", "/docs", "/v1/auth/me"])
def test_every_answer_carries_the_security_headers(backend: Backend, path: str) -> None:
    headers = httpx.get(backend.rest + path, timeout=10).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "max-age" in headers["strict-transport-security"]
    assert headers["x-request-id"]
    assert "server" not in headers


def test_only_listed_origins_may_call(backend: Backend) -> None:
    asked = {"origin": ORIGIN, "access_control_request_method": "PATCH"}
    allowed = backend.call("OPTIONS", "/v1/auth/me", **asked)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert allowed.headers["access-control-allow-credentials"] == "true"
    refused = backend.call("GET", "/v1/auth/me", origin=ORIGIN)
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    other = backend.call("OPTIONS", "/v1/auth/me", **asked | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_lists_are_compressed(backend: Backend) -> None:
    for coding in ("br", "gzip", "zstd"):
        reply = httpx.get(
            f"{backend.rest}/v1/market/prices", headers={"accept-encoding": coding}, timeout=10
        )
        assert reply.headers["content-encoding"] == coding


@pytest.mark.parametrize("name", ["k$", "a|b", "x^y", "it's", "~"])
def test_headers_that_grpc_has_no_room_for_are_left_out(backend: Backend, name: str) -> None:
    """OPS-042: a header that HTTP allows and gRPC does not resets no call."""
    headers = {"authorization": f"Bearer {token()}", name: "value"}
    assert httpx.get(f"{backend.rest}/v1/auth/me", headers=headers, timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_health_is_public(backend: Backend, path: str) -> None:
    assert backend.call("GET", path).status == 200


def test_calls_are_logged_without_their_queries(backend: Backend) -> None:
    backend.call("GET", "/v1/market/prices?symbols=ZZZ", token=token(sub="logged"))
    backend.call("GET", "/v1/auth/me", token=token(sub="logged"))
    log = backend.folder / "envoy.log"
    # Lines are written in blocks, at the latest each second.
    backend.wait_until(lambda: '"user":"logged"' in log.read_text())
    assert "ZZZ" not in log.read_text()
