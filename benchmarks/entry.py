"""Durable order entry through gRPC, against an echo server of the same grpcio in the same run.

Each round starts both servers as processes, drives them with the same client, and takes the ratio,
so that the machine's noise hits both. A fall of `unary_ratio` means that the path from the handler
to the durable answer costs more than a bare call; a fall of `session_orders_per_s` that the core or
its boundary got slower. Every order has balances, holds, fees and an idempotency key.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from e2e.exchange import free_ports
from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2

METHOD = "/farmgate.api.trading.v1.TradingService/"
IN_FLIGHT = 128
MESSAGE_ORDERS = 1_000
SESSION_IN_FLIGHT = 4


def echo(port: int) -> None:
    """Serves bytes back: what a call costs before anything is done."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            async def unary(request: bytes, _context: object) -> bytes:
                return request

            return grpc.unary_unary_rpc_method_handler(unary)

    async def serve() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Handler(),))
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()

    uvloop.run(serve())


class Server:
    """A Farmgate server of this run's own."""

    def __init__(self, folder: Path) -> None:
        port, metrics = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        environment = os.environ | {
            "FARMGATE_DATA_DIR": str(folder / "data"),
            "FARMGATE_GRPC_PORT": str(port),
            "FARMGATE_METRICS_PORT": str(metrics),
            "FARMGATE_DEMO": "true",
            "FARMGATE_RATE_ORDERS_PER_S": "1000000000",
            "FARMGATE_RATE_USER_PER_MIN": "1000000000",
            "FARMGATE_LOG_LEVEL": "WARNING",
            # As `farmgate up` and the container set it.
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "farmgate", "serve"], env=environment
        )

    def stop(self) -> None:
        """Stops the server."""
        self.process.terminate()
        self.process.wait()


async def ready(channel: grpc.aio.Channel) -> None:
    """Waits until the server answers."""
    await asyncio.wait_for(channel.channel_ready(), 60)


async def unary_rate(
    address: str, path: str, messages: list[bytes], metadata: tuple[tuple[str, str], ...]
) -> tuple[float, float]:
    """Returns calls a second at IN_FLIGHT in flight, and the median latency in ms."""
    async with grpc.aio.insecure_channel(address) as channel:
        await ready(channel)
        call = channel.unary_unary(path)
        position = 0
        latencies: list[float] = []

        async def worker() -> None:
            nonlocal position
            while position < len(messages):
                message = messages[position]
                position += 1
                started = time.perf_counter()
                await call(message, metadata=metadata)
                latencies.append(time.perf_counter() - started)

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return len(messages) / (time.perf_counter() - started), 1e3 * statistics.median(latencies)


async def session(
    address: str, messages: list[bytes], metadata: tuple[tuple[str, str], ...], in_flight: int
) -> tuple[float, float]:
    """Returns orders a second over one session, and the median time of a message in ms."""
    async with grpc.aio.insecure_channel(address) as channel:
        await ready(channel)
        room = asyncio.Semaphore(in_flight)
        sent: list[float] = []
        latencies: list[float] = []

        async def requests() -> AsyncIterator[bytes]:
            for message in messages:
                await room.acquire()
                sent.append(time.perf_counter())
                yield message

        call = channel.stream_stream(METHOD + "OrderSession")(requests(), metadata=metadata)
        started = time.perf_counter()
        async for _ in call:
            latencies.append(time.perf_counter() - sent[len(latencies)])
            room.release()
        elapsed = time.perf_counter() - started
        assert len(latencies) == len(messages), await call.details()
        return len(messages) * MESSAGE_ORDERS / elapsed, 1e3 * statistics.median(latencies)


def unary_messages(count: int, dice: random.Random, tag: str) -> list[bytes]:
    """Returns orders of a liquid market, each with an ID of its own."""
    return [
        trading_pb2.CreateOrderRequest(
            client_order_id=f"{tag}-{number}",
            symbol="CORN-US2Y-CHI",
            side=dice.choice((1, 2)),
            type=trading_pb2.ORDER_TYPE_LIMIT,
            time_in_force=trading_pb2.TIME_IN_FORCE_IOC,
            price="4.5800",
            quantity_lots=1,
        ).SerializeToString()
        for number in range(count)
    ]


