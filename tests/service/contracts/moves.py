"""What anybody may try to do with a contract, on the real use cases."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from farmgate.api.contracts.v1 import (
    amendments_pb2,
    contract_terms_pb2,
    dispute_types_pb2,
    remedies_pb2,
)
from farmgate.blockchain.facade import State
from farmgate.contracts import matter_store, store
from farmgate.contracts.amending import Proposal
from farmgate.contracts.disputes import Claim
from farmgate.contracts.force_majeure import Event
from farmgate.contracts.remedies import Chosen
from farmgate.contracts.signing import EOA, Signed
from farmgate.contracts.values import (
    AMENDMENT,
    BUYER,
    DISPUTE,
    FORCE_MAJEURE,
    SELLER,
    WASHOUT,
)
from service.contracts.world import FUNDS_MINOR, World, mask, signed

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
    }  # fmt: skip
    return found | _ends() | _of_both()


def _ends() -> dict[str, Act]:
    return {
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


def _of_both() -> dict[str, Act]:
    found: dict[str, Act] = {}
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


def half_signed(world: World) -> int:
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
