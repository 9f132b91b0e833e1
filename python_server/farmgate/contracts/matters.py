"""What is open beside a contract, and what it keeps from happening."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import dispute_types_pb2, force_majeure_pb2
from farmgate.contracts import matter_store, store
from farmgate.contracts.rules import delivery_end
from farmgate.contracts.values import (
    AMENDMENT,
    DEFAULT,
    DISPUTE,
    FIRM_OFFER,
    FORCE_MAJEURE,
    WASHOUT,
    Contract,
    Matter,
)
from farmgate.db import configuration
from farmgate.errors import DomainError

# What becomes of a matter whose contract ends.
_AT_THE_END: Final = {
    AMENDMENT: "EXPIRED", DISPUTE: "WITHDRAWN", FORCE_MAJEURE: "ENDED", FIRM_OFFER: "CANCELLED",
    DEFAULT: "DONE", WASHOUT: "EXPIRED",
}  # fmt: skip
_REASONS: Final = {
    DISPUTE: "OPEN_DISPUTE", AMENDMENT: "OPEN_AMENDMENT", FORCE_MAJEURE: "FM_SUSPENDED",
}  # fmt: skip
_WORDS: Final = {DEFAULT: "in default", WASHOUT: "with a washout proposed"}


def refuse_while(
    connection: Connection, contract: Contract, action: str, kinds: Collection[str]
) -> None:
    """Refuses an action while something is open.

    Raises:
        DomainError: OPEN_DISPUTE, OPEN_AMENDMENT, FM_SUSPENDED or RESOURCE_STATE.
    """
    for one in matter_store.open_matters(connection, contract.id):
        if one.kind not in kinds:
            continue
        if one.kind in _REASONS:
            raise DomainError(_REASONS[one.kind])
        raise DomainError(
            "RESOURCE_STATE", resource="contract", id=contract.label, state=_WORDS[one.kind],
            action=action,
        )  # fmt: skip


def is_open(connection: Connection, contract: Contract, kind: str) -> bool:
    """Returns whether something of a kind is open."""
    return any(one.kind == kind for one in matter_store.open_matters(connection, contract.id))


def found(connection: Connection, contract_id: str, kind: str, matter_id: str) -> Matter:
    """Returns a matter of a contract.

    Raises:
        DomainError: NOT_FOUND.
    """
    one = matter_store.matter(connection, matter_id)
    if one is None or one.contract_id != contract_id or one.kind != kind:
        raise DomainError("NOT_FOUND", resource=_name(kind), id=matter_id)
    return one


def require(one: Matter, action: str, states: Collection[str]) -> None:
    """Refuses an action on a matter outside some states.

    Raises:
        DomainError: RESOURCE_STATE.
    """
    if one.state not in states:
        raise DomainError(
            "RESOURCE_STATE", resource=_name(one.kind), id=one.id, state=one.state.lower(),
            action=action,
        )  # fmt: skip


def change(
    connection: Connection, one: Matter, state: str, document: bytes | None = None,
    due_at: datetime | None = None,
) -> Matter:  # fmt: skip
    """Stores a matter in another state; what it waited for is forgotten unless it is given."""
    changed = replace(
        one, state=state, document=one.document if document is None else document, due_at=due_at,
        version=one.version + 1,
    )  # fmt: skip
    matter_store.put_matter(connection, changed)
    return changed


def clear(connection: Connection, contract: Contract) -> None:
    """Ends what is open beside a contract, and strikes loads that do not count."""
    end(connection, contract, _AT_THE_END.keys())
    for load in store.deliveries_of(connection, contract.id):
        if load.state not in {"APPLIED", "REJECTED", "VOID"}:
            struck = replace(load, state="VOID", accept_by=None, version=load.version + 1)
            store.put_delivery(connection, struck)


def end(connection: Connection, contract: Contract, kinds: Collection[str]) -> None:
    """Ends what is open of some kinds beside a contract."""
    for one in matter_store.open_matters(connection, contract.id):
        if one.kind in kinds:
            change(connection, one, _AT_THE_END[one.kind])


def last_day(connection: Connection, contract: Contract) -> datetime:
    """Returns when the window is over: its end, the grace, and the days it was suspended."""
    values = configuration.current(connection, contract.updated_at)
    days = 0
    for one in matter_store.matters_of(connection, contract.id, FORCE_MAJEURE):
        notice = force_majeure_pb2.ForceMajeureNotice.FromString(one.document)
        if notice.HasField("end_time"):
            length = notice.end_time.ToDatetime() - notice.notify_time.ToDatetime()
            days += -(-length // timedelta(days=1))
    return delivery_end(contract.delivery_end, values.integer("contracts.grace_days") + days)


def evidence_hash(evidence: Collection[dispute_types_pb2.Evidence]) -> bytes:
    """Returns what stands for evidence on the chain: of the first piece, zeros without one."""
    for one in evidence:
        return bytes.fromhex(one.sha256)
    return bytes(32)


def _name(kind: str) -> str:
    return kind.lower().replace("_", " ")
