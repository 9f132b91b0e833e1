"""Queries of what people are told."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.notifications.tables import deliveries, notifications, preferences

# Any number will do that no other advisory lock of the database uses.
_LOCK_KEY: Final = 0x464E4F54


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a notification goes out by a channel."""

    channel: int
    state: str
    attempts: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notification:
    """Something somebody is told.

    Attributes:
        severity: 1 info, 2 success, 3 warning, 4 critical.
        data: A JSON object.
        about: Of one type there is one about the same thing within a day.
    """

    id: str
    sequence: int
    user_id: str
    type: str
    severity: int
    title: str
    body: str
    data: str
    about: str
    read_at: datetime | None
    created_at: datetime
    expires_at: datetime
    deliveries: tuple[Delivery, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notifications of a user are wanted."""

    user_id: str
    is_unread_only: bool = False
    types: Collection[str] = ()
    min_severity: int = 0

    def where(self) -> ColumnElement[bool]:
        """Returns the condition."""
        table = notifications.c
        conditions = [table.user_id == self.user_id]
        if self.is_unread_only:
            conditions.append(table.read_at.is_(None))
        if self.types:
            conditions.append(table.type.in_(self.types))
        if self.min_severity:
            conditions.append(table.severity >= self.min_severity)
        return and_(*conditions)


def lock(connection: Connection) -> None:
    """Lets one transaction at a time add notifications; it holds until the commit."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))


def last_sequence(connection: Connection) -> int:
    """Returns the sequence of the newest notification; 0 before the first."""
    return connection.execute(select(func.max(notifications.c.sequence))).scalar() or 0


def add(connection: Connection, notification: Notification) -> None:
    """Stores a notification with its deliveries."""
    values = {
        name: getattr(notification, name)
        for name in notifications.c.keys()  # noqa: SIM118 - A collection of columns is no mapping.
    }
    connection.execute(insert(notifications).values(**values))
    for delivery in notification.deliveries:
        connection.execute(
            insert(deliveries).values(
                notification_id=notification.id,
                channel=delivery.channel,
                state=delivery.state,
                attempts=0,
                due_at=notification.created_at if delivery.state == "PENDING" else None,
            )
        )


def put_off(
    connection: Connection, notification_id: str, channel: int, until: datetime, *,
    is_gathered: bool = False,
) -> None:  # fmt: skip
    """Makes a delivery due later, on its own or gathered with others."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.notification_id == notification_id, deliveries.c.channel == channel)
        .values(due_at=until, is_gathered=is_gathered)
    )


def is_told(connection: Connection, user_id: str, type_: str, about: str, since: datetime) -> bool:
    """Returns whether somebody was told the same since then."""
    table = notifications.c
    query = select(table.id).where(
        table.user_id == user_id,
        table.type == type_,
        table.about == about,
        table.created_at > since,
    )
    return connection.execute(query.limit(1)).first() is not None


def page(
    connection: Connection, wanted: Filter, *, before: int | None, limit: int
) -> list[Notification]:
    """Returns notifications, newest first."""
    table = notifications.c
    query = select(notifications).where(wanted.where())
    if before is not None:
        query = query.where(table.sequence < before)
    rows = connection.execute(query.order_by(table.sequence.desc()).limit(limit)).all()
    return _complete(connection, rows)


def after(connection: Connection, wanted: Filter, sequence: int, limit: int) -> list[Notification]:
    """Returns notifications after a sequence, oldest first."""
    table = notifications.c
    query = select(notifications).where(wanted.where(), table.sequence > sequence)
    rows = connection.execute(query.order_by(table.sequence).limit(limit)).all()
    return _complete(connection, rows)


def sequence_at(connection: Connection, notification_id: str) -> int:
    """Returns the sequence of a notification, or that of the one made before it."""
    table = notifications.c
    query = select(func.max(table.sequence)).where(table.id <= notification_id)
    return connection.execute(query).scalar() or 0


def one(connection: Connection, user_id: str, notification_id: str) -> Notification | None:
    """Returns somebody's notification, or None."""
    table = notifications.c
    query = select(notifications).where(table.id == notification_id, table.user_id == user_id)
    rows = connection.execute(query).all()
    return _complete(connection, rows)[0] if rows else None


def counts(connection: Connection, wanted: Filter) -> tuple[int, int]:
    """Returns how many there are, and how many of them are critical."""
    critical = func.count().filter(notifications.c.severity == 4)  # noqa: PLR2004 - Critical.
    row = connection.execute(
        select(func.count(), critical).select_from(notifications).where(wanted.where())
    ).one()
    return int(row[0]), int(row[1])


def set_read(
    connection: Connection, user_id: str, notification_id: str, at: datetime | None
) -> bool:
    """Marks a notification as read, or as unread with None; returns whether there is one."""
    table = notifications.c
    found = connection.execute(
        update(notifications)
        .where(table.id == notification_id, table.user_id == user_id)
        .values(read_at=func.coalesce(table.read_at, at) if at else None)
        .returning(table.id)
    ).first()
    return found is not None


def set_all_read(connection: Connection, user_id: str, up_to: int | None, at: datetime) -> int:
    """Marks notifications as read; returns how many were unread."""
    table = notifications.c
    conditions = [table.user_id == user_id, table.read_at.is_(None)]
    if up_to is not None:
        conditions.append(table.sequence <= up_to)
    return connection.execute(update(notifications).where(*conditions).values(read_at=at)).rowcount


def remove(connection: Connection, user_id: str, notification_id: str) -> bool:
    """Removes a notification with its deliveries; returns whether there was one."""
    table = notifications.c
    owned = select(table.id).where(table.id == notification_id, table.user_id == user_id)
    connection.execute(delete(deliveries).where(deliveries.c.notification_id.in_(owned)))
    return bool(
        connection.execute(
            delete(notifications).where(table.id == notification_id, table.user_id == user_id)
        ).rowcount
    )


def purge(connection: Connection, now: datetime, read_before: datetime) -> int:
    """Removes what expired and what was read long ago; returns how many."""
    table = notifications.c
    old = select(table.id).where((table.expires_at < now) | (table.read_at < read_before))
    connection.execute(delete(deliveries).where(deliveries.c.notification_id.in_(old)))
    return connection.execute(delete(notifications).where(table.id.in_(old))).rowcount


def due(
    connection: Connection, channel: int, now: datetime, limit: int
) -> list[tuple[Notification, int]]:
    """Returns notifications whose delivery is due, with the attempts so far."""
    query = (
        select(notifications, deliveries.c.attempts.label("attempts"))
        .join(deliveries, deliveries.c.notification_id == notifications.c.id)
        .where(
            deliveries.c.channel == channel, deliveries.c.due_at <= now,
            deliveries.c.is_gathered.is_(False),
        )
        .order_by(deliveries.c.due_at)
        .limit(limit)
    )  # fmt: skip
    rows = connection.execute(query).all()
    return [(_notification(row, ()), row.attempts) for row in rows]


def gathered(
    connection: Connection, channel: int, now: datetime, limit: int
) -> list[tuple[Notification, int]]:
    """Returns what somebody is due of what was gathered, oldest first, with the attempts so far."""
    waiting = (deliveries.c.channel == channel) & (deliveries.c.due_at <= now)
    query = (
        select(notifications, deliveries.c.attempts.label("attempts"))
        .join(deliveries, deliveries.c.notification_id == notifications.c.id)
        .where(waiting, deliveries.c.is_gathered)
    )
    first = connection.execute(query.order_by(deliveries.c.due_at).limit(1)).first()
    if first is None:
        return []
    mine = query.where(notifications.c.user_id == first.user_id)
    rows = connection.execute(mine.order_by(notifications.c.sequence).limit(limit))
    return [(_notification(row, ()), row.attempts) for row in rows]


def delivered(connection: Connection, notification_id: str, channel: int, **values: Any) -> None:
    """Stores how a delivery went."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.notification_id == notification_id, deliveries.c.channel == channel)
        .values(**values)
    )


def sent_since(connection: Connection, user_id: str, channel: int, since: datetime) -> int:
    """Returns how many notifications went to somebody by a channel since then."""
    query = (
        select(func.count())
        .select_from(deliveries.join(notifications))
        .where(
            notifications.c.user_id == user_id,
            deliveries.c.channel == channel,
            deliveries.c.state == "SENT",
            deliveries.c.last_at > since,
        )
    )
    return connection.execute(query).scalar() or 0


def preferences_of(connection: Connection, user_id: str) -> tuple[bytes, int]:
    """Returns somebody's preferences as bytes, with their version; empty and 0 before the first."""
    query = select(preferences).where(preferences.c.user_id == user_id)
    row = connection.execute(query).first()
    return (row.document, row.version) if row is not None else (b"", 0)


def put_preferences(connection: Connection, user_id: str, document: bytes, *, version: int) -> None:
    """Stores somebody's preferences."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"document": document, "version": version}
    connection.execute(
        dialect_insert(preferences)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )


def _complete(connection: Connection, rows: Sequence[Row[Any]]) -> list[Notification]:
    query = select(deliveries).where(deliveries.c.notification_id.in_([row.id for row in rows]))
    found: dict[str, list[Delivery]] = {}
    for row in connection.execute(query.order_by(deliveries.c.channel)) if rows else ():
        delivery = Delivery(row.channel, row.state, row.attempts, row.last_at)
        found.setdefault(row.notification_id, []).append(delivery)
    return [_notification(row, tuple(found.get(row.id, ()))) for row in rows]


def _notification(row: Row[Any], sent: tuple[Delivery, ...]) -> Notification:
    return Notification(
        row.id, row.sequence, row.user_id, row.type, row.severity, row.title, row.body, row.data,
        row.about, row.read_at, row.created_at, row.expires_at, sent,
    )  # fmt: skip


def plain(data: str) -> dict[str, Any]:
    """Returns the data of a notification."""
    found: dict[str, Any] = json.loads(data)
    return found
