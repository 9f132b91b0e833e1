"""Reads of history."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, func, or_, select, union_all

from farmgate.trading.tables import (
    KIND_BLOCK,
    STATUS_BUSTED,
    ledger_entries,
    orders,
    trade_changes,
    trades,
    watermarks,
)

SHARD: Final = 1
# Numbers of the kinds of movement that have no other side: deposit, withdrawal.
_FROM_OUTSIDE: Final = (1, 2)


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders a list shows; None and empty mean all."""

    account: int
    instrument: int | None = None
    side: int | None = None
    statuses: Collection[int] = ()


def watermark(transaction: Connection) -> int:
    """Returns the sequence that history has reached, 0 before the first."""
    query = select(watermarks.c.sequence).where(watermarks.c.shard == SHARD)
    return transaction.execute(query).scalar() or 0


def order(transaction: Connection, order_id: int) -> Row[Any] | None:
    """Returns one order."""
    return transaction.execute(select(orders).where(orders.c.order_id == order_id)).one_or_none()


def order_page(
    transaction: Connection, wanted: OrderFilter, *, before: int | None, limit: int
) -> list[Row[Any]]:
    """Returns orders, the newest first, older than `before`."""
    query = select(orders).where(orders.c.account == wanted.account)
    if wanted.instrument is not None:
        query = query.where(orders.c.instrument == wanted.instrument)
    if wanted.side:
        query = query.where(orders.c.side == wanted.side)
    if wanted.statuses:
        query = query.where(orders.c.status.in_(wanted.statuses))
    if before is not None:
        query = query.where(orders.c.order_id < before)
    return list(transaction.execute(query.order_by(orders.c.order_id.desc()).limit(limit)))


def trade_page(
    transaction: Connection,
    account: int,
    *,
    instrument: int | None,
    order_id: int | None,
    before: int | None,
    limit: int,
) -> list[Row[Any]]:
    """Returns trades of an account, the newest first, older than `before`."""

    def side(column: str, order_column: str) -> Select[Any]:
        query = select(trades).where(trades.c[column] == account)
        if instrument is not None:
            query = query.where(trades.c.instrument == instrument)
        if order_id:
            query = query.where(trades.c[order_column] == order_id)
        if before is not None:
            query = query.where(trades.c.trade_id < before)
        # Bounded on each side, so that both are answered from their index.
        return query.order_by(trades.c.trade_id.desc()).limit(limit)

    maker = side("maker_account", "maker_order").subquery()
    taker = side("taker_account", "taker_order").subquery()
    both = union_all(select(maker), select(taker)).subquery()
    query = select(both).distinct().order_by(both.c.trade_id.desc()).limit(limit)
    return list(transaction.execute(query))


def public_trade_page(
    transaction: Connection, instrument: int, *, before: int | None, limit: int
) -> list[Row[Any]]:
    """Returns trades of an instrument that stand, the newest first, older than `before`."""
    query = select(trades).where(
        trades.c.instrument == instrument, trades.c.status != STATUS_BUSTED
    )
    if before is not None:
        query = query.where(trades.c.trade_id < before)
    return list(transaction.execute(query.order_by(trades.c.trade_id.desc()).limit(limit)))


def trade(transaction: Connection, trade_id: int) -> Row[Any] | None:
    """Returns one trade."""
    return transaction.execute(select(trades).where(trades.c.trade_id == trade_id)).one_or_none()


def price_before(transaction: Connection, trade_id: int, instrument: int) -> int | None:
    """Returns the price of the trade that the book made before this one, in ticks."""
    query = select(trades.c.price_ticks).where(
        trades.c.instrument == instrument,
        trades.c.trade_id < trade_id,
        trades.c.status != STATUS_BUSTED,
        trades.c.kind != KIND_BLOCK,
    )
    return transaction.execute(query.order_by(trades.c.trade_id.desc()).limit(1)).scalar()


def trade_changes_of(transaction: Connection, trade_ids: Collection[int]) -> dict[int, Row[Any]]:
    """Returns what trades were before they were changed; those that were not are left out."""
    query = select(trade_changes).where(trade_changes.c.trade_id.in_(trade_ids))
    return {row.trade_id: row for row in transaction.execute(query)}


def ledger_page(
    transaction: Connection,
    account: int,
    *,
    asset: int | None,
    before: tuple[int, int] | None,
    limit: int,
) -> list[Row[Any]]:
    """Returns movements of an account's balances, the newest first."""
    entry = ledger_entries.c
    query = select(ledger_entries).where(entry.account == account)
    if asset is not None:
        query = query.where(entry.asset == asset)
    if before is not None:
        sequence, position = before
        query = query.where(
            or_(
                entry.sequence < sequence,
                and_(entry.sequence == sequence, entry.position < position),
            )
        )
    query = query.order_by(entry.sequence.desc(), entry.position.desc()).limit(limit)
    return list(transaction.execute(query))


def unbalanced(transaction: Connection, *, after: int, through: int) -> list[tuple[int, int]]:
    """Returns commands within a span, with assets, whose movements do not add up to nothing.

    What came from outside or went there is left out: it has no other side.
    """
    entry = ledger_entries.c
    query = (
        select(entry.sequence, entry.asset)
        .where(
            entry.sequence > after,
            entry.sequence <= through,
            entry.kind.not_in(_FROM_OUTSIDE),
        )
        .group_by(entry.sequence, entry.asset)
        .having(func.sum(entry.total_change) != 0)
        .order_by(entry.sequence)
    )
    return [(row.sequence, row.asset) for row in transaction.execute(query)]
