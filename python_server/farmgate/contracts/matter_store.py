"""Queries of what is open beside contracts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select

from farmgate.contracts.store import all_of, one_of, put
from farmgate.contracts.tables import matters
from farmgate.contracts.values import OPEN, Matter


def put_matter(connection: Connection, one: Matter, *, is_new: bool = False) -> None:
    """Stores a matter.

    Raises:
        DomainError: VERSION_CONFLICT when somebody else was faster.
    """
    put(connection, matters, one, is_new=is_new, version=one.version - 1)


def matter(connection: Connection, matter_id: str) -> Matter | None:
    """Returns a matter."""
    return one_of(connection, select(matters).where(matters.c.id == matter_id), Matter)


def matters_of(
    connection: Connection, contract_id: str, kind: str, *, after: str = "", limit: int = 1_000,
    state: str = "",
) -> list[Matter]:  # fmt: skip
    """Returns the matters of a kind on a contract, oldest first."""
    table = matters.c
    query = select(matters).where(table.contract_id == contract_id, table.kind == kind)
    if state:
        query = query.where(table.state == state)
    return all_of(connection, query.where(table.id > after).order_by(table.id).limit(limit), Matter)


def open_matters(connection: Connection, contract_id: str) -> list[Matter]:
    """Returns what is open beside a contract, oldest first."""
    table = matters.c
    query = select(matters).where(table.contract_id == contract_id, table.state.in_(OPEN))
    return all_of(connection, query.order_by(table.id), Matter)


def open_of_kind(connection: Connection, kind: str) -> list[Matter]:
    """Returns what is open of a kind on all contracts, oldest first."""
    query = select(matters).where(matters.c.kind == kind, matters.c.state.in_(OPEN))
    return all_of(connection, query.order_by(matters.c.id), Matter)


def matters_due(connection: Connection, kinds: Collection[str], now: datetime) -> list[Matter]:
    """Returns open matters of some kinds whose time has come, oldest first."""
    table = matters.c
    query = select(matters).where(table.state.in_(OPEN), table.due_at <= now, table.kind.in_(kinds))
    return all_of(connection, query.order_by(table.id), Matter)
