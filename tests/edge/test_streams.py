"""Streams as machines and browsers read them."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import pytest

from e2e.exchange import free_ports
from edge.backend import EVENTS_A_TIME, Backend

WATCH = "/v1/market/stream"
EVENTS = "/v1/events/market"


def test_stream_is_json_lines(backend: Backend) -> None:
    reply = httpx.get(backend.rest + WATCH, headers={"accept-encoding": "gzip, br"}, timeout=10)
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert "content-encoding" not in reply.headers
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [line["updates"][0]["sequence"] for line in lines] == ["1", "2", "3"]


def test_stream_is_events_for_who_asks(backend: Backend) -> None:
    reply = httpx.get(backend.rest + WATCH, headers={"accept": "text/event-stream"}, timeout=10)
    assert reply.headers["content-type"] == "text/event-stream"
    events = [part for part in reply.text.split("\n\n") if part]
    assert len(events) == 3
    assert all(json.loads(event.removeprefix("data: ")) for event in events)


def test_stream_is_messages_for_grpc(backend: Backend) -> None:
    with grpc.insecure_channel(backend.address) as channel:
        call = channel.unary_stream("/farmgate.api.market.v1.MarketService/WatchMarket")
        assert len(list(call(b"", timeout=10))) == 3


def test_events_resume_after_the_last_id(backend: Backend) -> None:
    first = httpx.get(backend.rest + EVENTS, timeout=10)
    assert first.headers["content-type"] == "text/event-stream"
    assert _ids(first.text) == [101, 102, 103]
    again = httpx.get(backend.rest + EVENTS, headers={"last-event-id": "777"}, timeout=10)
    assert _ids(again.text) == [778, 779, 780]


def _ids(text: str) -> list[int]:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


PAGE = """<!doctype html><title>reading</title><script>
const seen = [], source = new EventSource("{url}");
source.addEventListener("market", event => {{
  seen.push(Number(event.lastEventId));
  if (seen.length % {report} === 0)
    fetch("/seen", {{method: "POST", body: JSON.stringify(seen)}});
}});
</script>"""


class Reader:
    """A page that reads events, and what it saw."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.arrived = threading.Condition()

    def wait(self, count: int) -> list[int]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.seen) >= count, 30), self.seen
            return self.seen

    def serve(self, port: int, url: str) -> ThreadingHTTPServer:
        reader = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(PAGE.format(url=url, report=EVENTS_A_TIME).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with reader.arrived:
                    reader.seen = max(reader.seen, json.loads(body), key=len)
                    reader.arrived.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", port), Handler)


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[tuple[Backend, Reader]]:
    """A real browser that follows the events of a server that a test may stop."""
    (port,) = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    made = Backend(tmp_path / "edge", origins=(origin,))
    with made.running():
        reader = Reader()
        page = reader.serve(port, made.rest + EVENTS)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        browser = subprocess.Popen(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--remote-debugging-port=0",
                origin,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield made, reader
        finally:
            browser.kill()
            browser.wait()
            page.shutdown()
            page.server_close()


def test_browser_resumes_without_gap_or_repeat(reading: tuple[Backend, Reader]) -> None:
    backend, reader = reading
    # The server ends the stream after each three: the browser comes again with the last ID.
    reader.wait(2 * EVENTS_A_TIME)
    backend.stop_server()
    backend.wait_for(503)
    before = len(reader.seen)
    backend.start_server()
    seen = reader.wait(before + 2 * EVENTS_A_TIME)
    assert seen == list(range(101, 101 + len(seen)))
