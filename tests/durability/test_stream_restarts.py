"""Every trade is seen once, in order, by whoever follows a stream whose server is killed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc

from durability.ledger import start
from durability.trader import RULES
from e2e.exchange import free_ports
from farmgate._matching import Follower
from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.process import Edge
from farmgate.trading.tables import trades as trade_table

# `make soak-streams` restarts more often.
RESTARTS = int(os.environ.get("TEST_STREAM_RESTARTS", "3"))
CLIENTS = 3
SYMBOL = str(RULES["symbol"])
TRADES = market_pb2.MARKET_CHANNEL_TRADES
PAUSE_S = 0.02
_TRADE_ID = [column.name for column in trade_table.columns].index("trade_id")
_SEQUENCE = [column.name for column in trade_table.columns].index("sequence")

PAGE = """<!doctype html><title>waiting</title><script>
const source = new EventSource("{url}");
source.addEventListener("market", event => {{
  const update = JSON.parse(event.data);
  const trades = (update.trades || []).map(one => one.trade_id);
  fetch("/seen", {{method: "POST", body: JSON.stringify(
    {{sequence: update.sequence, snapshot: !!update.snapshot, trades}})}});
}});
</script>"""


class Page(BaseHTTPRequestHandler):
    """Serves the page of the browser and hears what it saw."""

    url = ""
    heard: list[dict[str, Any]]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.format(url=self.url).encode())

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


class Server:
    """A process that serves streams, killed and started again."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "farmgate", "stream"],
                env=self._environment,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Client:
    """Follows over gRPC, and comes back after the last sequence it saw."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.sequence = 0
        self.first = 0
        self.trades: list[int] = []
        self.breaks: list[str] = []
        self.connections = 0
        self.moved = asyncio.Event()

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async with grpc.aio.insecure_channel(self._address) as channel:
                    await self._once(channel)
            await asyncio.sleep(0.05)

    async def _once(self, channel: grpc.aio.Channel) -> None:
        stub: Any = market_pb2_grpc.MarketServiceStub(channel)
        request = market_pb2.WatchMarketRequest(
            symbols=[SYMBOL], channels=[TRADES],
            from_sequence=self.sequence + 1 if self.sequence else 0,
        )  # fmt: skip
        is_new = True
        async for reply in stub.WatchMarket(request):
            for update in reply.updates:
                if update.heartbeat:
                    continue
                if update.snapshot:
                    if self.sequence:
                        self.breaks.append(f"snapshot at {update.sequence}")
                    self.first = self.sequence = update.sequence
                    continue
                self.connections += is_new
                is_new = False
                if update.previous_sequence != self.sequence:
                    self.breaks.append(f"{self.sequence} then {update.previous_sequence}")
                self.sequence = update.sequence
                self.trades += [trade.trade_id for trade in update.trades]
                self.moved.set()


def made(folder: Path) -> dict[int, int]:
    """Returns the sequence of every trade in the journal, by its ID."""
    follower = Follower.open(folder, 0)
    found: dict[int, int] = {}
    while block := follower.next_block(10_000):
        found |= {row[_TRADE_ID]: row[_SEQUENCE] for row in block["trades"]}
    return found


@contextlib.contextmanager
def browser(url: str, origin_port: int, folder: Path) -> Iterator[list[dict[str, Any]]]:
    """Has Chromium follow a stream; gives what it saw."""
    Page.url, Page.heard = url, []
    page = ThreadingHTTPServer(("127.0.0.1", origin_port), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    process = subprocess.Popen(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={folder / 'profile'}",
            "--remote-debugging-port=0", f"http://127.0.0.1:{origin_port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Page.heard
    finally:
        process.kill()
        process.wait()
        page.shutdown()
        page.server_close()


@contextlib.asynccontextmanager
async def edge(grpc_port: int, stream_port: int, origin: str, folder: Path) -> AsyncIterator[str]:
    """Runs Envoy; gives its address."""
    rest, admin = free_ports(2)
    options = EdgeOptions(
        host="127.0.0.1", rest_port=rest, admin_port=admin,
        upstreams=(("127.0.0.1", grpc_port),),
        stream_upstreams=(("127.0.0.1", stream_port),), origins=(origin,),
    )  # fmt: skip
    running = Edge(options, folder / "edge")
    await running.start()
    try:
        yield f"http://127.0.0.1:{rest}"
    finally:
        await running.stop()


async def until(condition: Any, timeout_s: float = 90.0) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def test_every_trade_is_seen_once_over_restarts(tmp_path: Path) -> None:
    """TRD-213, TRD-214: scenario A21; kill -9 of the streams' server, again and again."""
    (port, origin_port) = free_ports(2)
    data = tmp_path / "data"
    environment = os.environ | {
        "FARMGATE_DATA_DIR": str(data), "FARMGATE_STREAM_PORT": str(port),
        "FARMGATE_METRICS_PORT": "0", "FARMGATE_RATE_IP_PER_MIN": "100000",
        "FARMGATE_RATE_STREAMS_PER_USER": "100",
    }  # fmt: skip
    data.mkdir()
    pause = f"pause={PAUSE_S}"
    trader = start(data / "journal", 7, "nosync", pause, output=tmp_path / "told")
    server = Server(environment, tmp_path / "stream.log")
    clients = [Client(f"127.0.0.1:{port}") for _ in range(CLIENTS)]
    origin = f"http://127.0.0.1:{origin_port}"
    tasks = []
    try:
        server.start()
        async with edge(port, port, origin, tmp_path) as rest:
            url = f"{rest}/v1/events/market?symbols={SYMBOL}&channels={TRADES}"
            with browser(url, origin_port, tmp_path) as heard:
                tasks = [asyncio.create_task(client.follow()) for client in clients]
                for restart in range(RESTARTS + 1):
                    for client in clients:
                        client.moved.clear()
                    count = len(heard)
                    for client in clients:
                        await asyncio.wait_for(client.moved.wait(), 90)
                    await until(lambda count=count: len(heard) > count + 5)
                    if restart < RESTARTS:
                        server.kill()
                        server.start()
                trader.kill()
                trader.wait()
                journal = made(data / "journal")
                last = max(journal.values())
                await until(lambda: all(client.sequence >= last for client in clients))
                await until(lambda: int(heard[-1]["sequence"]) >= last)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        trader.kill()
        trader.wait()
        server.kill()
    for client in clients:
        assert client.breaks == []
        assert client.connections > RESTARTS
        expected = [one for one, sequence in journal.items() if sequence > client.first]
        assert client.trades == expected
    first = next(int(one["sequence"]) for one in heard if one["snapshot"])
    assert sum(one["snapshot"] for one in heard) == 1, "nothing was skipped"
    seen = sorted((int(one["sequence"]), one["trades"]) for one in heard if not one["snapshot"])
    shown = [int(trade) for _, trades in seen for trade in trades]
    assert shown == [one for one, sequence in journal.items() if sequence > first]
    print(f"{RESTARTS} restarts, {len(journal)} trades, {len(seen)} events in the browser")
