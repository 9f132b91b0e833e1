"""The exchange in this process, on a clock that tests move, behind a real Envoy."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import httpx

from chains import CHAIN_ID, OPERATOR, Anvil
from e2e.exchange import free_ports
from farmgate.app import wire
from farmgate.app.application import Application
from farmgate.app.edge import process
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.process import Edge
from farmgate.app.parts import blockchain, contracts
from farmgate.app.settings import load
from farmgate.blockchain.registry import announced
from farmgate.market import settlement_store
from farmgate.market.settlement_store import DailySettlement
from farmgate.ports import chain_pyevm
from farmgate.ports.chain_web3 import http_chain
from farmgate.ports.clock import FakeClock
from farmgate.trading.service import TradingServicer
from scenarios.deal import Deal
from scenarios.faces import TIMEOUT_S, Face, Grpc, Rest

assert chain_pyevm, "It takes seconds to load: nobody waits for that inside a call."
# Of corn, in dollars a bushel.
TICK = Decimal("0.0025")
# Longer than any start takes, on a busy machine too.
START_S = 120.0
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
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

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

    def settle(self, symbol: str, day: date, price: str) -> None:
        """Notes the settlement price of a day."""
        ticks = int(Decimal(price) / TICK)
        row = DailySettlement(
            symbol, day.isoformat(), ticks, "VWAP", ticks, 0, 0, 0, 0, "NONE", 0, self.clock.now()
        )
        self.application.base.database.run(lambda tx: settlement_store.add(tx, [row]))

    def issued(self) -> dict[str, int]:
        """Returns what there is of each asset; the core's books are right."""
        trading = next(
            one for one in self.application.servicers if isinstance(one, TradingServicer)
        )
        audit, _ = trading._matching.audit()
        assert all(one.is_right for one in audit)
        return {one.asset: one.issued for one in audit}


@contextlib.contextmanager
def exchange_on(node: Anvil, folder: Path, **given: Any) -> Iterator[World]:
    """Runs the exchange on a node, its registry deployed by an admin, its parties' wallets linked.

    The node makes blocks when it is told to.
    """
    folder.mkdir(exist_ok=True)
    key = folder / "operator.key"
    key.write_text(bytes(OPERATOR.key).hex())
    with exchange(folder, chain_url=node.url, chain_operator_key_file=key, **given) as world:
        deal = Deal(world.faces["grpc"], node.mine)
        deal.link_wallets()
        deal.call(
            "admin", "DeployContract", contract_name="ForwardRegistry", reason="the first one"
        )
        deal.until(lambda: deal.face.call("GetChainStatus").registry_address, "the registry")
        yield world


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
        with patch.object(process, "_READY_S", START_S):
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


def events_of(node: Anvil, deal: Deal, contract_id: str) -> list[str]:
    """Returns what the chain itself, asked without the exchange, holds of a contract."""
    chain = http_chain(node.url, chain_id=CHAIN_ID)
    registry = deal.face.call("GetChainStatus").registry_address
    try:
        events = map(announced, chain.logs([registry], 0, chain.head().number))
        return [event.name for event in events if event and event.reference == contract_id]
    finally:
        chain.close()
