"""A node with the shape of Kubo's RPC that keeps and gives real blocks, on loopback."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from farmgate.ports import unixfs


@dataclass
class Kubo:
    """The node's state, and what it is told to do wrong."""

    address: str = ""
    blocks: dict[str, bytes] = field(default_factory=dict)
    pins: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    # What it answers in place of the truth.
    named: str | None = None
    given: bytes | None = None
    status: int | None = None
    location: str | None = None

    def add(self, data: bytes, options: dict[str, str]) -> str:
        """Adds as Kubo does: with its own defaults when the caller states none."""
        assert options.get("chunker", "size-262144") == "size-262144"
        if options.get("cid-version") != "1" or options.get("raw-leaves") != "true":
            # What Kubo would name it by default is another identifier.
            return "QmTkzDwWqPbnAh5YiV5VwcTLnGdwSNsNTn2aDxdXBFca7D"
        cid = unixfs.import_file(data, self.blocks.__setitem__)
        if options.get("pin", "true") == "true":
            self.pins.add(cid)
        return self.named or cid

    def cat(self, cid: str, length: int) -> bytes:
        if self.given is not None:
            return self.given
        return unixfs.export_file(cid, self.blocks.__getitem__, bytes_max=1 << 30)[:length]


@contextmanager
def running(kubo: Kubo, port: int = 0) -> Iterator[Kubo]:
    """Answers for a node until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            command = parts.path.removeprefix("/api/v0/")
            options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            body = self._body()
            kubo.calls.append(command)
            if kubo.location:
                self._answer(302, b"", Location=kubo.location)
            elif kubo.status:
                self._answer(kubo.status, b"")
            else:
                self._answer(*_answer_to(kubo, command, options, body, self.headers))

        do_GET = do_POST  # noqa: N815 - The name is the base's.

        def log_message(self, *_: Any) -> None:
            pass

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            headers.setdefault("Content-Type", "application/json")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    kubo.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kubo
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer_to(
    kubo: Kubo, command: str, options: dict[str, str], body: bytes, headers: Any
) -> tuple[int, bytes]:
    cid = options.get("arg", "")
    if command == "version":
        return 200, json.dumps({"Version": "0.38.1", "Commit": ""}).encode()
    if command == "add":
        named = kubo.add(_file(body, headers["Content-Type"]), options)
        return 200, json.dumps({"Name": named, "Hash": named, "Size": "0"}).encode()
    if command == "cat":
        known = kubo.given is not None or cid in kubo.blocks
        length = int(options.get("length", 1 << 30))
        return (200, kubo.cat(cid, length)) if known else _error(f"ipld: could not find {cid}")
    if command == "pin/rm":
        known = cid in kubo.pins
        kubo.pins.discard(cid)
        pins = json.dumps({"Pins": [cid]}).encode()
        return (200, pins) if known else _error("not pinned or pinned indirectly")
    return 404, b"404 page not found"


def _error(words: str) -> tuple[int, bytes]:
    return 500, json.dumps({"Message": words, "Code": 0, "Type": "error"}).encode()


def _file(body: bytes, content_type: str) -> bytes:
    """Returns the one file of a multipart body."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    assert boundary, content_type
    _, part, *_ = body.split(b"--" + boundary[1].encode())
    head, _, data = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
    assert b"filename" in head or BytesParser().parsebytes(head)["Content-Disposition"]
    return data.removesuffix(b"\r\n")
