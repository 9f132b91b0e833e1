"""Logs that rotate and keep secrets out; faults reported to what speaks Sentry's protocol."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sentry_sdk

from farmgate.telemetry import logs, sentry

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbWFyYSJ9.c2lnbmF0dXJl"


def caught(error: Exception) -> Exception:
    """Returns an exception that flew, past a variable that nobody may see."""
    secret_in_a_variable = "hunter2"
    try:
        raise error
    except type(error):
        assert secret_in_a_variable
        return error


@pytest.fixture
def restored() -> Iterator[None]:
    yield
    logs.configure(level="WARNING")


def test_logs_rotate_whole_lines_of_json(tmp_path: Path, restored: None) -> None:
    """OPS-190."""
    file = tmp_path / "logs" / "server.log"
    logs.configure(level="INFO", file=file, sensitive=("iban",), file_bytes_max=4_000)
    log = logs.logger("test")
    for number in range(400):
        log.info("line", number=number, iban="DE02", password="hunter2", note=f"token {TOKEN}")
    files = sorted(file.parent.iterdir())
    assert len(files) == 8, "Older ones are gone."
    lines = [json.loads(line) for one in files for line in one.read_text().splitlines()]
    assert all(one.stat().st_size <= 4_000 for one in files)
    numbers = sorted(line["number"] for line in lines)
    assert numbers == list(range(400 - len(numbers), 400)), "None is lost in between."
    text = "".join(one.read_text() for one in files)
    assert "DE02" not in text
    assert "hunter2" not in text
    assert TOKEN[:20] not in text
    assert {"timestamp", "level", "logger", "event"} <= set(lines[0])


def test_exceptions_are_one_line_without_secrets(tmp_path: Path, restored: None) -> None:
    """OPS-190."""
    file = tmp_path / "server.log"
    logs.configure(level="INFO", file=file)
    words = f"postgresql://exchange:hunter2@host/name with {TOKEN}"
    logs.logger("test").error("fault", exc_info=caught(ValueError(words)))
    (line,) = file.read_text().splitlines()
    assert "ValueError" in json.loads(line)["exception"]
    assert "hunter2" not in line
    assert TOKEN not in line


class Inbox(ThreadingHTTPServer):
    """Takes envelopes as Sentry does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict] = []
        self.raw = b""
        self.came = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.raw += body
        for line in body.splitlines():
            found = json.loads(line)
            if "exception" in found:
                self.server.events.append(found)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")
        self.server.came.set()

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    sentry_sdk.get_client().close()
    sentry_sdk.init()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_fault_is_reported_without_what_people_sent(inbox: Inbox) -> None:
    """OPS-191."""
    dsn = f"http://key@127.0.0.1:{inbox.server_port}/1"
    sentry.configure(dsn, environment="production", release="1.2.3")
    fault = caught(RuntimeError(f"no such row for {TOKEN}"))
    sentry.report(fault, request_id="r-1", method="farmgate.Method")
    sentry.close()
    assert inbox.came.wait(10)
    (event,) = inbox.events
    assert event["exception"]["values"][0]["type"] == "RuntimeError"
    assert event["tags"] == {"request_id": "r-1", "method": "farmgate.Method"}
    assert (event["environment"], event["release"]) == ("production", "farmgate@1.2.3")
    assert b"hunter2" not in inbox.raw, "No local variables."
    assert TOKEN.encode() not in inbox.raw
    assert b"server_name" not in inbox.raw


def test_nothing_is_reported_without_an_address(inbox: Inbox) -> None:
    """OPS-191."""
    sentry.configure("", environment="production", release="1.2.3")
    sentry.report(RuntimeError("nobody hears"), request_id="r-2")
    sentry.close()
    assert not inbox.raw
