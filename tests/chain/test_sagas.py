"""kill -9 of the whole exchange at every step boundary of its sagas: FWD-030.

The process that serves dies, killed by its own hand, after each transaction of the database, each
command of the core and each message to the chain in turn, and the next life goes on. Who calls
meanwhile repeats the call under its key, as clients do.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from farmgate.api.contracts.v1 import contract_types_pb2 as types
from scenarios.deal import LOADS, Deal
from scenarios.faces import Grpc, RefusedError, method

PROGRAM = Path(__file__).with_name("mortal.py")
SIGKILLED = -signal.SIGKILL
LIVES_MAX = 150


class Exchange:
    """An exchange that dies after a number of deeds, again and again.

    Attributes:
        deeds: After how many deeds a life ends; 0 for never.
        deaths: After which deeds it died, in order.
    """

    def __init__(self, folder: Path, parent: "subprocess.Popen[str]") -> None:
        self.folder = folder
        self.deeds = 0
        self.deaths: list[str] = []
        self._parent = parent
        self._life = 0
        self._pid = 0
        self._begun_s = time.monotonic()
        self._channel: grpc.Channel | None = None

    def begin(self) -> None:
        """Begins a life, and those after it if it ends before it serves."""
        while True:
            self._order(life=self._life, deeds=self.deeds, known=self.deaths)
            self._life += 1
            told = self._told()
            self._pid = told["pid"]
            told = self._told()
            if "port" in told:
                self._channel = grpc.insecure_channel(f"127.0.0.1:{told['port']}")
                return
            self._note(told)

    def next(self) -> None:
        """Waits for the death of a life that was to die, and begins the next."""
        self._close()
        self._note(self._told())
        self.begin()

    def end(self) -> None:
        """Ends a life that is not to die by itself."""
        self._close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            told = self._told()
            if "deed" in told:
                # It came to the end of its own life just then.
                self.deaths.append(told["deed"])
                told = self._told()
            assert told == {"died": SIGKILLED}
            self._pid = 0

    def inspect(self) -> dict[str, Any]:
        """Returns what the chain and the core hold."""
        self._order()
        self._told()
        found = self._told()
        assert self._told() == {"died": 0}
        return found

    def face(self) -> Grpc:
        """Returns the face of this life."""
        assert self._channel
        return Grpc(self._channel)

    def _note(self, told: dict[str, Any]) -> None:
        assert "deed" in told, told
        self.deaths.append(told["deed"])
        print(f"{time.monotonic() - self._begun_s:5.1f} s {told['deed']}", flush=True)
        assert len(self.deaths) < LIVES_MAX, "It makes no headway."
        assert self._told() == {"died": SIGKILLED}

    def _order(self, **order: Any) -> None:
        assert self._parent.stdin
        self._parent.stdin.write(json.dumps({"folder": str(self.folder), **order}) + "\n")
        self._parent.stdin.flush()

    def _told(self) -> dict[str, Any]:
        assert self._parent.stdout
        line = self._parent.stdout.readline()
        assert line, "It ended."
        told: dict[str, Any] = json.loads(line)
        return told

    def _close(self) -> None:
        if self._channel:
            self._channel.close()
            self._channel = None


class Stubborn(Deal):
    """Parties who repeat a call under its key until somebody answers."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        super().__init__(exchange.face())

    def call(self, side: str, name: str, key: str = "", /, **fields: Any) -> Any:
        """Calls a method as one of them."""
        key = key or (uuid.uuid4().hex if method(name).rule.mutates else "")
        while True:
            try:
                return self.face.call(name, self.tokens[side], key, **fields)
            except RefusedError as refusal:
                if refusal.reason in {"TOKEN_EXPIRED", "UNAUTHENTICATED"}:
                    self.sign_in()
                elif refusal.code == "UNAVAILABLE":
                    self.revive()
                elif refusal.code != "DEADLINE_EXCEEDED":
                    raise

    def sign_in(self) -> None:
        """Signs everybody in, in whatever life that may be."""
        while True:
            try:
                return super().sign_in()
            except RefusedError as refusal:
                if refusal.code != "UNAVAILABLE":
                    raise
                self.revive()

    def live_after(self, deeds: int) -> None:
        """Begins lives that end after so many deeds; never with 0."""
        self.exchange.deeds = deeds
        self.exchange.begin()
        self.face = self.exchange.face()

    def revive(self) -> None:
        """Goes on in the next life."""
        self.exchange.next()
        self.face = self.exchange.face()


@contextmanager
def exchange(folder: Path) -> Iterator[Exchange]:
    """Runs an exchange's lives."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=environment, text=True,
    ) as parent:  # fmt: skip
        made = Exchange(folder, parent)
        made.begin()
        try:
            yield made
        finally:
            with suppress(AssertionError, ProcessLookupError):
                made.end()
            parent.kill()


def assert_everywhere(deaths: list[str]) -> None:
    """It died after every kind of step; two at one instant count as one death."""
    # Two deposits, a payment, two returns: each taken from one account and given to another.
    assert sum(one.startswith("core.transfer") for one in deaths) == 10
    assert {one.partition(" ")[0] for one in deaths} >= {
        "blockchain.monitor.Monitor._keep", "blockchain.steps.Steps._change",
        "blockchain.steps.Steps._confirm", "blockchain.steps.Steps._sign", "chain.advance",
        "chain.send", "contracts.money.Mover._keep", "contracts.money.Mover._move",
        "contracts.performance.Performance.run", "contracts.settlement.Settlement.accept",
        "contracts.settlement.Settlement.issue", "contracts.settlement.Settlement.settle",
        "contracts.signing.Signing.sign",
    }  # fmt: skip
    assert len(deaths) > 40


@pytest.mark.soak
def test_killed_after_every_deed_it_registers_and_settles_once(tmp_path: Path) -> None:
    """FWD-030: one registration, one settlement, every amount moved once."""
    with exchange(tmp_path / "data") as world:
        deal = Stubborn(world)
        deal.link_wallets()
        name = deal.submitted().contract_id
        deal.sign("seller", name)
        before = {side: deal.cash(side) for side in ("seller", "buyer")}
        world.end()
        issued = world.inspect()["issued"]
        deal.live_after(1)
        deal.sign("buyer", name)
        deal.reaches(name, types.CONTRACT_STATE_ACTIVE)
        registered = len(world.deaths)
        world.end()

        deal.live_after(0)
        for load in LOADS:
            deal.accept(deal.deliver(name, load).delivery_id)
        world.end()
        deal.live_after(1)
        deal.state(name)
        for side in ("seller", "buyer"):
            deal.call(side, "SettleContract", contract_id=name)
        deal.reaches(name, types.CONTRACT_STATE_SETTLED)
        deal.until(lambda: deal.operations(name).get("SETTLE") == "CONFIRMED", "the end")
        deal.until(lambda: deal.cash("seller") - before["seller"] == 84_416_700, "the money")
        deal.until(lambda: before["buyer"] - deal.cash("buyer") == 84_416_700, "the money")
        assert deal.call("buyer", "VerifyContract", contract_id=name).verification.is_good
        print(f"{registered} deaths to registration, {len(world.deaths)} in all")
        world.end()
        assert_everywhere(world.deaths)
        found = world.inspect()
        assert found["events"] == [["Registered", name], ["Settled", name]]
        assert found["wrong"] == []
        assert found["issued"] == issued
        assert found["escrow"] == {}
