"""Announcements of modules: rows written in the transaction of the change they tell of.

A module never calls upwards. It announces, and whoever tells people takes the announcement away in
the transaction that stores what they are told, so each is told of once, however often processes
die.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, String, Table, Text, delete, insert, select

from farmgate.db.schema import BigKey, UtcTime, metadata

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("type", String(64), nullable=False),
    # Whom it is for: a user, or everybody of a role.
    Column("user_id", String(26), nullable=False),
    Column("role", String(16), nullable=False),
    Column("about", String(128), nullable=False),
    Column("data", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that happened, and whom it is told.

    Attributes:
        type: Stable name, such as "contract.signed".
        at: When it happened.
        user_id: Whom it is told; empty when `role` says it.
        role: Name of a role, everybody of which is told; empty when `user_id` says it.
        about: What makes it the same announcement as another one within a day.
        data: What its words mention; plain values.
    """

    type: str
    at: datetime
    user_id: str = ""
    role: str = ""
    about: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def announce(connection: Connection, *announcements: Announcement) -> None:
    """Announces in the caller's transaction."""
    if announcements:
        connection.execute(insert(outbox), [_values(one) for one in announcements])


def oldest(connection: Connection, limit: int) -> list[tuple[int, Announcement]]:
    """Returns the oldest announcements with their numbers."""
    rows = connection.execute(select(outbox).order_by(outbox.c.id).limit(limit))
    return [
        (
            row.id,
            Announcement(row.type, row.at, row.user_id, row.role, row.about, json.loads(row.data)),
        )
        for row in rows
    ]


def remove(connection: Connection, numbers: Sequence[int]) -> None:
    """Takes announcements away."""
    connection.execute(delete(outbox).where(outbox.c.id.in_(numbers)))


def text_of(data: Mapping[str, Any]) -> str:
    """Returns data as it is kept: JSON with sorted keys."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _values(one: Announcement) -> dict[str, Any]:
    assert bool(one.user_id) != bool(one.role), "It is for a user or for a role."
    return {
        "at": one.at, "type": one.type, "user_id": one.user_id, "role": one.role,
        "about": one.about, "data": text_of(one.data),
    }  # fmt: skip
