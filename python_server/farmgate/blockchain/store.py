"""Queries of operations, their transactions and registries."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, exists, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.blockchain.tables import (
    chain_operation_users,
    chain_operations,
    chain_registries,
    chain_transactions,
)
from farmgate.blockchain.values import ENDED, SENT, Kind, Operation, State

_STORED = [column for column in chain_operations.c if column.name != "alerted_at"]


def insert_operation(connection: Connection, operation: Operation, users: Sequence[str]) -> bool:
    """Stores a new operation. Returns False when one of its name is there."""
    values = {column.name: getattr(operation, column.name) for column in _STORED}
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    inserted = connection.execute(
        dialect_insert(chain_operations)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["kind", "reference", "version"])
        .returning(chain_operations.c.id)
    ).first()
    if inserted is None:
        return False
    for user_id in dict.fromkeys(users):
        connection.execute(
            insert(chain_operation_users).values(operation_id=operation.id, user_id=user_id)
        )
    return True


def operation_by_id(connection: Connection, operation_id: str) -> Operation | None:
    """Returns the operation, or None."""
    return _first(connection, _operations().where(chain_operations.c.id == operation_id))


def operation_by_name(
    connection: Connection, kind: Kind, reference: str, version: int
) -> Operation | None:
    """Returns the operation of this name, or None."""
    table = chain_operations.c
    return _first(
        connection,
        _operations().where(
            table.kind == kind, table.reference == reference, table.version == version
        ),
    )


def newest_operation(connection: Connection, kind: Kind, reference: str) -> Operation | None:
    """Returns the operation of the highest version, or None."""
    table = chain_operations.c
    return _first(
        connection,
        _operations()
        .where(table.kind == kind, table.reference == reference)
        .order_by(table.version.desc())
        .limit(1),
    )


def unfinished(connection: Connection, *, limit: int) -> list[Operation]:
    """Returns operations that have not ended, oldest first."""
    query = (
        _operations()
        .where(chain_operations.c.state.not_in(ENDED))
        .order_by(chain_operations.c.id)
        .limit(limit)
    )
    return [_operation(row) for row in connection.execute(query)]


def in_blocks_above(connection: Connection, block_number: int) -> list[Operation]:
    """Returns operations that are in a block above this one."""
    table = chain_operations.c
    query = _operations().where(
        table.block_number > block_number,
        table.state.in_([State.MINED, State.CONFIRMED, State.REVERTED]),
    )
    return [_operation(row) for row in connection.execute(query)]


def pending_count(connection: Connection) -> int:
    """Returns how many operations have not ended."""
    query = select(chain_operations.c.id).where(chain_operations.c.state.not_in(ENDED))
    return len(connection.execute(query).all())


def change(connection: Connection, operation: Operation, **values: Any) -> Operation | None:
    """Stores a step. Returns the operation after it, or None when somebody else made a step."""
    changed = connection.execute(
        update(chain_operations)
        .where(
            chain_operations.c.id == operation.id,
            chain_operations.c.revision == operation.revision,
        )
        .values(revision=operation.revision + 1, **values)
        .returning(chain_operations.c.id)
    ).first()
    return operation_by_id(connection, operation.id) if changed else None


def note_alert(connection: Connection, before: datetime, now: datetime) -> list[str]:
    """Marks operations that have waited since before this time; returns their IDs, each once."""
    table = chain_operations.c
    rows = connection.execute(
        update(chain_operations)
        .where(table.created_at < before, table.state.not_in(ENDED), table.alerted_at.is_(None))
        .values(alerted_at=now)
        .returning(table.id)
    )
    return [row.id for row in rows]


def page_of_operations(
    connection: Connection,
    *,
    user_id: str | None,
    kind: Kind | None,
    states: Collection[State],
    reference: str,
    before: str | None,
    limit: int,
) -> list[Operation]:
    """Returns operations, newest first.

    Args:
        connection: The transaction.
        user_id: Only those that concern this user; None for all.
        kind: Only of this kind; None for all.
        states: Only in these states; empty for all.
        reference: Only of this contract, receipt or day; empty for all.
        before: Only those older than this ID.
        limit: At most so many.
    """
    table = chain_operations.c
    query = _operations().order_by(table.id.desc()).limit(limit)
    if user_id is not None:
        of_user = and_(
            chain_operation_users.c.operation_id == table.id,
            chain_operation_users.c.user_id == user_id,
        )
        query = query.where(exists().where(of_user))
    if kind is not None:
        query = query.where(table.kind == kind)
    if states:
        query = query.where(table.state.in_(states))
    if reference:
        query = query.where(table.reference == reference)
    if before is not None:
        query = query.where(table.id < before)
    return [_operation(row) for row in connection.execute(query)]


def insert_transaction(connection: Connection, **values: Any) -> None:
    """Stores a signed transaction, before anybody hears of it."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        dialect_insert(chain_transactions)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["hash"])
    )


