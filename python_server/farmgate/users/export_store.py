"""Queries of exports."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, delete, insert, select, update

from farmgate.users.tables import data_exports


@dataclass(frozen=True, slots=True)
class Export:
    """An export without its archive."""

    id: str
    user_id: str
    state: str
    size_bytes: int
    sha256: str
    requested_at: datetime
    expires_at: datetime


_table = data_exports.c
_COLUMNS: tuple[Column[Any], ...] = (
    _table.id, _table.user_id, _table.state, _table.size_bytes, _table.sha256,
    _table.requested_at, _table.expires_at,
)  # fmt: skip


def newest(connection: Connection, user_id: str) -> Export | None:
    """Returns the newest export of a user, or None."""
    query = select(*_COLUMNS).where(_table.user_id == user_id).order_by(_table.id.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _export(row)


def replace_all(connection: Connection, one: Export) -> None:
    """Stores an export in place of the user's others."""
    connection.execute(delete(data_exports).where(_table.user_id == one.user_id))
    connection.execute(
        insert(data_exports).values(
            id=one.id,
            user_id=one.user_id,
            state=one.state,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
            requested_at=one.requested_at,
            expires_at=one.expires_at,
        )
    )


def begin(connection: Connection, export_id: str) -> Export | None:
    """Returns an export that is to be made, and says that it is being; None for another."""
    row = connection.execute(
        update(data_exports)
        .where(_table.id == export_id, _table.state.in_(("QUEUED", "RUNNING")))
        .values(state="RUNNING")
        .returning(*_COLUMNS)
    ).first()
    return None if row is None else _export(row)


def fail(connection: Connection, export_id: str) -> None:
    """Says that an export could not be made."""
    connection.execute(update(data_exports).where(_table.id == export_id).values(state="FAILED"))


def finish(
    connection: Connection, export_id: str, *, size_bytes: int, sha256: str,
    sealed: tuple[bytes, bytes],
) -> None:  # fmt: skip
    """Stores the archive of an export; of one that is gone it is forgotten."""
    wrapped_key, content = sealed
    connection.execute(
        update(data_exports)
        .where(_table.id == export_id, _table.state == "RUNNING")
        .values(
            state="READY",
            size_bytes=size_bytes,
            sha256=sha256,
            wrapped_key=wrapped_key,
            content=content,
        )
    )


def sealed(connection: Connection, export_id: str) -> tuple[bytes, bytes] | None:
    """Returns the wrapped key and the encrypted archive, or None."""
    query = select(_table.wrapped_key, _table.content).where(_table.id == export_id)
    row = connection.execute(query).first()
    if row is None or row.wrapped_key is None or row.content is None:
        return None
    return row.wrapped_key, row.content


def purge(connection: Connection, now: datetime) -> None:
    """Destroys archives whose time is over; that they were asked for stays."""
    connection.execute(
        update(data_exports)
        .where(_table.expires_at <= now, _table.state == "READY")
        .values(state="EXPIRED", wrapped_key=None, content=None)
    )


def _export(row: Row[Any]) -> Export:
    return Export(
        row.id, row.user_id, row.state, row.size_bytes, row.sha256, row.requested_at,
        row.expires_at,
    )  # fmt: skip
