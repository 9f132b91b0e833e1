"""SQL of settlement prices."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select
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


def add(connection: Connection, rows: Sequence[DailySettlement]) -> None:
    """Adds settlements; a day that is settled stays as it is."""
    if not rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(daily_settlements).on_conflict_do_nothing()
    connection.execute(statement, [asdict(row) for row in rows])


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
