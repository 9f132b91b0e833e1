"""Table and queries of what operators need to know: each event once, whoever reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

operator_events: Final = Table(
    "operator_events",
    metadata,
    # The order in which they were told; streams resume after it.
    Column("sequence", BigKey, primary_key=True, autoincrement=False),
    Column("id", Ulid, nullable=False, unique=True),
    Column("type", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("about", String(128), nullable=False),
    Column("data", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "type", "about"),
    Index(None, "at"),
)


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """Something operators need to know; `data` is a JSON object."""

    sequence: int
    id: str
    type: str
    title: str
    about: str
    data: str
    at: datetime


def last_sequence(connection: Connection) -> int:
    """Returns the sequence of the newest event; 0 before the first."""
    return connection.execute(select(func.max(operator_events.c.sequence))).scalar() or 0


def sequence_at(connection: Connection, event_id: str) -> int:
    """Returns the sequence of an event, or that of the one made before it."""
    table = operator_events.c
    query = select(func.max(table.sequence)).where(table.id <= event_id)
    return connection.execute(query).scalar() or 0


def is_told(connection: Connection, type_: str, about: str, since: datetime) -> bool:
    """Returns whether the same was told since then."""
    table = operator_events.c
    query = select(table.id).where(table.type == type_, table.about == about, table.at > since)
    return connection.execute(query.limit(1)).first() is not None


def add(connection: Connection, event: OperatorEvent) -> None:
    """Stores an event."""
    connection.execute(
        insert(operator_events).values(
            {name: getattr(event, name) for name in OperatorEvent.__slots__}
        )
    )


def after(
    connection: Connection, types: Sequence[str], sequence: int, limit: int
) -> list[OperatorEvent]:
    """Returns events after a sequence, oldest first.

    Args:
        connection: The transaction.
        types: Types or categories; empty for all.
        sequence: After which.
        limit: At most so many.
    """
    table = operator_events.c
    query = select(operator_events).where(table.sequence > sequence)
    if types:
        wanted = [table.type == name for name in types]
        wanted += [table.type.startswith(f"{name}.", autoescape=True) for name in types]
        query = query.where(or_(*wanted))
    return [_event(row) for row in connection.execute(query.order_by(table.sequence).limit(limit))]


def purge(connection: Connection, before: datetime) -> int:
    """Removes what was told long ago; returns how many."""
    query = delete(operator_events).where(operator_events.c.at < before)
    return connection.execute(query).rowcount


def _event(row: Row[Any]) -> OperatorEvent:
    return OperatorEvent(**row._asdict())
