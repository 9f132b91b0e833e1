"""What every step of a contract does: who may, in which state, and what is told of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.contracts import matter_store, store
from farmgate.contracts.values import ACTIVE, BUYER, SELLER, Contract, ContractEvent, Signature
from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.users.facade import User, Users

STATE_NAMES: Final = {
    "DRAFT": "Draft", "PENDING_SIGNATURE": "PendingSignature", "SIGNED": "Signed",
    "ACTIVE": "Active", "SETTLED": "Settled", "CANCELLED": "Cancelled",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user, or the exchange itself with an empty ID."""

    user_id: str
    reaches_all: bool = False


SYSTEM: Final = Actor("", reaches_all=True)


@dataclass(frozen=True, slots=True)
class View:
    """A contract with its people, seller first, the signatures of its version, what is open."""

    contract: Contract
    people: tuple[User, User]
    signed: tuple[Signature, ...]
    open_kinds: frozenset[str] = frozenset()


class Steps:
    """Makes steps of contracts.

    Args:
        users: People.
        clock: Tells the time.
        ids: Names events.
    """

    def __init__(self, users: Users, clock: Clock, ids: Ids) -> None:
        self.users = users
        self.clock = clock
        self.ids = ids

    def found(self, connection: Connection, contract_id: str, actor: Actor) -> Contract:
        """Returns a contract that the actor reaches.

        Raises:
            DomainError: NOT_A_PARTY, also when there is none.
        """
        contract = store.contract(connection, contract_id)
        if contract is None or not (actor.reaches_all or contract.party(actor.user_id)):
            raise DomainError("NOT_A_PARTY")
        return contract

    def own(
        self, connection: Connection, contract_id: str, actor: Actor, action: str,
        states: Collection[str], expected: int = 0,
    ) -> tuple[Contract, int]:  # fmt: skip
        """Returns a contract of the actor in one of some states, and the actor's side.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE or VERSION_CONFLICT.
        """
        contract = self.found(connection, contract_id, actor)
        require(contract, action, states)
        if expected not in {0, contract.version}:
            raise DomainError("VERSION_CONFLICT", actual=contract.version, expected=expected)
        return contract, contract.party(actor.user_id)

    def step(
        self, connection: Connection, contract: Contract, type_: str, actor: Actor, *,
        detail: Mapping[str, Any] | None = None, tells: Collection[int] = (SELLER, BUYER),
        **changes: Any,
    ) -> Contract:  # fmt: skip
        """Stores changes of a contract with their event, and tells the parties.

        Args:
            connection: The transaction.
            contract: The contract before.
            type_: Name of the event, such as "contract.signed".
            actor: Who does it.
            detail: What the event and its notifications mention.
            tells: Which sides are notified.
            changes: New values of fields.

        Returns:
            The contract after.
        """
        now = self.clock.now()
        after = replace(contract, revision=contract.revision + 1, updated_at=now, **changes)
        store.replace_contract(connection, after)
        self.note(connection, after, type_, actor, now, detail or {}, tells)
        return after

    def note(
        self, connection: Connection, contract: Contract, type_: str, actor: Actor, now: datetime,
        detail: Mapping[str, Any], tells: Collection[int],
    ) -> None:  # fmt: skip
        """Stores an event of a contract and tells the parties."""
        event = ContractEvent(
            0, self.ids.ulid(), contract.id, contract.version, type_, contract.state,
            actor.user_id, contract.party(actor.user_id), text_of(detail),
            contract.transaction_hash, now,
        )  # fmt: skip
        store.add_event(connection, event)
        for side, user_id in zip((SELLER, BUYER), contract.party_ids, strict=True):
            if side not in tells:
                continue
            other = contract.party_ids[1 if side == SELLER else 0]
            data = {
                "contract_id": contract.id,
                "number": contract.label,
                "counterparty": self._name(connection, other),
                **detail,
            }
            about = f"{contract.id}/{contract.revision}/{event.id}"
            announce(connection, Announcement(type_, now, user_id=user_id, about=about, data=data))

    def view(self, connection: Connection, contract: Contract) -> View:
        """Returns a contract as people see it."""
        seller, buyer = (self.user(connection, user_id) for user_id in contract.party_ids)
        signed = store.signatures_of(connection, contract.id, contract.version)
        is_open = contract.state == ACTIVE
        kinds = matter_store.open_matters(connection, contract.id) if is_open else ()
        return View(contract, (seller, buyer), tuple(signed), frozenset(one.kind for one in kinds))

    def user(self, connection: Connection, user_id: str) -> User:
        """Returns a user who is known to exist."""
        user = self.users.by_id(connection, user_id)
        assert user is not None, "Parties are kept."
        return user

    def _name(self, connection: Connection, user_id: str) -> str:
        return self.user(connection, user_id).display_name


def require(contract: Contract, action: str, states: Collection[str]) -> None:
    """Refuses an action outside some states.

    Raises:
        DomainError: CONTRACT_STATE.
    """
    if contract.state not in states:
        allowed = ", ".join(STATE_NAMES[state] for state in states)
        raise DomainError(
            "CONTRACT_STATE", state=STATE_NAMES[contract.state], action=action, allowed=allowed
        )


def other(party: int) -> int:
    """Returns the other side."""
    return BUYER if party == SELLER else SELLER
