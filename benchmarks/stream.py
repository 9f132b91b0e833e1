"""Streams of market data: many readers, and readers who take nothing.

A server takes crossing orders at a steady rate; two processes stream the trades that follow, on one
port. Each figure has its baseline in the same run: what was delivered against what was published,
and how late readers get trades with 1,000 readers beside them who take nothing against how late
they get them without. Trades are never conflated, so that what is missing counts as lost.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Self

import grpc
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from e2e.exchange import free_ports
from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2

WATCH = "/farmgate.api.market.v1.MarketService/WatchMarket"
SESSION = "/farmgate.api.trading.v1.TradingService/OrderSession"
SYMBOL = "CORN-US2Y-CHI"
# As Envoy carries them.
STREAMS_A_CONNECTION = 50
MESSAGE_TRADES = 50
PROCESSES = 2
MIB = 1024 * 1024
# Grace for what is under way when the last order was answered.
TAIL_S = 3.0
OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
# Windows as Envoy has them towards servers; gRPC's own client takes in megabytes before it stalls.
STALLED_OPTIONS = [*OPTIONS, ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]


class Process:
    """A role of the exchange, or this program in another part."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True,
        )  # fmt: skip

    @classmethod
    def reader(cls, folder: Path, address: str, *, count: int, is_stalled: bool = False) -> Self:
        """Starts readers in a process of their own."""
        command = [sys.executable, __file__, "--address", address, "--count", str(count)]
        made = cls(
            [*command, "--part", "stalled" if is_stalled else "readers"],
            dict(os.environ), folder / "readers.log",
        )  # fmt: skip
        made.line()
        return made

    def line(self) -> str:
        """Returns its next line."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"It ended: {self.process.args!r}"
        return line

    def finish(self) -> Any:
        """Asks it to end, and returns what it tells."""
        assert self.process.stdin
        self.process.stdin.close()
        told = json.loads(self.line())
        self.process.wait()
        self._log.close()
        return told

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait()
        self._log.close()

    def memory_bytes(self) -> int:
        """Returns the memory it has in use."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024


class Exchange:
    """A server, and the processes that stream."""

    def __init__(self, folder: Path) -> None:
        port, stream_port, *metrics = free_ports(3 + PROCESSES)
        self.address, self.streams = f"127.0.0.1:{port}", f"127.0.0.1:{stream_port}"
        environment = os.environ | {
            "FARMGATE_DATA_DIR": str(folder / "data"),
            "FARMGATE_GRPC_PORT": str(port),
            "FARMGATE_STREAM_PORT": str(stream_port),
            "FARMGATE_DEMO_HISTORY": "false",
            "FARMGATE_RATE_ORDERS_PER_S": "1000000000",
            "FARMGATE_RATE_USER_PER_MIN": "1000000000",
            "FARMGATE_RATE_IP_PER_MIN": "1000000000",
            "FARMGATE_RATE_STREAMS_PER_USER": "1000000",
            "FARMGATE_LOG_LEVEL": "WARNING",
        }
        self.metrics = metrics[1:]
        command = [sys.executable, "-m", "farmgate"]
        log = folder / "exchange.log"
        more = {"FARMGATE_METRICS_PORT": str(metrics[0]), "FARMGATE_DEMO": "true"}
        self.server = Process([*command, "serve"], environment | more, log)
        self._made = [self.server]
        wait_for(self.address)
        self.streamers = [
            Process([*command, "stream"], environment | {"FARMGATE_METRICS_PORT": str(one)}, log)
            for one in self.metrics
        ]
        self._made += self.streamers
        for one in self.metrics:
            until_answers(one)

    def open_streams(self) -> list[int]:
        """Returns how many streams each process has open."""
        pattern = r'farmgate_rpc_open_calls\{[^}]*method="WatchMarket"[^}]*\} (\S+)'
        found = [re.search(pattern, page(one)) for one in self.metrics]
        return [int(float(one[1])) if one else 0 for one in found]

    def memory_bytes(self) -> int:
        """Returns the memory of the processes that stream."""
        return sum(one.memory_bytes() for one in self.streamers)

    def stop(self) -> None:
        """Stops all."""
        for one in reversed(self._made):
            one.stop()


