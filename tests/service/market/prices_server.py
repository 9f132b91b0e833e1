"""A service of prices that misbehaves as told, on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

ROWS = [{"date": "2026-05-01", "value": "4.58"}, {"date": "2026-05-04", "value": "4.61"}]


@dataclass
class Answer:
    """An answer: status, headers, body; `hangs` gives none at all, `cut` less than it promises."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    hangs: bool = False
    cut: int = 0

    @classmethod
    def rows(cls, rows: Any = ROWS, **more: Any) -> "Answer":
        return cls(json.dumps({"results": rows, **more}).encode())


class PricesServer:
    """Answers in turn, the last answer for good; keeps the paths it was asked for."""

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[str], Answer]] = []
        self.asked: list[str] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1]
        self.asked.append(path)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = found if isinstance(found, Answer) else found(path)
        try:
            if answer.hangs:
                await reader.read()
                return
            headers = {
                "content-type": answer.content_type,
                "content-length": str(len(answer.body) + answer.cut),
                "connection": "close", **answer.headers,
            }  # fmt: skip
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {answer.status} X\r\n{lines}\r\n".encode() + answer.body)
            await writer.drain()
        except ConnectionError:
            pass  # The caller had enough.
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[PricesServer]:
    made = PricesServer()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
