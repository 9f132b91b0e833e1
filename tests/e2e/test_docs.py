"""The documentation as a person sees it."""

import struct
import zlib
from pathlib import Path

import grpc
import pytest

from browser import rendered
from e2e.exchange import Exchange
from farmgate.api.health.v1 import health_pb2, health_pb2_grpc

# A page that shows nothing has rows that are all alike.
ROWS_MIN = 50


def test_chromium_shows_the_documentation(exchange: Exchange, tmp_path: Path) -> None:
    """OPS-041: every service is on the page, under a policy that nothing breaks."""
    document, console, picture = rendered(f"{exchange.rest}/docs", tmp_path)
    assert "TradingService" in document
    assert "opblock-tag" in document
    assert document.count("opblock-tag-section") > 30
    assert "Content Security Policy" not in console, console
    assert "error" not in console.lower(), console
    assert different_rows(picture) > ROWS_MIN


def test_documentation_is_kept_for_a_while_and_strict(exchange: Exchange) -> None:
    """OPS-041: scripts come from the exchange only; unknown pages are refused."""
    reply = exchange.call("GET", "/openapi.json")
    assert reply.body["openapi"] == "3.1.0"
    assert reply.headers["content-type"] == "application/json"
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "max-age" in reply.headers["cache-control"]
    assert exchange.call("GET", "/docs/nothing.js").reason == "NOT_FOUND"


def test_documentation_is_there_over_grpc(exchange: Exchange) -> None:
    with exchange.channel() as channel:
        stub = health_pb2_grpc.HealthServiceStub(channel)
        body = stub.GetDocs(health_pb2.GetDocsRequest())
        assert body.content_type.startswith("text/html")
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetDocs(health_pb2.GetDocsRequest(page="x" * 65))
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def different_rows(png: bytes) -> int:
    """Returns how many different rows of bytes a picture has, a measure of what it shows."""
    width, _height, depth, kind = struct.unpack(">IIBB", png[16:26])
    data, place = b"", 8
    while place < len(png):
        length, name = struct.unpack(">I4s", png[place : place + 8])
        if name == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    assert depth == 8
    row = 1 + width * {2: 3, 6: 4}[kind]
    rows = zlib.decompress(data)
    return len({rows[start : start + row] for start in range(0, len(rows), row)})