def page(port: int) -> str:
    """Returns the metrics of a process."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text: bytes = answer.read()
        return text.decode()


def until_answers(port: int) -> None:
    """Waits until a process serves its metrics."""
    end = time.monotonic() + 120
    while True:
        try:
            page(port)
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.2)
        else:
            return


def wait_for(address: str) -> None:
    """Waits until an address takes calls."""
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=120)


async def trade(address: str, per_s: int, seconds: float) -> tuple[int, float]:
    """Trades at a rate; returns how many trades there were, and the rate that was reached."""
    async with grpc.aio.insecure_channel(address) as channel:
        sign_in = auth_pb2.LoginRequest(
            email="mill.nord@farmgate.example", password="Demo-Pass-2026!"
        )
        token = (await auth_pb2_grpc.AuthServiceStub(channel).Login(sign_in)).access_token
        started = time.monotonic()
        count = int(per_s * seconds) // MESSAGE_TRADES
        tag = f"{time.time_ns()}"

        async def messages() -> AsyncIterator[bytes]:
            for number in range(count):
                wait_s = started + number * MESSAGE_TRADES / per_s - time.monotonic()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                yield crossing(f"{tag}-{number}")

        call = channel.stream_stream(SESSION)(
            messages(), metadata=(("authorization", f"Bearer {token}"),)
        )
        answered = 0
        async for _ in call:
            answered += 1
        assert answered == count, await call.details()
        return count * MESSAGE_TRADES, count * MESSAGE_TRADES / (time.monotonic() - started)


def crossing(request_id: str) -> bytes:
    """Returns a message of pairs of orders that trade with one another."""
    request = trading_pb2.OrderSessionRequest(request_id=request_id)
    for number in range(2 * MESSAGE_TRADES):
        order = request.instructions.add().create
        order.instrument_id = 1
        order.side = 2 - number % 2
        order.type = trading_pb2.ORDER_TYPE_LIMIT
        order.time_in_force = trading_pb2.TIME_IN_FORCE_GTC
        order.price_ticks = 1_833
        order.quantity_lots = 1
        order.self_trade_prevention = trading_pb2.SELF_TRADE_PREVENTION_NONE
    return request.SerializeToString()


class Reader:
    """Follows trades; the first of all decodes what it gets."""

    def __init__(self, channel: grpc.aio.Channel, *, decodes: bool) -> None:
        self._decodes = decodes
        request = market_pb2.WatchMarketRequest(
            symbols=[SYMBOL], channels=[market_pb2.MARKET_CHANNEL_TRADES]
        )
        self.call = channel.unary_stream(WATCH)(request.SerializeToString())
        self.sizes = 0
        self.trades = 0
        self.reason = ""
        self.late_ms: list[float] = []
        self.opened = asyncio.Event()

    async def follow(self) -> None:
        """Reads until the stream ends."""
        try:
            async for data in self.call:
                if not self.opened.is_set():
                    self.opened.set()
                    continue
                # A heartbeat is shorter than a trade.
                self.sizes += len(data) if len(data) > 32 else 0
                if self._decodes:
                    self._take(data)
        except grpc.aio.AioRpcError as error:
            self.reason = str(error.details())

    def _take(self, data: bytes) -> None:
        for update in market_pb2.WatchMarketResponse.FromString(data).updates:
            self.trades += len(update.trades)
            self.reason = update.end_reason or self.reason
            for one in update.trades[-1:]:
                at = one.trade_time.seconds + one.trade_time.nanos / 1e9
                self.late_ms.append(1e3 * (time.time() - at))


async def readers(address: str, count: int, *, is_stalled: bool) -> None:
    """Opens streams, says so, follows them until standard input ends, and tells what came."""
    channels = [
        grpc.aio.insecure_channel(address, options=STALLED_OPTIONS if is_stalled else OPTIONS)
        for _ in range(-(-count // STREAMS_A_CONNECTION))
    ]
    made = [
        Reader(channels[number // STREAMS_A_CONNECTION], decodes=number % 10 == 0)
        for number in range(count)
    ]
    if is_stalled:
        await asyncio.gather(*(one.call.read() for one in made))
        tasks = []
    else:
        tasks = [asyncio.create_task(one.follow()) for one in made]
        await asyncio.gather(*(one.opened.wait() for one in made))
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    told: dict[str, Any]
    if is_stalled:
        told = {"reasons": await ends(made)}
    else:
        late = sorted(value for one in made for value in one.late_ms)
        told = {
            "sizes": [one.sizes for one in made],
            "trades": [one.trades for one in made if one.trades],
            "p50_ms": statistics.median(late) if late else 0.0,
            "p99_ms": late[int(len(late) * 0.99)] if late else 0.0,
            "reasons": [one.reason for one in made if one.reason],
        }
    for task in tasks:
        task.cancel()
    print(json.dumps(told), flush=True)
    os._exit(0)  # Thousands of open streams need no farewell.


async def ends(made: list[Reader]) -> dict[str, int]:
    """Reads what lies there; returns how many streams ended for which reason."""
    reasons = await asyncio.gather(*map(_end, made))
    return {reason: reasons.count(reason) for reason in set(reasons)}


async def _end(one: Reader) -> str:
    try:
        async with asyncio.timeout(30):
            with contextlib.suppress(grpc.aio.AioRpcError):
                while await one.call.read() is not grpc.aio.EOF:
                    pass
            details = dict(tuple(await one.call.trailing_metadata() or ()))
    except TimeoutError:
        return "open"
    if b"SLOW_CONSUMER" in details.get("grpc-status-details-bin", b""):
        return "SLOW_CONSUMER"
    return str(await one.call.code())


async def delivered(
    exchange: Exchange, folder: Path, *, count: int, per_s: int, seconds: float
) -> dict[str, Any]:
    """Returns what readers got of what was published."""
    reader = await asyncio.to_thread(Process.reader, folder, exchange.streams, count=count)
    by_process = exchange.open_streams()
    published, reached = await trade(exchange.address, per_s, seconds)
    await asyncio.sleep(TAIL_S)
    told = await asyncio.to_thread(reader.finish)
    # One reader that has all tells how long all is.
    whole = max(told["sizes"])
    assert published in told["trades"], "Nobody got all."
    return {
        "opened": count,
        "by_process": by_process,
        "published_per_s": round(reached),
        "delivered": round(sum(min(size / whole, 1) for size in told["sizes"]) / count, 4),
        "p50_ms": round(told["p50_ms"], 1),
        "p99_ms": round(told["p99_ms"], 1),
        "ended": len(told["reasons"]),
    }


async def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Runs all parts."""
    exchange = await asyncio.to_thread(Exchange, folder)
    try:
        await delivered(exchange, folder, count=10, per_s=2_000, seconds=2)
        figures: dict[str, Any] = {}

        async def note(name: str, **given: Any) -> dict[str, Any]:
            figures[name] = await delivered(exchange, folder, seconds=seconds, **given)
            print(f"  {name:24} {figures[name]}", flush=True)
            return dict(figures[name])

        await note("hundred", count=100, per_s=10_000)
        await note("thousand", count=1_000, per_s=1_000)
        alone = await note("without_stalled", count=50, per_s=5_000)
        before = exchange.memory_bytes()
        stalled = await asyncio.to_thread(
            Process.reader, folder, exchange.streams, count=1_000, is_stalled=True
        )
        # Until they hold what they can.
        await trade(exchange.address, 5_000, 2)
        beside = await note("beside_stalled", count=50, per_s=5_000)
        figures["stalled_mib"] = round((exchange.memory_bytes() - before) / MIB, 1)
        # Long enough for those who take nothing to be ended.
        await trade(exchange.address, 5_000, 15)
        figures["stalled_streams_open"] = sum(exchange.open_streams())
        figures["stalled_ends"] = (await asyncio.to_thread(stalled.finish))["reasons"]
        figures["stalled_p99_ratio"] = round(beside["p99_ms"] / max(alone["p99_ms"], 0.1), 2)
        return figures
    finally:
        await asyncio.to_thread(exchange.stop)


def main() -> None:
    """Measures and prints one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each part")
    parser.add_argument("--folder", type=Path, help="where the journal is written")
    parser.add_argument("--part", choices=("readers", "stalled"), help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        is_stalled = arguments.part == "stalled"
        uvloop.run(readers(arguments.address, arguments.count, is_stalled=is_stalled))
        return
    folder = Path(tempfile.mkdtemp(prefix="farmgate-bench-", dir=arguments.folder))
    try:
        figures = uvloop.run(measure(folder, arguments.seconds))
    finally:
        if os.environ.get("BENCH_KEEP") is None:
            shutil.rmtree(folder)
    print(json.dumps({"name": "stream", "ratio": figures["hundred"]["delivered"], **figures}))


if __name__ == "__main__":
    main()
