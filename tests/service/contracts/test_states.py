"""Walks through the states of a contract with all that is open beside it, in the real use cases.

Each step is one that the use cases allow, chosen by a seed; after each, what must hold of money,
chain and matters is checked, and from wherever a walk got to there must be a way to an end.
"""

import os
import random
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from farmgate.api.contracts.v1 import (
    amendments_pb2,
    contract_terms_pb2,
    dispute_types_pb2,
    remedies_pb2,
    settlements_pb2,
)
from farmgate.blockchain.facade import State
from farmgate.blockchain.tables import chain_operations
from farmgate.contracts import matter_store, store
from farmgate.contracts.amending import Proposal
from farmgate.contracts.disputes import Claim
from farmgate.contracts.force_majeure import Event
from farmgate.contracts.prices import is_priced
from farmgate.contracts.remedies import Chosen
from farmgate.contracts.rules import least
from farmgate.contracts.signing import EOA, Signed
from farmgate.contracts.values import (
    ACTIVE,
    AMENDMENT,
    BUYER,
    CANCELLED,
    DISPUTE,
    ENDED,
    FORCE_MAJEURE,
    SELLER,
    WASHOUT,
)
from farmgate.errors import DomainError
from service.contracts.world import FUNDS_MINOR, World, held, mask, signed, terms

Act = Callable[[World], None]
SIDES = (("seller", SELLER), ("buyer", BUYER))
# A load of 944.29 bushels; two of them are enough for 1,900 at 2 % tolerance.
LOAD = "78980"
FUTURE = {
    "four days": datetime(2026, 6, 5, 13, tzinfo=UTC),
    "two weeks": datetime(2026, 6, 15, 12, tzinfo=UTC),
    "after the window": datetime(2026, 8, 7, 12, tzinfo=UTC),
    "time to choose": datetime(2026, 8, 22, 12, tzinfo=UTC),
    "void": datetime(2026, 9, 10, 12, tzinfo=UTC),
}


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


def actions() -> dict[str, Act]:
    """Returns what anybody may try in any state."""
    found: dict[str, Act] = {
        "submit": lambda w: _call(w, w.logic.negotiation.submit, "seller", 0),
        "sign seller": lambda w: w.sign(SELLER),
        "sign buyer": lambda w: w.sign(BUYER),
        "sign buyer, no money": _sign_without_money,
        "money": _give_money,
        "decline": lambda w: _call(w, w.logic.ending.decline, "buyer", "", 0),
        "withdraw": lambda w: _cancel(w, "seller", "WITHDRAWN"),
        "void by admin": lambda w: _cancel(w, "admin", "CHAIN_FAILURE"),
        "chain confirms": lambda w: w.chain(State.CONFIRMED),
        "chain refuses": _refuse,
        "reorganised": _reorganise,
        "deliver": _deliver,
        "price": lambda w: _call(w, w.logic.fixing.fix, "seller", 1, "1900", ""),
        "issue": _issue,
        "amend": _amend,
        "reject amendment": lambda w: _call(
            w, w.logic.amendments.reject, "buyer", w.matter(AMENDMENT), ""
        ),
        "dispute": _dispute,
        "answer": lambda w: _call(
            w, w.logic.disputes.answer, "seller", w.matter(DISPUTE), "not so", ()
        ),
        "withdraw dispute": lambda w: _call(
            w, w.logic.disputes.withdraw, "buyer", w.matter(DISPUTE)
        ),
        "review": lambda w: _call(
            w, w.logic.disputes.assign, "admin", w.matter(DISPUTE), w.people["second"], "named"
        ),
        "uphold": lambda w: _rule(w, dispute_types_pb2.RULING_OUTCOME_UPHELD, "10"),
        "turn down": lambda w: _rule(w, dispute_types_pb2.RULING_OUTCOME_REJECTED, ""),
        "force majeure": _notify,
        "end force majeure": lambda w: _call(
            w, w.logic.suspensions.end, "seller", w.matter(FORCE_MAJEURE)
        ),
        "contest": lambda w: _call(
            w, w.logic.suspensions.contest, "buyer", w.matter(FORCE_MAJEURE), "it was not"
        ),
        "default of seller": lambda w: _declare(w, "seller", SELLER),
        "default of buyer": lambda w: _declare(w, "buyer", BUYER),
        "late default": lambda w: _late(w, lambda: _declare(w, "buyer", SELLER)),
        "extend": lambda w: _choose(w, remedies_pb2.REMEDY_EXTEND),
        "buy in": lambda w: _choose(w, remedies_pb2.REMEDY_BUY_IN),
        "at market": lambda w: _choose(w, remedies_pb2.REMEDY_CANCEL_AT_MARKET),
        "washout": lambda w: _call(
            w, w.logic.remedies.propose_washout, "seller", "4.90", "", 0
        ),
        "accept washout": lambda w: _call(
            w, w.logic.remedies.accept_washout, "buyer", w.matter(WASHOUT)
        ),
        "cancel by force majeure": lambda w: _chosen(
            w, lambda: _cancel(w, "buyer", "FORCE_MAJEURE")
        ),
        "close by force majeure": lambda w: _chosen(
            w, lambda: _settle(w, "buyer", "FORCE_MAJEURE")
        ),
    }  # fmt: skip
    for name, _ in SIDES:
        found |= {
            f"cancel {name}": lambda w, name=name: _cancel(w, name, "MUTUAL"),
            f"settle {name}": lambda w, name=name: _settle(w, name, ""),
            f"settle short {name}": lambda w, name=name: _settle(w, name, "WASHOUT"),
            f"accept {name}": lambda w, name=name: _accept(w, name),
        }
    for side in (SELLER, BUYER):
        found[f"sign amendment {side}"] = lambda w, side=side: _sign_amendment(w, side)
    for name, when in FUTURE.items():
        found[name] = lambda w, when=when: _wait(w, when)
    return found


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
        is_priced(contract), tuple(sorted(world.matters().items())), _half_signed(world),
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
    assert len(ends) > 1