def transactions_of(connection: Connection, operation: Operation) -> list[tuple[str, str]]:
    """Returns hash and bytes of the transactions under an operation's nonce, newest first."""
    table = chain_transactions.c
    rows = connection.execute(
        select(table.hash, table.raw)
        .where(table.operation_id == operation.id, table.nonce == operation.nonce)
        .order_by(table.created_at.desc())
    )
    return [(row.hash, row.raw) for row in rows]


def operation_id_of(connection: Connection, transaction_hash: str) -> str:
    """Returns the operation a transaction belongs to, or ""."""
    table = chain_transactions.c
    found = connection.execute(
        select(table.operation_id).where(table.hash == transaction_hash)
    ).scalar()
    return found or ""


def is_known(connection: Connection, transaction_hash: str) -> bool:
    """Returns whether the exchange signed and kept a transaction."""
    table = chain_transactions.c
    query = select(table.hash).where(table.hash == transaction_hash)
    return connection.execute(query).first() is not None


def transactions_to_send(connection: Connection, chain_id: int) -> list[tuple[str, str, int]]:
    """Returns hash, bytes and nonce of admins' transactions that are in no block yet."""
    table = chain_transactions.c
    rows = connection.execute(
        select(table.hash, table.raw, table.nonce)
        .where(table.is_to_send, table.operation_id.is_(None), table.chain_id == chain_id)
        .order_by(table.nonce)
    )
    return [(row.hash, row.raw, row.nonce) for row in rows]


def send_again(connection: Connection, chain_id: int) -> None:
    """Notes that admins' transactions may be in no block any more."""
    table = chain_transactions
    connection.execute(
        update(table)
        .where(table.c.operation_id.is_(None), table.c.chain_id == chain_id)
        .values(is_to_send=True)
    )


def mark_sent(connection: Connection, transaction_hash: str) -> None:
    """Notes that an admin's transaction is in a block, or never will be."""
    table = chain_transactions
    connection.execute(
        update(table).where(table.c.hash == transaction_hash).values(is_to_send=False)
    )


def nonces_in_use(connection: Connection, chain_id: int, address: str) -> set[int]:
    """Returns the nonces of transactions that may be in the world and in no block."""
    table = chain_operations.c
    ours = connection.execute(
        select(table.nonce).where(
            table.chain_id == chain_id,
            table.from_address == address,
            table.nonce.is_not(None),
            or_(table.state.in_(SENT), table.state == State.MINED),
        )
    ).scalars()
    other = chain_transactions.c
    admins = connection.execute(
        select(other.nonce).where(
            other.is_to_send, other.chain_id == chain_id, other.from_address == address
        )
    ).scalars()
    return {nonce for nonce in (*ours, *admins) if nonce is not None}


def newest_registry(connection: Connection, chain_id: int) -> str | None:
    """Returns the address of the registry deployed last, or None."""
    table = chain_registries.c
    return connection.execute(
        select(table.address)
        .where(table.chain_id == chain_id, table.deployed_at.is_not(None))
        .order_by(table.operation_id.desc())
        .limit(1)
    ).scalar()


def is_deployed(connection: Connection, address: str) -> bool:
    """Returns whether a registry's deployment is confirmed."""
    table = chain_registries.c
    return bool(
        connection.execute(
            select(table.address).where(table.address == address, table.deployed_at.is_not(None))
        ).first()
    )


def registries(connection: Connection, chain_id: int) -> list[str]:
    """Returns the addresses of all registries."""
    table = chain_registries.c
    query = select(table.address).where(table.chain_id == chain_id)
    return list(connection.execute(query).scalars())


def put_registry(connection: Connection, operation: Operation, address: str) -> None:
    """Stores the address of a registry whose deployment was signed."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        dialect_insert(chain_registries)
        .values(
            address=address,
            chain_id=operation.chain_id,
            name=operation.function,
            operation_id=operation.id,
            deployed_at=None,
            block_number=0,
        )
        .on_conflict_do_update(
            index_elements=["address"],
            set_={"operation_id": operation.id, "chain_id": operation.chain_id},
        )
    )


def set_deployed(connection: Connection, operation: Operation, at: datetime | None) -> None:
    """Stores whether and since when a registry's deployment is confirmed."""
    connection.execute(
        update(chain_registries)
        .where(chain_registries.c.operation_id == operation.id)
        .values(deployed_at=at, block_number=operation.block_number)
    )


def _operations() -> Select[Any]:
    return select(*_STORED)


def _first(connection: Connection, query: Select[Any]) -> Operation | None:
    row = connection.execute(query).first()
    return None if row is None else _operation(row)


def _operation(row: Row[Any]) -> Operation:
    values = dict(row._mapping)  # noqa: SLF001 - The documented way to a row's names.
    values["kind"] = Kind(values["kind"])
    values["state"] = State(values["state"])
    return Operation(**values)
