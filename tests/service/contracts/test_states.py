"""Walks through the states of a contract with all that is open beside it, in the real use cases.

Each step is one that the use cases allow, chosen by a seed; after each, what must hold of money,
chain and matters is checked, and from wherever a walk got to there must be a way to an end.
"""

import os
import random
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from farmgate.api.contracts.v1 import (
    settlements_pb2,
)
from farmgate.blockchain.tables import chain_operations
from farmgate.contracts import store
from farmgate.contracts.prices import is_priced
from farmgate.contracts.rules import least
from farmgate.contracts.values import (
    ACTIVE,
    CANCELLED,
    ENDED,
)
from farmgate.errors import DomainError
from service.contracts.moves import actions, half_signed
from service.contracts.world import FUNDS_MINOR, World, held, terms

STEPS = 28
STEPS_TO_AN_END = 60
# How often a step is put last: ends are rare, and time passes slowly, so that walks get far.
SELDOM = dict.fromkeys((
    "decline", "withdraw", "void by admin", "chain refuses", "cancel seller", "cancel buyer",
    "accept washout", "cancel by force majeure", "close by force majeure", "void",
    "after the window", "time to choose", "buy in", "settle short seller", "settle short buyer",
), 0.99) | {"four days": 0.97, "two weeks": 0.97}  # fmt: skip
# What is tried, in this order, to come to an end.
TO_AN_END = (
    "money", "chain confirms", "turn down", "withdraw dispute", "reject amendment",
    "end force majeure", "price", "issue", "accept seller", "accept buyer", "buy in",
    "settle seller", "settle buyer", "settle short seller", "settle short buyer", "cancel seller",
    "cancel buyer", "withdraw", "decline", "void by admin", "four days", "two weeks",
    "after the window", "time to choose", "void",
)  # fmt: skip


def shape(world: World) -> tuple[Any, ...]:
    """Returns what tells a state from another one."""
    contract = world.contract()
    statements = store.statements_of(world.connection, contract.id)
    needed = least(Decimal(contract.quantity), Decimal(2))
    loads = 0 if not contract.delivered else 2 if contract.delivered >= needed else 1
    signers = len(store.signatures_of(world.connection, contract.id, contract.version))
    return (
        contract.state, signers, contract.chain_status, contract.version > 1,
        bool(contract.seller_held_minor), bool(contract.buyer_held_minor), loads,
        is_priced(contract), tuple(sorted(world.matters().items())), half_signed(world),
        tuple(sorted((one.state, one.agreed) for one in statements if one.state != "VOID")),
        contract.settle_agreed, contract.cancel_agreed, contract.is_closed_short,
        tuple(sorted(moving(world))),
    )  # fmt: skip


def moving(world: World) -> set[str]:
    """Returns the kinds of money that is on its way."""
    found = store.transfers_of(world.connection, world.contract_id)
    return {one.kind for one in found if one.state in {"QUEUED", "TAKEN"}}


def check(world: World) -> None:
    """Checks what must hold in every state."""
    contract = world.contract()
    connection = world.connection
    assert world.total() == 2 * FUNDS_MINOR, "Money neither comes nor goes."
    for one in store.statements_of(connection, contract.id):
        document = settlements_pb2.SettlementStatement.FromString(one.document)
        lines = sum((Decimal(line.amount) for line in document.lines), start=Decimal(0))
        assert lines == Decimal(document.net) == Decimal(one.net_minor) / 10_000
    if contract.state == ACTIVE:
        assert len(store.signatures_of(connection, contract.id, contract.version)) == 2
        assert contract.chain_status in {"CONFIRMED", "PENDING", "FAILED"}
        if not contract.outcome:
            assert contract.seller_held_minor >= contract.seller_deposit_minor
            assert contract.buyer_held_minor >= contract.buyer_deposit_minor
    if contract.state not in ENDED:
        return
    assert not world.matters(), "Nothing is open beside a contract that ended."
    if not moving(world):
        assert held(world) == 0, "Nothing is held for a contract that ended."
        assert contract.seller_held_minor == contract.buyer_held_minor == 0
    states = {one.state for one in store.deliveries_of(connection, contract.id)}
    assert states <= {"APPLIED", "REJECTED", "VOID"}
    if contract.state == CANCELLED:
        assert contract.delivered == 0
        assert contract.cancel_reason
        return
    statements = store.statements_of(connection, contract.id)
    assert {one.state for one in statements} <= {"PAID", "VOID"}, statements
    assert any(one.state == "PAID" for one in statements)
    assert contract.delivered > 0
    assert is_priced(contract)
    is_short = contract.delivered < least(Decimal(contract.quantity), Decimal(2))
    assert contract.is_closed_short == is_short


