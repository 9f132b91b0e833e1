"""SQL of the market's descriptions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from farmgate.market.tables import commodities, instruments


def commodity(transaction: Connection, code: str) -> Row[Any] | None:
    """Returns a commodity."""
    query = select(commodities).where(commodities.c.code == code)
    return transaction.execute(query).one_or_none()


def commodity_page(
    transaction: Connection, *, category: str, after: str, limit: int
) -> Sequence[Row[Any]]:
    """Returns commodities by code, after a code."""
    query = select(commodities).where(commodities.c.code > after)
    if category:
        query = query.where(commodities.c.category == category)
    return transaction.execute(query.order_by(commodities.c.code).limit(limit)).all()


def descriptions(transaction: Connection) -> dict[str, Row[Any]]:
    """Returns the instruments' descriptions by symbol."""
    return {row.symbol: row for row in transaction.execute(select(instruments))}


def tick_sizes(transaction: Connection) -> dict[str, int]:
    """Returns the ticks of instruments, in millionths, by symbol."""
    query = select(instruments.c.symbol, instruments.c.tick_size_micro)
    return {row.symbol: row.tick_size_micro for row in transaction.execute(query)}


def calendar_codes(transaction: Connection) -> dict[int, str]:
    """Returns the calendars of instruments by their numbers."""
    query = select(instruments.c.number, instruments.c.calendar_code)
    return {row.number: row.calendar_code for row in transaction.execute(query)}


def add(
    transaction: Connection,
    commodity_rows: list[dict[str, Any]],
    instrument_rows: list[dict[str, Any]],
) -> None:
    """Adds descriptions; those that exist are kept."""
    known = set(transaction.scalars(select(commodities.c.code)))
    fresh = [row for row in commodity_rows if row["code"] not in known]
    if fresh:
        transaction.execute(commodities.insert(), fresh)
    listed = set(transaction.scalars(select(instruments.c.symbol)))
    new = [row for row in instrument_rows if row["symbol"] not in listed]
    if new:
        transaction.execute(instruments.insert(), new)
