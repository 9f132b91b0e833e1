"""Queries of statements: movements of history, and the statements that were drawn up."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, case, func, or_, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.db.outbox import text_of
from farmgate.trading.tables import STATUS_BUSTED, account_statements, ledger_entries, trades

_entry: Final = ledger_entries.c
# Numbers of the API's LedgerEntryKind.
KIND_TRADE: Final = 3
KIND_FEE: Final = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement that was drawn up.

    Attributes:
        closing: Total of each asset at its end, by code, in minor units; none that is 0.
        balances: What each asset did, as the reply tells it.
    """

    id: str
    account: int
    period: int
    start_date: str
    end_date: str
    through: int
    closing: dict[str, int]
    balances: list[list[str]]
    line_count: int
    trade_count: int
    open_contract_count: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Sum:
    """What an asset did within a span."""

    asset: int
    change: int
    fees: int
    line_count: int


def first_at(connection: Connection, time_ns: int) -> int:
    """Returns the sequence from which on everything was posted at a time or later.

    Times rise with sequences, and the sequence has an index where the time has none.
    """
    high = (connection.execute(select(func.max(_entry.sequence))).scalar() or 0) + 1
    low = 0
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            select(_entry.sequence, _entry.post_time_ns)
            .where(_entry.sequence >= middle)
            .order_by(_entry.sequence)
            .limit(1)
        ).first()
        if row is None or row.post_time_ns >= time_ns:
            high = middle
        else:
            low = row.sequence + 1
    return low


def time_after(connection: Connection, sequence: int) -> int | None:
    """Returns when the first movement after a sequence was posted; None when there is none."""
    query = select(_entry.post_time_ns).where(_entry.sequence > sequence)
    return connection.execute(query.order_by(_entry.sequence).limit(1)).scalar()


def accounts_within(connection: Connection, after: int, through: int) -> list[int]:
    """Returns the accounts with a movement after one sequence and up to another."""
    query = select(_entry.account).where(_entry.sequence > after, _entry.sequence <= through)
    query = query.where(_entry.total_change != 0)
    return sorted(connection.scalars(query.distinct()))


def last_line(connection: Connection, account: int, after: int, through: int) -> int:
    """Returns the sequence of an account's last line within a span; 0 when it has none."""
    query = select(_entry.sequence).where(*_span(account, after, through))
    query = query.where(_entry.total_change != 0)
    return connection.execute(query.order_by(_entry.sequence.desc()).limit(1)).scalar() or 0


def sums(connection: Connection, account: int, after: int, through: int) -> list[Sum]:
    """Returns what an account's assets did within a span."""
    fees = case((_entry.kind == KIND_FEE, -_entry.total_change), else_=0)
    query = (
        select(
            _entry.asset,
            func.sum(_entry.total_change).label("change"),
            func.sum(fees).label("fees"),
            func.count().label("line_count"),
        )
        .where(*_span(account, after, through), _entry.total_change != 0)
        .group_by(_entry.asset)
        .order_by(_entry.asset)
    )
    return [
        Sum(row.asset, int(row.change), int(row.fees), row.line_count)
        for row in connection.execute(query)
    ]


def traded(connection: Connection, account: int, after: int, through: int) -> int:
    """Returns in how many trades an account's balances moved within a span."""
    query = select(func.count(_entry.reference.distinct()))
    query = query.where(*_span(account, after, through), _entry.kind == KIND_TRADE)
    return connection.execute(query).scalar() or 0


def lines(
    connection: Connection, account: int, after: tuple[int, int], through: int, limit: int
) -> list[Row[Any]]:
    """Returns movements of an account, the oldest first, after a sequence and a position."""
    sequence, position = after
    is_later = or_(
        _entry.sequence > sequence,
        and_(_entry.sequence == sequence, _entry.position > position),
    )
    query = select(ledger_entries).where(
        _entry.account == account, is_later, _entry.sequence <= through, _entry.total_change != 0
    )
    return list(connection.execute(query.order_by(_entry.sequence, _entry.position).limit(limit)))


def trade_span(connection: Connection, account: int, after: int, through: int) -> tuple[int, int]:
    """Returns the first and the last number of an account's trades within a span; 0 for none."""
    query = select(func.min(_entry.reference), func.max(_entry.reference))
    query = query.where(*_span(account, after, through), _entry.kind == KIND_TRADE)
    first, last = connection.execute(query).one()
    return first or 0, last or 0


def trades_within(
    connection: Connection, account: int, *, after: int, last: int, limit: int
) -> list[Row[Any]]:
    """Returns an account's trades that stand, after one number and up to another."""
    sides = [
        select(trades)
        .where(
            trades.c[column] == account,
            trades.c.trade_id > after,
            trades.c.trade_id <= last,
            trades.c.status != STATUS_BUSTED,
        )
        .order_by(trades.c.trade_id)
        .limit(limit)
        .subquery()
        for column in ("maker_account", "taker_account")
    ]
    both = union_all(*(select(side) for side in sides)).subquery()
    query = select(both).distinct().order_by(both.c.trade_id).limit(limit)
    return list(connection.execute(query))


def keep(connection: Connection, one: Kept) -> bool:
    """Stores a statement. Returns False when it was drawn up before."""
    values = {
        "id": one.id, "account": one.account, "period": one.period, "start_date": one.start_date,
        "end_date": one.end_date, "through_sequence": one.through, "closing": text_of(one.closing),
        "balances": json.dumps(one.balances), "line_count": one.line_count,
        "trade_count": one.trade_count, "open_contract_count": one.open_contract_count,
        "sha256": one.sha256, "created_at": one.created_at,
    }  # fmt: skip
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = dialect_insert(account_statements).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.returning(account_statements.c.id)).first() is not None


def kept(connection: Connection, statement_id: str) -> Kept | None:
    """Returns a statement that was drawn up, or None."""
    query = select(account_statements).where(account_statements.c.id == statement_id)
    row = connection.execute(query).first()
    return None if row is None else _kept(row)


def kept_page(
    connection: Connection, account: int, *, period: int, before: str, limit: int
) -> list[Kept]:
    """Returns statements of an account, the newest period first; all periods for 0."""
    table = account_statements.c
    query = select(account_statements).where(table.account == account)
    if period:
        query = query.where(table.period == period)
    if before:
        query = query.where(table.id < before)
    return [_kept(row) for row in connection.execute(query.order_by(table.id.desc()).limit(limit))]


def newest_through(connection: Connection, account: int, sequence: int) -> Kept | None:
    """Returns the newest statement of an account that ends at a sequence or before, or None."""
    table = account_statements.c
    query = select(account_statements).where(
        table.account == account, table.through_sequence <= sequence
    )
    row = connection.execute(query.order_by(table.through_sequence.desc()).limit(1)).first()
    return None if row is None else _kept(row)


def newest_start(connection: Connection, period: int) -> str | None:
    """Returns the start of the newest period of a kind that anybody has a statement of."""
    table = account_statements.c
    return connection.execute(
        select(func.max(table.start_date)).where(table.period == period)
    ).scalar()


def _span(account: int, after: int, through: int) -> tuple[Any, ...]:
    return (_entry.account == account, _entry.sequence > after, _entry.sequence <= through)


def _kept(row: Row[Any]) -> Kept:
    return Kept(
        row.id, row.account, row.period, row.start_date, row.end_date, row.through_sequence,
        json.loads(row.closing), json.loads(row.balances), row.line_count, row.trade_count,
        row.open_contract_count, row.sha256, row.created_at,
    )  # fmt: skip