def _call(world: World, use: Any, who: str, *given: Any) -> Any:
    return world.call(use, world.actor(who), world.contract_id, *given)


def _cancel(world: World, who: str, reason: str) -> None:
    _call(world, world.logic.ending.cancel, who, reason, "", 0)


def _settle(world: World, who: str, reason: str) -> None:
    _call(world, world.logic.settlement.settle, who, reason, "", 0)


def _accept(world: World, who: str) -> None:
    found = store.statements_of(world.connection, world.contract_id)
    one = next(one for one in found if one.state == "ISSUED")
    _call(world, world.logic.settlement.accept, who, one.id, one.sha256)


def _sign_without_money(world: World) -> None:
    world.sign(BUYER)
    world.ledger.balances |= {1: 0, 2: 0, 3: 2 * FUNDS_MINOR}


def _give_money(world: World) -> None:
    if not world.ledger.balances.get(3):
        raise StopIteration
    world.ledger.balances |= {1: FUNDS_MINOR, 2: FUNDS_MINOR, 3: 0}
    world.clock.move(10)


def _deliver(world: World) -> None:
    if len(store.deliveries_of(world.connection, world.contract_id)) == 2:
        raise StopIteration
    world.deliver(LOAD)


def _refuse(world: World) -> None:
    if world.contract().chain_status != "PENDING":
        raise StopIteration
    world.chain(State.FAILED)


def _reorganise(world: World) -> None:
    if world.contract().chain_status != "CONFIRMED":
        raise StopIteration
    world.chain(State.BROADCAST)


def _issue(world: World) -> None:
    _call(world, world.logic.settlement.issue, "seller")


def _amend(world: World) -> None:
    if world.contract().version > 1:
        raise StopIteration
    stated = contract_terms_pb2.ContractTerms()
    stated.delivery.end = "2026-08-31"
    proposal = Proposal(amendments_pb2.AMENDMENT_KIND_WINDOW, stated, mask("delivery.end"))
    _call(world, world.logic.amendments.propose, "seller", proposal)


def _sign_amendment(world: World, side: int) -> None:
    name = "seller" if side == SELLER else "buyer"
    one = matter_store.matter(world.connection, world.matter(AMENDMENT))
    assert one is not None
    message = amendments_pb2.Amendment.FromString(one.document)
    given = Signed(0, message.digest, signed(side, message.typed_data_json), EOA)
    _call(world, world.logic.amendments.sign, name, one.id, given)


def _half_signed(world: World) -> int:
    for one in matter_store.open_matters(world.connection, world.contract_id):
        if one.kind == AMENDMENT:
            return len(amendments_pb2.Amendment.FromString(one.document).signatures)
    return 0


def _dispute(world: World) -> None:
    found = store.statements_of(world.connection, world.contract_id)
    statement = next((one.id for one in found if one.state == "ISSUED"), "")
    claim = Claim(dispute_types_pb2.DISPUTE_SUBJECT_QUALITY, "10", "too wet", (), statement)
    if len(found) > 2:
        raise StopIteration
    _call(world, world.logic.disputes.open, "buyer", claim)


def _rule(world: World, outcome: int, amount: str) -> None:
    _call(
        world, world.logic.disputes.rule, "admin", world.matter(DISPUTE), outcome, amount, "ruled"
    )


def _notify(world: World) -> None:
    _call(world, world.logic.suspensions.notify, "seller", Event(5, "2026-05-30", "a strike", ()))


def _declare(world: World, who: str, side: int) -> None:
    declared = remedies_pb2.DeclareDefaultRequest(
        contract_id=world.contract_id, defaulting_party=side, text="can not"  # type: ignore[arg-type]
    )  # fmt: skip
    _call(world, world.logic.remedies.declare, who, declared)


def _late(world: World, act: Callable[[], None]) -> None:
    if world.clock.now() < FUTURE["after the window"]:
        raise StopIteration
    act()


def _chosen(world: World, act: Callable[[], None]) -> None:
    if world.clock.now() < FUTURE["time to choose"]:
        raise StopIteration
    act()


def _choose(world: World, remedy: int) -> None:
    evidence = (dispute_types_pb2.Evidence(sha256="ab" * 32),)
    who = "seller" if _defaulting(world) == BUYER else "buyer"
    chosen_ = Chosen(remedy, "4.90", evidence, "2026-08-31", 0)
    _call(world, world.logic.remedies.choose, who, chosen_)


def _defaulting(world: World) -> int:
    one = matter_store.matter(world.connection, world.matter("DEFAULT"))
    assert one is not None
    return int(remedies_pb2.DeclareDefaultRequest.FromString(one.document).defaulting_party)


def _wait(world: World, when: datetime) -> None:
    if when <= world.clock.now():
        raise StopIteration
    world.clock.move((when - world.clock.now()).total_seconds())
    world.tick()
