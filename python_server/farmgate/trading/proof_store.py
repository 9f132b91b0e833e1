"""Rows of proofs."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.trading.proof_tables import journal_days, journal_marks
from farmgate.trading.tables import trade_changes, trades

_DAY = journal_days.c


def newest_day(connection: Connection) -> Row[Any] | None:
    """Returns the day that was closed last."""
    query = select(journal_days).order_by(_DAY.date.desc()).limit(1)
    return connection.execute(query).one_or_none()


def day(connection: Connection, date: str) -> Row[Any] | None:
    """Returns a closed day."""
    return connection.execute(select(journal_days).where(_DAY.date == date)).one_or_none()


def day_before(connection: Connection, date: str) -> Row[Any] | None:
    """Returns the closed day before a date."""
    query = select(journal_days).where(_DAY.date < date).order_by(_DAY.date.desc()).limit(1)
    return connection.execute(query).one_or_none()


def days(connection: Connection) -> list[Row[Any]]:
    """Returns all closed days, the oldest first."""
    return list(connection.execute(select(journal_days).order_by(_DAY.date)))


def day_of(connection: Connection, sequence: int) -> Row[Any] | None:
    """Returns the closed day that a sequence is in."""
    query = select(journal_days).where(_DAY.first_sequence <= sequence)
    found = connection.execute(query.order_by(_DAY.first_sequence.desc()).limit(1)).one_or_none()
    return found if found is not None and sequence <= found.last_sequence else None


def insert_day(connection: Connection, values: Mapping[str, Any]) -> None:
    """Notes a day as closed."""
    connection.execute(journal_days.insert().values(**values))


def set_anchored(connection: Connection, date: str, previous_root: str) -> None:
    """Notes that an operation on the chain carries the root of a day."""
    values = {"is_anchored": True, "previous_root": previous_root}
    connection.execute(update(journal_days).where(_DAY.date == date).values(**values))


def mark_at(connection: Connection, sequence: int) -> bytes:
    """Returns the newest place at or before a sequence, b"" for the start of the journal."""
    query = select(journal_marks.c.place).where(journal_marks.c.sequence <= sequence)
    found: bytes | None = connection.execute(
        query.order_by(journal_marks.c.sequence.desc()).limit(1)
    ).scalar()
    return found or b""


def insert_mark(connection: Connection, sequence: int, place: bytes) -> None:
    """Keeps a place."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(journal_marks).values(sequence=sequence, place=place)
    connection.execute(statement.on_conflict_do_nothing())


def fills(connection: Connection, after: int, last_sequence: int, limit: int) -> list[list[int]]:
    """Returns trades as they were made, up to a sequence, in the order of the public journal.

    Each is trade ID, sequence, instrument, price, lots, maker's order, taker's order, aggressor
    and kind.
    """
    old = trade_changes.c
    query = (
        select(
            trades.c.trade_id, trades.c.sequence, trades.c.instrument, trades.c.price_ticks,
            trades.c.quantity_lots, trades.c.maker_order, trades.c.taker_order, trades.c.aggressor,
            trades.c.kind, old.old_price_ticks, old.old_quantity_lots,
        )
        .outerjoin(trade_changes, old.trade_id == trades.c.trade_id)
        .where(trades.c.trade_id > after, trades.c.sequence <= last_sequence)
        .order_by(trades.c.trade_id)
        .limit(limit)
    )  # fmt: skip
    return [
        [*row[:3], *(row[3:5] if row[9] is None else row[9:11]), *row[5:9]]
        for row in connection.execute(query)
    ]


def changes(connection: Connection, first_sequence: int, last_sequence: int) -> list[list[int]]:
    """Returns changes of trades: trade ID, sequence, new price and new lots."""
    row = trade_changes.c
    query = (
        select(row.trade_id, row.sequence, row.new_price_ticks, row.new_quantity_lots)
        .where(row.sequence.between(first_sequence, last_sequence))
        .order_by(row.sequence)
    )
    return [list(found) for found in connection.execute(query)]
