"""Queries of withdrawals."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from farmgate.trading.tables import withdrawals
from farmgate.users.tables import accounts


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An amount on its way out of an account."""

    id: str
    user_id: str
    account: int
    asset: str
    amount_minor: int
    day: str
    request_key: str
    state: str
    sequence: int
    created_at: datetime


_COLUMNS = tuple(field.name for field in fields(Withdrawal))


def lock_account(connection: Connection, number: int) -> None:
    """Lets one withdrawal of an account at a time be judged."""
    query = select(accounts.c.id).where(accounts.c.engine_number == number)
    connection.execute(query.with_for_update())


def add(connection: Connection, one: Withdrawal) -> None:
    """Stores a withdrawal."""
    values = {name: getattr(one, name) for name in _COLUMNS}
    connection.execute(insert(withdrawals).values(**values))


def of_request(connection: Connection, user_id: str, key: str) -> Withdrawal | None:
    """Returns the withdrawal that a request asked for before."""
    table = withdrawals.c
    query = select(withdrawals).where(table.user_id == user_id, table.request_key == key)
    row = connection.execute(query).first()
    return None if row is None else _withdrawal(row)


def day_sum(connection: Connection, account: int, asset: str, day: str) -> int:
    """Returns what was taken out on a day, and what is on its way."""
    table = withdrawals.c
    query = select(func.coalesce(func.sum(table.amount_minor), 0)).where(
        table.account == account,
        table.asset == asset,
        table.day == day,
        table.state != "REFUSED",
    )
    return int(connection.execute(query).scalar() or 0)


def release_key(connection: Connection, withdrawal_id: str) -> None:
    """Lets another request have the key of one that is over."""
    table = withdrawals.c
    connection.execute(
        update(withdrawals).where(table.id == withdrawal_id).values(request_key=table.id)
    )


def set_state(connection: Connection, withdrawal_id: str, state: str, *, sequence: int = 0) -> bool:
    """Stores how a pending withdrawal ended. Returns False when it had ended before."""
    table = withdrawals.c
    changed = connection.execute(
        update(withdrawals)
        .where(table.id == withdrawal_id, table.state == "PENDING")
        .values(state=state, sequence=sequence)
        .returning(table.id)
    ).first()
    return changed is not None


def pending(connection: Connection, *, before: datetime, limit: int) -> list[Withdrawal]:
    """Returns the oldest withdrawals that have not ended."""
    table = withdrawals.c
    query = select(withdrawals).where(table.state == "PENDING", table.created_at < before)
    rows = connection.execute(query.order_by(table.created_at).limit(limit))
    return [_withdrawal(row) for row in rows]


def _withdrawal(row: Row[Any]) -> Withdrawal:
    return Withdrawal(**{name: getattr(row, name) for name in _COLUMNS})
