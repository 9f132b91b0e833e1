"""What Envoy itself holds against guessing, browsers' mistakes and floods."""

import socket
import time
from collections.abc import Iterator

import grpc
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import httpx
import pytest

from edge.backend import Backend, token
from edge.conftest import ORIGIN
from farmgate.api.auth.v1 import auth_pb2
from support import refusal_of

LOGIN = "/farmgate.api.auth.v1.AuthService/Login"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    made = Backend(
        tmp_path_factory.mktemp("edge"), sign_ins_per_min_per_ip=5, calls_per_s_per_ip=500
    )
    with made.running():
        yield made


def guess(backend: Backend, address: str, path: str = "/v1/auth/login") -> httpx.Response:
    """Tries to sign in from an address."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(transport=transport, base_url=backend.rest, timeout=10) as client:
        return client.post(path, json={"email": "a@example.com", "password": "guess"})


def test_guesses_are_limited_by_address_on_both_ways(strict: Backend) -> None:
    """AUT-034."""
    statuses = [guess(strict, "127.0.0.2").status_code for _ in range(3)]
    statuses += [guess(strict, "127.0.0.2", "/v1/auth/login?").status_code]
    # The other ways to guess are counted with it.
    statuses += [guess(strict, "127.0.0.2", "/v1/auth/password/reset").status_code]
    assert statuses == [200] * 5
    sixth = guess(strict, "127.0.0.2")
    assert sixth.status_code == 429
    assert sixth.json()["details"][0]["reason"] == "RATE_LIMITED"
    assert sixth.headers["retry-after"] == "60"
    assert guess(strict, "127.0.0.3").status_code == 200, "Others are counted apart."
    assert strict.call("GET", "/v1/market/prices").status == 200

    request = auth_pb2.LoginRequest(email="a@example.com", password="guess").SerializeToString()
    with grpc.insecure_channel(strict.address) as channel:
        call = channel.unary_unary(LOGIN)
        for _ in range(5):
            call(request, timeout=10)
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refusal_of(caught.value).reason == "RATE_LIMITED"
    # From here, REST is closed by the guesses made as gRPC.
    web = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    reply = httpx.post(strict.rest + LOGIN, content=b"\0" * 5, headers=web, timeout=10)
    assert reply.headers.get("grpc-status", "8" if reply.status_code == 429 else "") == "8"
    assert guess(strict, "127.0.0.1").status_code == 429


ANSWERS = {
    "success": ("GET", "/v1/market/prices", 200, {}),
    "page": ("GET", "/docs", 200, {}),
    "refusal of the server": ("GET", "/v1/market/commodities/TULIP", 404, {}),
    "no token": ("GET", "/v1/auth/me", 401, {}),
    "nothing there": ("GET", "/v1/nothing", 404, {"authorization": f"Bearer {token()}"}),
    "no such place": ("GET", "/", 401, {}),
    "unknown parameter": ("GET", "/v1/market/prices?colour=red", 400, {}),
    "escaped slash": ("GET", "/v1/market/commodities/a%2Fb", 400, {}),
    "underscore in a header": ("GET", "/v1/market/prices", 400, {"x_y": "1"}),
    "preflight": (
        "OPTIONS", "/v1/auth/me", 200,
        {"origin": ORIGIN, "access-control-request-method": "GET"},
    ),
    "too many headers": ("GET", "/v1/market/prices", 431, {f"x-{n}": "1" for n in range(120)}),
    "trace": ("TRACE", "/v1/market/prices", 404, {"authorization": f"Bearer {token()}"}),
    "health": ("GET", "/livez", 200, {}),
    "not built": ("GET", "/v1/market/calendar", 501, {}),
    "no verb": ("PROPFIND", "/v1/market/prices", 404, {"authorization": f"Bearer {token()}"}),
    "another's page": ("GET", "/v1/market/prices", 200, {"origin": "https://evil.example"}),
    "a forged token": ("GET", "/v1/auth/me", 401, {"authorization": "Bearer a.b.c"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_carries_the_headers(backend: Backend, name: str) -> None:
    """AUT-035."""
    verb, path, status, sent = ANSWERS[name]
    reply = httpx.request(verb, backend.rest + path, headers=sent, timeout=10)
    assert reply.status_code == status, reply.text
    for header, value in HEADERS.items():
        # The page of the API is for all, and may be kept.
        if (name, header) != ("page", "cache-control"):
            assert reply.headers.get(header) == value, header
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    for directive in ("base-uri", "frame-ancestors", "object-src"):
        assert f"{directive} 'none'" in policy
    assert "server" not in reply.headers
    assert "x-powered-by" not in reply.headers
    if reply.content:
        assert reply.headers["content-type"].split(";")[0] in {
            "application/json", "text/html",
        }, reply.headers["content-type"]  # fmt: skip


def test_limited_and_absent_answers_carry_the_headers(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """AUT-035."""
    made = Backend(tmp_path_factory.mktemp("edge"), calls_per_s_per_ip=2, origins=(ORIGIN,))
    with made.running():
        replies = [
            httpx.get(f"{made.rest}/v1/market/prices", headers={"origin": ORIGIN}, timeout=10)
            for _ in range(10)
        ]
        limited = next(reply for reply in replies if reply.status_code == 429)
        made.stop_server()
        made.wait_for(503)
        absent = httpx.get(f"{made.rest}/livez", timeout=10)
        for reply in (limited, absent):
            assert HEADERS.items() <= dict(reply.headers).items(), reply.status_code
            assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert limited.headers["access-control-allow-origin"] == ORIGIN
        made.start_server()


def test_what_is_too_large_carries_the_headers(backend: Backend) -> None:
    """AUT-035."""
    body = b"x" * (13 * 1024 * 1024)
    reply = httpx.post(f"{backend.rest}/v1/auth/login", content=body, timeout=20)
    assert reply.status_code == 413
    assert HEADERS.items() <= dict(reply.headers).items()
    assert "object-src 'none'" in reply.headers["content-security-policy"]


def test_a_key_is_left_to_the_server(backend: Backend) -> None:
    """AUT-030."""
    assert backend.call("GET", "/v1/auth/me", token="fgk_key").status == 200
    assert backend.call("GET", "/v1/auth/me", authorization="bearer fgk_key").status == 200
    for other in ("fgx_key", "x fgk_key", ""):
        assert backend.call("GET", "/v1/auth/me", token=other).status == 401


class Attacker:
    """An HTTP/2 client that does as it likes."""

    def __init__(self, backend: Backend) -> None:
        host, _, port = backend.address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.send()

    def send(self, more: bytes = b"") -> None:
        self._socket.sendall(self.h2.data_to_send() + more)

    def open(self) -> int:
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", "GET"), (":path", "/v1/market/prices"), (":scheme", "http"),
            (":authority", "flood"),
        ]  # fmt: skip
        self.h2.send_headers(stream, headers, end_stream=True)
        return stream

    def is_cut_off(self, within_s: float) -> bool:
        """Returns whether the other side closes in that time."""
        self._socket.settimeout(within_s)
        until = time.monotonic() + within_s
        try:
            while time.monotonic() < until:
                data = self._socket.recv(65_536)
                if not data:
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


def latency_s(backend: Backend, count: int) -> float:
    """Returns the median of a patient client's calls."""
    times = []
    with httpx.Client(base_url=backend.rest, timeout=10) as client:
        for _ in range(count):
            started = time.perf_counter()
            assert client.get("/v1/market/prices").status_code in {200, 429}
            times.append(time.perf_counter() - started)
    return sorted(times)[count // 2]


def test_rapid_resets_are_cut_off(strict: Backend) -> None:
    """AUT-036."""
    before = latency_s(strict, 15)
    attacker = Attacker(strict)
    sent = 0
    try:
        for _ in range(40):
            for _ in range(50):
                attacker.h2.reset_stream(attacker.open())
                sent += 1
            attacker.send()
    except OSError:
        pass
    assert attacker.is_cut_off(5), f"{sent} streams were opened and reset."
    attacker.close()
    after = latency_s(strict, 15)
    print(f"rapid reset: median {before * 1000:.1f} ms before, {after * 1000:.1f} ms after")
    assert after < 5 * before + 0.05


@pytest.mark.parametrize("kind", ["ping", "settings", "continuation"])
def test_floods_of_frames_are_cut_off(strict: Backend, kind: str) -> None:
    """AUT-036."""
    attacker = Attacker(strict)
    frames = {
        "ping": b"\0\0\x08\x06\0\0\0\0\0" + b"p" * 8,
        "settings": b"\0\0\0\x04\0\0\0\0\0",
        # Headers that never end.
        "continuation": b"\0\x10\0\x09\0\0\0\0\x01" + b"\x40\x01a\x01b" * 819 + b"\0",
    }
    try:
        if kind == "continuation":
            attacker.send(b"\0\0\x01\x01\0\0\0\0\x01\x82")
        for _ in range(200):
            attacker.send(frames[kind] * 200)
    except OSError:
        pass
    assert attacker.is_cut_off(5), kind
    attacker.close()
    assert strict.call("GET", "/livez").status == 200


def test_streams_at_once_are_few(strict: Backend) -> None:
    """AUT-036."""
    attacker = Attacker(strict)
    told = None
    attacker._socket.settimeout(5)
    while told is None:
        for event in attacker.h2.receive_data(attacker._socket.recv(65_536)):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                told = attacker.h2.remote_settings.max_concurrent_streams
    attacker.close()
    assert told == 100
