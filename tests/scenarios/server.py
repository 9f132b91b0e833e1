"""The exchange in this process, on a clock that tests move, behind a real Envoy."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import httpx

from e2e.exchange import free_ports
from farmgate.app import wire
from farmgate.app.application import Application
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.process import Edge
from farmgate.app.parts import blockchain, contracts
from farmgate.app.settings import load
from farmgate.ports.clock import FakeClock
from scenarios.faces import TIMEOUT_S, Face, Grpc, Rest

# How soon the exchange looks again at what goes on by itself.
FAST = {"_FIRST_S": 0.02, "_IDLE_S": 0.1, "_BUSY_S": 0.05, "_NODE_S": 0.1, "_PINS_DOWN_S": 0.1}


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Does work on the loop; returns what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        """Ends it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass
class World:
    """A running exchange and its faces."""

    application: Application
    clock: FakeClock
    faces: dict[str, Face]


@contextlib.contextmanager
def exchange(folder: Path, **given: Any) -> Iterator[World]:
    """Runs the exchange with its demonstration for the length of a block."""
    rest_port, admin_port, grpc_port = free_ports(3)
    clock = FakeClock()
    values = {
        "data_dir": folder / "data", "grpc_port": grpc_port, "metrics_port": 0, "grace_s": 1.0,
        "demo": True, "demo_history": False, "rate_user_per_min": 1_000_000,
        "rate_ip_per_min": 1_000_000, "rate_sign_ins_per_min": 1_000_000, **given,
    }  # fmt: skip
    settings = load(environment={}, env_file=None, **values)
    with patch.multiple(blockchain, **FAST), patch.object(contracts, "_TICK_S", 0.05):
        application = wire.build(settings, clock=clock)
    options = EdgeOptions(
        host="127.0.0.1", rest_port=rest_port, admin_port=admin_port,
        upstreams=(("127.0.0.1", grpc_port),), sign_ins_per_min_per_ip=1_000_000,
    )  # fmt: skip
    edge = Edge(options, folder / "edge")
    loop = Loop()
    try:
        loop.run(application.start())
        loop.run(edge.start())
        address = f"http://127.0.0.1:{rest_port}"
        with (
            httpx.Client(base_url=address, timeout=TIMEOUT_S) as client,
            grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
        ):
            yield World(application, clock, {"rest": Rest(client), "grpc": Grpc(channel)})
    finally:
        loop.run(edge.stop())
        loop.run(application.stop())
        loop.close()