def check_chain(world: World) -> None:
    """Checks that nothing was asked of the chain twice."""
    counted = select(chain_operations.c.kind, func.count()).group_by(
        chain_operations.c.kind, chain_operations.c.reference, chain_operations.c.version
    )
    kinds = [kind for kind, count in world.connection.execute(counted) if count == 1]
    ends = [kind for kind in kinds if kind in {"SETTLE", "CANCEL"}]
    assert len(ends) <= 1


class Walker:
    """Takes steps that are allowed, in any order, and checks what must hold after each."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.tried = actions()
        self.shapes: set[Any] = set()
        self.path: list[str] = []

    def step(self, names: list[str]) -> bool:
        """Takes the first of some steps that is allowed and changes something."""
        before = shape(self.world)
        for name in names:
            with self.world.keeping() as kept:
                try:
                    self.tried[name](self.world)
                    self.world.tick()
                except (DomainError, StopIteration):
                    continue
                after = shape(self.world)
                if after == before:
                    continue
                kept()
            assert before[0] not in ENDED or before[0] == after[0], f"{name} leads out of an end"
            self.path.append(name)
            self.shapes.add(after)
            check(self.world)
            check_chain(self.world)
            return True
        return False

    def walk(self, count: int) -> None:
        for _ in range(count):
            names = sorted(self.tried)
            self.random.shuffle(names)
            # Ends are rare, so that most walks get far.
            names.sort(key=lambda name: self.random.random() < SELDOM.get(name, 0))
            if not self.step(names):
                return

    def finish(self) -> None:
        """Goes to an end, of which there must be one from everywhere."""
        for _ in range(STEPS_TO_AN_END):
            if self.world.contract().state in ENDED and not moving(self.world):
                return
            if not self.step(list(TO_AN_END)):
                break
        assert self.world.contract().state in ENDED, "There is no end from here."


def walked(world: World, seed: int, shapes: set[Any], ends: dict[str, int]) -> None:
    """Takes one walk, and notes where it came by and how it ended."""
    with world.rewinding():
        world.draft()
        walker = Walker(world, seed)
        try:
            walker.walk(STEPS)
            walker.finish()
        except Exception as error:
            error.add_note(f"seed {seed}: {' > '.join(walker.path)}")
            raise
        contract = world.contract()
        ends[contract.cancel_reason or contract.state] += 1
        shapes |= walker.shapes


def test_every_walk_is_sound_and_has_an_end(tmp_path: Path) -> None:
    """CON-080, CON-081: of the composite machine; STATES_SEED and STATES_WALKS choose others."""
    seed = int(os.environ.get("STATES_SEED", "20260101"))
    walks = int(os.environ.get("STATES_WALKS", "8"))
    stated = terms(
        basis="-0.20", type=2, reference_series="CORN-U26", pricing_deadline="2026-07-31"
    )  # type: ignore[arg-type] # A number of an enum.
    shapes: set[Any] = set()
    ends: dict[str, int] = defaultdict(int)
    with closing(World(tmp_path, stated)) as world:
        for number in range(walks):
            walked(world, seed + number, shapes, ends)
    print(f"{walks} walks of seed {seed}: {len(shapes)} states, ends {dict(sorted(ends.items()))}")
    assert len(shapes) > walks
