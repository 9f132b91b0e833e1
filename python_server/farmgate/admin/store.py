"""Queries of the operators."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from farmgate.admin.tables import approvals, public_announcements
from farmgate.db import audit
from farmgate.db.audit import Sealed, audit_log
from farmgate.trading.tables import orders, trades

_PAGE_ROWS: Final = 1_000
# New, partially filled, waiting for a trigger.
_STATUS_OPEN: Final = (1, 2, 7)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit rows are wanted; empty values do not matter.

    Attributes:
        action: Name of an RPC, or its full name.
        resource: Beginning of the resource, such as "user/".
    """

    actor: str = ""
    action: str = ""
    resource: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def where(self) -> list[Any]:
        """Returns the conditions."""
        table = audit_log.c
        found: list[Any] = []
        if self.actor:
            found.append(table.actor == self.actor)
        if self.action:
            name = self.action
            found.append(
                (table.action == name) | table.action.endswith(f"/{name}", autoescape=True)
            )
        if self.resource:
            found.append(table.resource.startswith(self.resource, autoescape=True))
        if self.since:
            found.append(table.at >= self.since)
        if self.until:
            found.append(table.at < self.until)
        return found


@dataclass(frozen=True, slots=True)
class PublicAnnouncement:
    """Something the exchange tells the public.

    Attributes:
        severity: 1 info, 2 warning, 3 critical.
        audience: Names of roles; empty for everybody.
    """

    id: str
    title: str
    body: str
    severity: int
    audience: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime | None
    version: int


def audit_page(
    connection: Connection, wanted: AuditFilter, *, before: int | None, limit: int
) -> list[Sealed]:
    """Returns audit rows, newest first."""
    query = select(audit_log).where(*wanted.where())
    if before is not None:
        query = query.where(audit_log.c.sequence < before)
    rows = connection.execute(query.order_by(audit_log.c.sequence.desc()).limit(limit))
    return [audit.sealed(row) for row in rows]


def audit_after(
    connection: Connection, wanted: AuditFilter, after: int, *, until: int = 0
) -> list[Sealed]:
    """Returns a page of audit rows after a sequence, oldest first."""
    table = audit_log.c
    query = select(audit_log).where(*wanted.where(), table.sequence > after)
    if until:
        query = query.where(table.sequence <= until)
    rows = connection.execute(query.order_by(table.sequence).limit(_PAGE_ROWS))
    return [audit.sealed(row) for row in rows]


def audit_from(connection: Connection, first: int, last: int) -> Iterator[Sealed]:
    """Returns the audit rows from one sequence to another, the one before the first included."""
    after = max(first - 2, 0)
    while page := audit_after(connection, AuditFilter(), after, until=last):
        yield from page
        after = page[-1].sequence


def trade_figures(
    connection: Connection, since_ns: int, until_ns: int
) -> list[tuple[int, int, int, int, int]]:
    """Returns instrument, trades, lots, ticks times lots, and fees, by instrument."""
    table = trades.c
    rows = connection.execute(
        select(
            table.instrument,
            func.count(),
            func.sum(table.quantity_lots),
            func.sum(table.quantity_lots * table.price_ticks),
            func.sum(table.maker_fee_minor + table.taker_fee_minor),
        )
        .where(table.trade_time_ns >= since_ns, table.trade_time_ns < until_ns)
        .group_by(table.instrument)
        .order_by(table.instrument)
    )
    return [(row[0], int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in rows]


def open_orders(connection: Connection) -> dict[int, int]:
    """Returns how many orders are open, by instrument."""
    table = orders.c
    rows = connection.execute(
        select(table.instrument, func.count())
        .where(table.status.in_(_STATUS_OPEN))
        .group_by(table.instrument)
    )
    return {row[0]: int(row[1]) for row in rows}


def order_count(connection: Connection, since_ns: int, until_ns: int) -> int:
    """Returns how many orders were entered."""
    table = orders.c
    query = select(func.count()).where(
        table.create_time_ns >= since_ns, table.create_time_ns < until_ns
    )
    return connection.execute(query).scalar() or 0


def announcement_page(
    connection: Connection, *, at: datetime | None, role: str, before: str, limit: int
) -> list[PublicAnnouncement]:
    """Returns announcements, newest first: those a role sees at a time, or all with None."""
    table = public_announcements.c
    query = select(public_announcements).where(table.deleted_at.is_(None))
    if at is not None:
        is_running = (table.starts_at <= at) & (table.ends_at.is_(None) | (table.ends_at > at))
        is_for_all = table.audience == ""
        words = f" {role} "
        mentions = (" " + table.audience + " ").contains(words, autoescape=True)
        query = query.where(is_running, (is_for_all | mentions) if role else is_for_all)
    if before:
        query = query.where(table.id < before)
    rows = connection.execute(query.order_by(table.id.desc()).limit(limit))
    return [_announcement(row) for row in rows]


def announcement(connection: Connection, announcement_id: str) -> PublicAnnouncement | None:
    """Returns an announcement."""
    table = public_announcements.c
    query = select(public_announcements).where(
        table.id == announcement_id, table.deleted_at.is_(None)
    )
    row = connection.execute(query).first()
    return None if row is None else _announcement(row)


def put_announcement(connection: Connection, one: PublicAnnouncement, *, is_new: bool) -> None:
    """Stores an announcement."""
    values = {name: getattr(one, name) for name in PublicAnnouncement.__slots__}
    values["audience"] = " ".join(one.audience)
    if is_new:
        connection.execute(insert(public_announcements).values(**values))
    else:
        connection.execute(
            update(public_announcements).where(public_announcements.c.id == one.id).values(**values)
        )


def delete_announcement(connection: Connection, announcement_id: str, at: datetime) -> None:
    """Marks an announcement as deleted."""
    connection.execute(
        update(public_announcements)
        .where(public_announcements.c.id == announcement_id)
        .values(deleted_at=at)
    )


def open_approval(
    connection: Connection, kind: str, resource: str, now: datetime
) -> Row[Any] | None:
    """Returns the request that waits for a second person."""
    table = approvals.c
    query = select(approvals).where(
        table.kind == kind,
        table.resource == resource,
        table.approved_by.is_(None),
        table.expires_at > now,
    )
    return connection.execute(query.order_by(table.id.desc()).limit(1)).first()


def add_approval(connection: Connection, **values: Any) -> None:
    """Stores a request for a second person's agreement."""
    connection.execute(insert(approvals).values(**values))


def approve(connection: Connection, approval_id: str, user_id: str) -> None:
    """Stores who agreed."""
    connection.execute(
        update(approvals).where(approvals.c.id == approval_id).values(approved_by=user_id)
    )


def _announcement(row: Row[Any]) -> PublicAnnouncement:
    return PublicAnnouncement(
        row.id, row.title, row.body, row.severity, tuple(row.audience.split()), row.starts_at,
        row.ends_at, row.version,
    )  # fmt: skip
