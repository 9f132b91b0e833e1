"""SQL of settlement prices."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.market.tables import daily_settlements


@dataclass(frozen=True, slots=True)
class DailySettlement:
    """The settlement of an instrument on a business day; prices in ticks."""

    symbol: str
    business_date: str
    settlement_ticks: int
    tier: str
    prior_ticks: int
    limit_low_ticks: int
    limit_high_ticks: int
    next_low_ticks: int
    next_high_ticks: int
    hit_limit: str
    open_interest: int
    settled_at: datetime
    # Sequence of the core at which the next day's limits are in force; 0 before.
    limits_sequence: int = 0


def add(connection: Connection, rows: Sequence[DailySettlement]) -> None:
    """Adds settlements; a day that is settled stays as it is."""
    if not rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(daily_settlements).on_conflict_do_nothing()
    connection.execute(statement, [asdict(row) for row in rows])


def put(connection: Connection, row: DailySettlement) -> None:
    """Adds a settlement, or puts it in the place of the one of its day."""
    table = daily_settlements.c
    where = (table.symbol == row.symbol) & (table.business_date == row.business_date)
    connection.execute(delete(daily_settlements).where(where))
    connection.execute(daily_settlements.insert().values(**asdict(row)))


def pending(connection: Connection) -> list[DailySettlement]:
    """Returns the newest settlements whose limits are not in force yet."""
    table = daily_settlements.c
    newest = (
        select(table.symbol, func.max(table.business_date).label("day"))
        .group_by(table.symbol)
        .subquery()
    )
    query = select(daily_settlements).join(
        newest, (table.symbol == newest.c.symbol) & (table.business_date == newest.c.day)
    )
    rows = connection.execute(query.where(table.limits_sequence == 0))
    return [_settlement(row) for row in rows]


def in_force(connection: Connection, symbol: str, day: str, sequence: int) -> None:
    """Notes that the limits after a settlement are in force."""
    table = daily_settlements.c
    query = update(daily_settlements).where(table.symbol == symbol, table.business_date == day)
    connection.execute(query.values(limits_sequence=sequence))


def last_days(connection: Connection) -> dict[str, str]:
    """Returns the last settled day of each symbol."""
    table = daily_settlements.c
    query = select(table.symbol, func.max(table.business_date)).group_by(table.symbol)
    return {symbol: day for symbol, day in connection.execute(query)}  # noqa: C416 - Typed so.


def one(connection: Connection, symbol: str, day: str) -> DailySettlement | None:
    """Returns the settlement of a day."""
    table = daily_settlements
    query = select(table).where(table.c.symbol == symbol, table.c.business_date == day)
    row = connection.execute(query).one_or_none()
    return _settlement(row) if row is not None else None


def before(connection: Connection, symbol: str, day: str, limit: int) -> list[DailySettlement]:
    """Returns the last settlements before a day, oldest first."""
    table = daily_settlements
    query = (
        select(table)
        .where(table.c.symbol == symbol, table.c.business_date < day)
        .order_by(table.c.business_date.desc())
        .limit(limit)
    )
    return [_settlement(row) for row in connection.execute(query)][::-1]


def since(connection: Connection, symbol: str, day: str) -> list[DailySettlement]:
    """Returns the settlements from a day on, oldest first."""
    table = daily_settlements
    query = select(table).where(table.c.symbol == symbol, table.c.business_date >= day)
    rows = connection.execute(query.order_by(table.c.business_date))
    return [_settlement(row) for row in rows]


def _settlement(row: Row[Any]) -> DailySettlement:
    return DailySettlement(**row._asdict())
