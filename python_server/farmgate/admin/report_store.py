"""Queries of reports, and of the figures that they tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Row,
    Select,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)

from farmgate.admin.tables import reports
from farmgate.api.types.v1 import types_pb2
from farmgate.trading.tables import STATUS_BUSTED, trades
from farmgate.users.tables import accounts, kyc_cases, organizations, users

_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Report:
    """A report without its file; kind and format are numbers of the API's enums."""

    id: str
    kind: int
    format: int
    state: str
    from_date: str
    to_date: str
    symbol: str
    size_bytes: int
    sha256: str
    failure: str
    requested_by: str
    created_at: datetime
    expires_at: datetime


_table = reports.c
_COLUMNS: tuple[Column[Any], ...] = (
    _table.id, _table.kind, _table.format, _table.state, _table.from_date, _table.to_date,
    _table.symbol, _table.size_bytes, _table.sha256, _table.failure, _table.requested_by,
    _table.created_at, _table.expires_at,
)  # fmt: skip


def add(connection: Connection, one: Report) -> None:
    """Stores a report that is to be made."""
    values = {column.name: getattr(one, column.name) for column in _COLUMNS}
    connection.execute(insert(reports).values(**values))


def report(connection: Connection, report_id: str) -> Report | None:
    """Returns a report, or None."""
    row = connection.execute(select(*_COLUMNS).where(_table.id == report_id)).first()
    return None if row is None else _report(row)


def page(connection: Connection, *, kind: int, before: str, limit: int) -> list[Report]:
    """Returns reports of a kind, the newest first; all kinds for 0."""
    query = select(*_COLUMNS)
    if kind:
        query = query.where(_table.kind == kind)
    if before:
        query = query.where(_table.id < before)
    rows = connection.execute(query.order_by(_table.id.desc()).limit(limit))
    return [_report(row) for row in rows]


def begin(connection: Connection, report_id: str) -> Report | None:
    """Returns a report that is to be made, and says that it is being; None for another."""
    row = connection.execute(
        update(reports)
        .where(_table.id == report_id, _table.state.in_(("QUEUED", "RUNNING")))
        .values(state="RUNNING")
        .returning(*_COLUMNS)
    ).first()
    return None if row is None else _report(row)


def fail(connection: Connection, report_id: str, why: str) -> None:
    """Says that a report could not be made."""
    connection.execute(
        update(reports).where(_table.id == report_id).values(state="FAILED", failure=why)
    )


def finish(connection: Connection, report_id: str, data: bytes, sha256: str) -> None:
    """Stores the file of a report."""
    connection.execute(
        update(reports)
        .where(_table.id == report_id, _table.state == "RUNNING")
        .values(state="READY", size_bytes=len(data), sha256=sha256, content=data)
    )


def content(connection: Connection, report_id: str) -> bytes | None:
    """Returns the file of a report, or None."""
    return connection.execute(select(_table.content).where(_table.id == report_id)).scalar()


def purge(connection: Connection, now: datetime) -> None:
    """Deletes files whose time is over; that they were asked for stays."""
    connection.execute(
        update(reports)
        .where(_table.expires_at <= now, _table.state == "READY")
        .values(state="EXPIRED", content=None)
    )


def volumes(connection: Connection, since_ns: int, until_ns: int) -> list[Row[Any]]:
    """Returns trades, lots, value in ticks and fees by day and instrument, and of whom."""
    table = trades.c
    day = (table.trade_time_ns // _DAY_NS).label("day")
    query = (
        select(
            day,
            table.instrument,
            func.count().label("trades"),
            func.sum(table.quantity_lots).label("lots"),
            func.sum(table.quantity_lots * table.price_ticks).label("ticks"),
            func.sum(table.maker_fee_minor).label("maker_fees"),
            func.sum(table.taker_fee_minor).label("taker_fees"),
        )
        .where(*_standing(since_ns, until_ns))
        .group_by(day, table.instrument)
        .order_by(day, table.instrument)
    )
    return list(connection.execute(query))


def shares(connection: Connection, since_ns: int, until_ns: int) -> list[Row[Any]]:
    """Returns what each account bought and sold of each instrument, in lots."""
    table = trades.c
    sides: list[Select[Any]] = []
    for mine, is_taker in (("taker_account", True), ("maker_account", False)):
        buys = table.aggressor == (types_pb2.SIDE_BUY if is_taker else types_pb2.SIDE_SELL)
        zero = cast(literal(0), BigInteger)
        sides.append(
            select(
                table[mine].label("account"),
                table.instrument,
                case((buys, table.quantity_lots), else_=zero).label("bought"),
                case((buys, zero), else_=table.quantity_lots).label("sold"),
            ).where(*_standing(since_ns, until_ns))
        )
    both = union_all(*sides).subquery().c
    query = (
        select(
            both.account,
            both.instrument,
            func.sum(both.bought).label("bought"),
            func.sum(both.sold).label("sold"),
        )
        .group_by(both.account, both.instrument)
        .order_by(both.instrument, both.account)
    )
    return list(connection.execute(query))


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an account is."""

    user_id: str
    name: str
    organization: str


def owners(connection: Connection, numbers: Sequence[int]) -> dict[int, Owner]:
    """Returns whose accounts are; the exchange's own are left out."""
    found: dict[int, Owner] = {}
    for first in range(0, len(numbers), _IN_MAX):
        query = (
            select(accounts.c.engine_number, users.c.id, users.c.display_name, organizations.c.name)
            .select_from(
                accounts.join(users, users.c.id == accounts.c.user_id).outerjoin(
                    organizations, organizations.c.id == users.c.organization_id
                )
            )
            .where(accounts.c.engine_number.in_(numbers[first : first + _IN_MAX]))
        )
        for row in connection.execute(query):
            found[row.engine_number] = Owner(row.id, row.display_name, row.name or "")
    return found


# Parameters of one query.
_IN_MAX: Final = 10_000


def cases(connection: Connection, since: datetime, until: datetime) -> list[Row[Any]]:
    """Returns KYC cases that were handed in or decided within a time, the oldest first."""
    table = kyc_cases.c
    handed_in = (table.submitted_at >= since) & (table.submitted_at < until)
    decided = (table.decided_at >= since) & (table.decided_at < until)
    query = select(
        table.id, table.user_id, table.target_level, table.status, table.attempts,
        table.risk_score, table.submitted_at, table.decided_at, table.expires_at,
    )  # fmt: skip
    return list(connection.execute(query.where(handed_in | decided).order_by(table.id)))


def _standing(since_ns: int, until_ns: int) -> tuple[Any, ...]:
    table = trades.c
    return (
        table.trade_time_ns >= since_ns,
        table.trade_time_ns < until_ns,
        table.status != STATUS_BUSTED,
    )


def _report(row: Row[Any]) -> Report:
    return Report(**{column.name: getattr(row, column.name) for column in _COLUMNS})
