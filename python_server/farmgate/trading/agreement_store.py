"""Rows of reviews that were asked for and of blocks that were reported."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from farmgate.trading.tables import block_reports, trade_reviews


def review_of(connection: Connection, trade_id: int, user_id: str) -> Row[Any] | None:
    """Returns the review that somebody asked for already."""
    table = trade_reviews.c
    query = select(trade_reviews).where(table.trade_id == trade_id, table.requested_by == user_id)
    return connection.execute(query).first()


def add_review(connection: Connection, **values: Any) -> None:
    """Stores that a review was asked for."""
    connection.execute(insert(trade_reviews).values(**values))


def add_report(connection: Connection, **values: Any) -> None:
    """Stores a report of a block."""
    connection.execute(insert(block_reports).values(**values))


def report_to_meet(
    connection: Connection, *, now: datetime, instrument: int, price_ticks: int,
    quantity_lots: int, side: int, account: int, counterparty: int,
) -> Row[Any] | None:  # fmt: skip
    """Returns the oldest report of the other party that says the same and still holds."""
    table = block_reports.c
    query = select(block_reports).where(
        table.account == counterparty,
        table.counterparty == account,
        table.trade_id == 0,
        table.instrument == instrument,
        table.price_ticks == price_ticks,
        table.quantity_lots == quantity_lots,
        table.side != side,
        table.expires_at > now,
    )
    return connection.execute(query.order_by(table.id).limit(1)).first()


def meet(connection: Connection, report_id: str, trade_id: int) -> bool:
    """Stores the trade that a report became; false when it had become one before."""
    table = block_reports.c
    waiting = update(block_reports).where(table.id == report_id, table.trade_id == 0)
    return connection.execute(waiting.values(trade_id=trade_id)).rowcount == 1