def session_messages(count: int, dice: random.Random, tag: str) -> list[bytes]:
    """Returns messages of 1,000 orders: most rest and trade later, the rest cross at once."""
    messages = []
    for number in range(count):
        request = trading_pb2.OrderSessionRequest(request_id=f"{tag}-{number}")
        for _ in range(MESSAGE_ORDERS):
            order = request.instructions.add().create
            order.instrument_id = 1
            order.side = dice.randint(1, 2)
            order.type = trading_pb2.ORDER_TYPE_LIMIT
            order.time_in_force = 2 if dice.random() < 0.5 else 4
            order.price_ticks = 1_833 + dice.randint(-8, 8)
            order.quantity_lots = 1
            order.self_trade_prevention = trading_pb2.SELF_TRADE_PREVENTION_NONE
        messages.append(request.SerializeToString())
    return messages


def sync_p50_us(folder: Path) -> float:
    """Returns the median time of a 4 KiB write with fdatasync, in µs."""
    times = []
    with (folder / "probe").open("wb", buffering=0) as file:
        file.write(bytes(4096 * 300))
        os.fsync(file.fileno())
        for number in range(300):
            started = time.perf_counter()
            os.pwrite(file.fileno(), bytes([number % 256]) * 4096, 4096 * number)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return 1e6 * statistics.median(times)


async def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Runs the rounds and returns the medians."""
    dice = random.Random(20260101)
    (echo_port,) = free_ports(1)
    echo_server = subprocess.Popen([sys.executable, __file__, "--echo", str(echo_port)])
    server = Server(folder)
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)
        print(f"  {name:28} {value:14,.2f}", flush=True)

    try:
        metadata = await sign_in(server.address)
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}")
            messages = unary_messages(arguments.calls, dice, f"u{number}")
            echo_rate, _ = await unary_rate(f"127.0.0.1:{echo_port}", "/e/E", messages, metadata)
            note("echo_calls_per_s", echo_rate)
            path = f"{METHOD}CreateOrder"
            rate, latency = await unary_rate(server.address, path, messages, metadata)
            note("unary_orders_per_s", rate)
            note("unary_p50_ms", latency)
            note("unary_ratio", rate / echo_rate)
            batches = session_messages(arguments.messages, dice, f"s{number}")
            rate, _ = await session(server.address, batches, metadata, SESSION_IN_FLIGHT)
            note("session_orders_per_s", rate)
            batches = session_messages(arguments.messages // 3, dice, f"o{number}")
            rate, latency = await session(server.address, batches, metadata, 1)
            note("one_in_flight_orders_per_s", rate)
            note("one_in_flight_p50_ms", latency)
            note("fdatasync_p50_us", sync_p50_us(folder))
    finally:
        server.stop()
        echo_server.kill()
        echo_server.wait()
    return {name: statistics.median(values) for name, values in figures.items()}


async def sign_in(address: str) -> tuple[tuple[str, str], ...]:
    """Signs a demonstration user in once the server is up."""
    async with grpc.aio.insecure_channel(address) as channel:
        await ready(channel)
        request = auth_pb2.LoginRequest(
            email="mill.nord@farmgate.example", password="Demo-Pass-2026!"
        )
        reply = await auth_pb2_grpc.AuthServiceStub(channel).Login(request, wait_for_ready=True)
        return (("authorization", f"Bearer {reply.access_token}"),)


def main() -> None:
    """Measures and prints one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=10_000, help="unary calls a round")
    parser.add_argument("--messages", type=int, default=300, help="session messages a round")
    parser.add_argument("--folder", type=Path, help="where the journal is written")
    parser.add_argument("--echo", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.echo:
        echo(arguments.echo)
        return
    folder = Path(tempfile.mkdtemp(prefix="farmgate-bench-", dir=arguments.folder))
    try:
        figures = uvloop.run(measure(folder, arguments))
    finally:
        shutil.rmtree(folder)
    rounded = {name: round(value, 3) for name, value in figures.items()}
    print(
        json.dumps({"name": "entry", "ratio": rounded["unary_ratio"], "durable": True, **rounded})
    )


if __name__ == "__main__":
    main()
