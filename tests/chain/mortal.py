"""Lives of the exchange, each ended by SIGKILL after some deeds; `test_sagas.py` orders them.

Libraries are loaded once: each life is a fork of this process, which does nothing else. Orders and
what is told of them are JSON lines.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import coincurve

from farmgate.app import wire
from farmgate.app.parts import blockchain, contracts
from farmgate.app.secrets import operator_key
from farmgate.app.settings import load
from farmgate.blockchain.registry import announced
from farmgate.blockchain.typed_data import (
    address_of,
    checksummed,
    created_address,
    keccak256,
)
from farmgate.db.engine import Database
from farmgate.ports import chain_pyevm
from farmgate.ports.chain_embedded import EmbeddedChain
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import Matching
from farmgate.telemetry import logs

# What a dead process held is free at the next life: the work on the chain, and calls under way.
BETWEEN_LIVES_S = 91
FAST = {"_FIRST_S": 0.01, "_IDLE_S": 0.05, "_BUSY_S": 0.02}
SAGAS = ("farmgate.contracts.", "farmgate.blockchain.")
# Who works on the chain is no part of the sagas: it is free after a while.
# What a look at the chain notes is noted at the next look too.
LEASES = ("Pump.hold", "Pump.let_go", "Pump._note_alerts", "Monitor.look")
ESCROW_ID = b"farmgate escrow\x00"
assert chain_pyevm, "Loaded before the forks."


def say(**told: Any) -> None:
    """Tells who gives orders."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


class Fuse:
    """Kills this process after a number of deeds; with 0 never.

    Args:
        deeds: The number.
        known: Deeds after which earlier lives ended. One that is done again, as who does not know
            that it was done does, is none of this life.
    """

    def __init__(self, deeds: int, known: frozenset[str]) -> None:
        self.left = deeds
        self._known = known

    def burn(self, deed: str, *, is_repeatable: bool = False) -> None:
        """Counts a deed that is done."""
        if is_repeatable and deed in self._known:
            return
        self.left -= 1
        if self.left == 0:
            say(deed=deed)
            os.kill(os.getpid(), signal.SIGKILL)


def name_of(work: Callable[..., Any]) -> str:
    """Returns the name of a transaction of the sagas, or "" for any other."""
    work = getattr(work, "func", work)
    name: str = work.__qualname__
    if not work.__module__.startswith(SAGAS) or name.startswith(LEASES):
        return ""
    return f"{work.__module__.removeprefix('farmgate.')}.{name.partition('.<')[0]}"


def arm(fuse: Fuse) -> None:
    """Makes every deed in the world the last one, in its turn."""
    run, transfer = Database.run, Matching.transfer
    send, advance = EmbeddedChain.send, EmbeddedChain.advance

    def armed_run(self: Database, work: Any, *, is_write: bool = True) -> Any:
        found = run(self, work, is_write=is_write)
        if is_write and (name := name_of(work)):
            fuse.burn(name)
        return found

    async def armed_transfer(self: Matching, *given: Any) -> int:
        sequence = await transfer(self, *given)
        fuse.burn(f"core.transfer {given[3].decode(errors='replace')}", is_repeatable=True)
        return sequence

    def armed_send(self: EmbeddedChain, raw: str) -> None:
        send(self, raw)
        fuse.burn(f"chain.send {keccak256(bytes.fromhex(raw[2:])).hex()[:8]}", is_repeatable=True)

    def armed_advance(self: EmbeddedChain) -> None:
        advance(self)
        fuse.burn("chain.advance")

    Database.run = armed_run  # type: ignore[method-assign]
    Matching.transfer = armed_transfer  # type: ignore[method-assign]
    EmbeddedChain.send = armed_send  # type: ignore[method-assign]
    EmbeddedChain.advance = armed_advance  # type: ignore[method-assign]


async def live(folder: Path, life: int, fuse: Fuse) -> None:
    """Serves until the fuse is burnt down."""
    clock = FakeClock()
    clock.move(life * BETWEEN_LIVES_S)
    settings = load(
        environment={}, env_file=None, data_dir=folder, grpc_port=0, metrics_port=0, demo=True,
        demo_history=False, rate_user_per_min=1_000_000, rate_ip_per_min=1_000_000,
        rate_sign_ins_per_min=1_000_000,
    )  # fmt: skip
    arm(fuse)
    with patch.multiple(blockchain, **FAST), patch.object(contracts, "_TICK_S", 0.02):
        application = wire.build(settings, clock=clock)
    await application.start()
    say(port=application.grpc_port)
    await asyncio.Event().wait()


def inspect(folder: Path) -> None:
    """Tells what the chain and the core hold, asked of themselves."""
    settings = load(environment={}, env_file=None, data_dir=folder)
    operator = address_of(coincurve.PrivateKey(operator_key(settings)).public_key)
    chain = EmbeddedChain(folder / "chain", checksummed(operator))
    found = chain.logs([created_address(operator, 0)], 0, chain.head().number)
    events = [event for log in found if (event := announced(log))]
    core = Matching.open(settings.journal_dir)
    audit, _ = core.audit()
    escrow = core.account_number(ESCROW_ID)
    held = core.balances(escrow) if escrow is not None else []
    say(
        events=[[event.name, event.reference] for event in events],
        wrong=[one.asset for one in audit if not one.is_right],
        issued={one.asset: one.issued for one in audit},
        escrow={asset: total for asset, total, _ in held if total},
    )


def main() -> None:
    """Carries orders out, one after the other."""
    logs.configure(level="ERROR")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            folder = Path(order["folder"])
            if "deeds" in order:
                fuse = Fuse(order["deeds"], frozenset(order["known"]))
                asyncio.run(live(folder, order["life"], fuse))
            inspect(folder)
            os._exit(0)
        say(pid=child)
        _, status = os.waitpid(child, 0)
        say(died=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
