"""SQL of grades, discount schedules and places."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from farmgate.errors import DomainError
from farmgate.market.tables import discount_schedules, grades, locations


def grade_page(
    transaction: Connection, *, commodity: str, after: str, limit: int
) -> Sequence[Row[Any]]:
    """Returns grades by ID, after one."""
    query = select(grades).where(grades.c.id > after)
    if commodity:
        query = query.where(grades.c.commodity_code == commodity)
    return transaction.execute(query.order_by(grades.c.id).limit(limit)).all()


def schedule(transaction: Connection, schedule_id: str) -> Row[Any] | None:
    """Returns a discount schedule."""
    query = select(discount_schedules).where(discount_schedules.c.id == schedule_id)
    return transaction.execute(query).one_or_none()


def location_page(transaction: Connection, *, after: str, limit: int) -> Sequence[Row[Any]]:
    """Returns places by code, after one."""
    query = select(locations).where(locations.c.code > after)
    return transaction.execute(query.order_by(locations.c.code).limit(limit)).all()


def add_grades(transaction: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Adds grades; those that exist are kept."""
    _add_missing(transaction, grades, "id", rows)


def add_locations(transaction: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Adds places; those that exist are kept."""
    _add_missing(transaction, locations, "code", rows)


def add_schedule(transaction: Connection, row: dict[str, Any]) -> None:
    """Adds a schedule; the same one again changes nothing.

    Raises:
        DomainError: SCHEDULE_IMMUTABLE when another one has its ID: contracts may name it.
    """
    found = schedule(transaction, row["id"])
    if found is None:
        transaction.execute(discount_schedules.insert().values(**row))
    elif found._asdict() != row:
        raise DomainError("SCHEDULE_IMMUTABLE")


def _add_missing(
    transaction: Connection, table: Table, key: str, rows: Iterable[dict[str, Any]]
) -> None:
    known = set(transaction.scalars(select(table.c[key])))
    fresh = [row for row in rows if row[key] not in known]
    if fresh:
        transaction.execute(table.insert(), fresh)
