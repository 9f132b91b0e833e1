"""What time brings to a suspended contract, and who may end it when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import force_majeure_pb2
from farmgate.contracts import matter_store
from farmgate.contracts.rules import business_days, delivery_end
from farmgate.contracts.values import FORCE_MAJEURE, Contract
from farmgate.errors import DomainError

NOTICE_DAYS: Final = 7
SUSPEND_DAYS: Final = 21
EXTEND_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a suspended contract may be ended by the other party, and when it is void."""

    choose_from: datetime
    choose_until: datetime
    void_at: datetime


def timetable(contract: Contract) -> Timetable:
    """Returns what time brings to a suspended contract."""
    agreed = contract.message().force_majeure
    waited = delivery_end(contract.delivery_end, agreed.suspend_days or SUSPEND_DAYS)
    void_at = waited + timedelta(days=agreed.extend_days or EXTEND_DAYS)
    return Timetable(waited, business_days(waited, 1), void_at)


def require_choice(connection: Connection, contract: Contract, party: int, now: datetime) -> None:
    """Refuses to end a suspended contract to who may not, or not now.

    Raises:
        DomainError: PERMISSION_DENIED or RESOURCE_STATE.
    """
    notices = [
        one for one in matter_store.open_matters(connection, contract.id)
        if one.kind == FORCE_MAJEURE
    ]  # fmt: skip
    if not notices:
        raise state(contract, "not suspended")
    notice = force_majeure_pb2.ForceMajeureNotice.FromString(notices[0].document)
    if notice.notified_by == party:
        raise DomainError("PERMISSION_DENIED")
    table = timetable(contract)
    if not table.choose_from <= now < table.choose_until:
        start, end = table.choose_from.isoformat(), table.choose_until.isoformat()
        raise state(contract, f"to be ended between {start} and {end} only")


def state(contract: Contract, is_: str) -> DomainError:
    """Returns the refusal by what a contract is."""
    return DomainError(
        "RESOURCE_STATE", resource="contract", id=contract.label, state=is_,
        action="this by force majeure",
    )  # fmt: skip
