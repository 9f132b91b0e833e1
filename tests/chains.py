"""Chains for tests: the embedded one and anvil, and an exchange that works on either."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from eth_account import Account
from eth_account.messages import encode_typed_data
from sqlalchemy import Connection

from farmgate.blockchain.facade import (
    ChainOperations,
    ForwardContract,
    Operation,
    Payload,
    SigningDomain,
    State,
    registration,
    typed_data,
)
from farmgate.blockchain.pump import Pump
from farmgate.blockchain.steps import Policy
from farmgate.blockchain.values import deployment
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.ports.chain import Chain, Receipt
from farmgate.ports.chain_embedded import EmbeddedChain
from farmgate.ports.chain_web3 import http_chain
from farmgate.ports.clock import FakeClock
from farmgate.ports.ids import UlidSource

CHAIN_ID = 31337
OPERATOR = Account.from_key("0x" + "33" * 32)
SELLER = Account.from_key("0x" + "22" * 32)
BUYER = Account.from_key("0x" + "11" * 32)
GWEI = 10**9


class Anvil:
    """A node on loopback."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        reply = requests.post(
            self.url, body, headers={"Content-Type": "application/json"}, timeout=10
        )
        answer = reply.json()
        assert "error" not in answer, answer
        return answer.get("result")

    def mine(self, count: int = 1) -> None:
        self.ask("anvil_mine", hex(count))

    def stop_mining(self) -> None:
        """Keeps transactions waiting until a block is asked for."""
        self.ask("evm_setAutomine", False)  # noqa: FBT003 - The method's parameter.


@contextmanager
def anvil(port: int = 0, state: Path | None = None) -> Iterator[Anvil]:
    """Runs a node whose operator is rich.

    Args:
        port: Where it listens; 0 for any free port.
        state: A file from which it goes on, and in which it leaves what the next is to go on from.
    """
    if shutil.which("anvil") is None:
        pytest.skip("anvil is not installed: scripts/install-test-tools.")
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    command = ["anvil", "--host", "127.0.0.1", "--port", str(port), "--accounts", "1"]
    command += ["--state", str(state)] if state else []
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = process.stdout
    assert told
    rest = threading.Thread(target=told.read)
    try:
        for line in told:
            if "Listening on" in line:
                break
        # Read on, or it would stand still once the pipe is full.
        rest.start()
        node = Anvil(f"http://127.0.0.1:{port}")
        node.ask("anvil_setBalance", OPERATOR.address, hex(10**24))
        yield node
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        if rest.ident:
            rest.join()
        told.close()


@dataclass
class Exchange:
    """What works on a chain in a test; its parts can be made anew, as after a crash."""

    database: Database
    chain: Chain
    is_simulated: bool
    node: Anvil | None = None
    policy: Policy = field(default_factory=lambda: Policy(2, 200 * GWEI))
    clock: FakeClock = field(default_factory=FakeClock)
    steps: list[tuple[str, State]] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = UlidSource(self.clock)
        self.operations = ChainOperations(
            self.clock,
            self.ids,
            chain_id=CHAIN_ID,
            operator=OPERATOR.address,
            is_simulated=self.is_simulated,
        )
        self.operations.listen(lambda _tx, op: self.steps.append((op.kind, op.state)))
        self.restart()

    def restart(self, database: Any = None, chain: Any = None) -> None:
        """Goes on as another process would, once the work of the dead one is free."""
        self.clock.move(31)
        self.pump = Pump(
            database or self.database,
            lambda: chain or self.chain,
            chain_id=CHAIN_ID,
            clock=self.clock,
            ids=self.ids,
            tell=self.operations.tell,
            alert=lambda _tx, operation_id: self.alerts.append(operation_id),
            key=bytes(OPERATOR.key),
            policy=self.policy,
            is_simulated=self.is_simulated,
        )

    def run(self, ticks: int = 12) -> None:
        """Works until nothing waits; the node makes blocks meanwhile."""
        for _ in range(ticks):
            if not self.pump.tick():
                return
            if self.node:
                self.node.mine()

    def request(self, payload: Payload, **given: Any) -> Operation:
        return self.database.run(lambda tx: self.operations.request(tx, payload, **given))

    def domain(self) -> SigningDomain:
        return self.database.run(self.operations.signing_domain, is_write=False)

    def deploy(self) -> None:
        """Deploys the registry, as an admin of a real chain does."""
        self.request(deployment(OPERATOR.address), reference="ForwardRegistry")
        self.run()

    def contract(self, **given: Any) -> ForwardContract:
        values: dict[str, Any] = {
            "contract_id": self.ids.ulid(),
            "version": 1,
            "seller": SELLER.address,
            "buyer": BUYER.address,
            "commodity": "CORN US-2-YELLOW",
            "quantity": "5000 bu +/-2%",
            "price": "4.6125 USD/bu FIXED",
            "delivery_start": 1796083200,
            "delivery_end": 1798761599,
            "terms_hash": bytes(range(32)),
            "terms_cid": "bafkreif2cwbvqkfzxzmtcawodci3nefzzksgoiz6mnxyi7coicnytt66ny",
            "sign_by": 1795651200,
            **given,
        }
        return ForwardContract(**values)

    def registration(self, contract: ForwardContract) -> Payload:
        domain = self.domain()
        return registration(
            domain,
            contract,
            seller_signature=sign(SELLER, domain, contract),
            buyer_signature=sign(BUYER, domain, contract),
        )

    def register(self, **given: Any) -> Operation:
        contract = self.contract(**given)
        return self.request(self.registration(contract), reference=contract.contract_id)

    def now(self, operation: Operation) -> Operation:
        """Returns the operation as it is now."""

        def read(connection: Connection) -> Operation:
            found = self.operations.operation(
                connection, operation.kind, operation.reference, operation.version
            )
            assert found
            return found

        return self.database.run(read, is_write=False)

    def announced(self, reference: str) -> list[str]:
        events = self.database.run(
            lambda tx: self.operations.evidence(tx, reference), is_write=False
        )
        return [event.name for event in events]


def receipt_of(chain: Chain, transaction_hash: str) -> Receipt:
    """Returns the receipt of a transaction; a node makes its block a moment after it was sent."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        receipt = chain.receipt(transaction_hash)
        if receipt is not None:
            return receipt
        time.sleep(0.005)
    raise AssertionError("It got into no block.")


def sign(account: Any, domain: SigningDomain, contract: ForwardContract) -> bytes:
    message = encode_typed_data(full_message=typed_data(domain, contract))
    return bytes(account.sign_message(message).signature)


@contextmanager
def exchange(kind: str, folder: Path, **given: Any) -> Iterator[Exchange]:
    """An exchange on a new chain: "embedded" or "anvil"."""
    database = Database(f"sqlite:///{folder / 'exchange.db'}", threads=2)
    migrations.upgrade(database.engine)
    try:
        if kind == "embedded":
            chain = EmbeddedChain(folder / "chain", OPERATOR.address)
            yield Exchange(database, chain, is_simulated=True, **given)
            chain.close()
        else:
            with anvil() as node:
                chain = http_chain(node.url, chain_id=CHAIN_ID)
                made = Exchange(database, chain, is_simulated=False, node=node, **given)
                made.deploy()
                made.steps.clear()
                yield made
                chain.close()
    finally:
        database.close()
