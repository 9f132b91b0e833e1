"""Turns announcements into notifications, each once."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.api.notifications.v1 import preferences_pb2
from farmgate.db import outbox
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement
from farmgate.notifications import catalogue, operator_store, rules, store, webhook_store
from farmgate.notifications.catalogue import EMAIL, WEBHOOK
from farmgate.notifications.operator_store import OperatorEvent
from farmgate.notifications.rules import Preference, QuietHours
from farmgate.notifications.store import Delivery, Notification
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.users.facade import Users

_BATCH: Final = 100
_DAY: Final = timedelta(days=1)
_MINUTES: Final = 60
_OPERATORS: Final = "ADMIN"


class Dispatch:
    """Takes announcements away and stores what people are told, in one transaction.

    Args:
        database: Where both are kept.
        users: Who has which role.
        clock: Tells the time.
        ids: Names notifications.
        told: Is called when people were told something.
    """

    def __init__(
        self, database: Database, users: Users, clock: Clock, ids: Ids, told: Callable[[], None]
    ) -> None:
        self._told = told
        self._database = database
        self._users = users
        self._clock = clock
        self._ids = ids

    async def run(self) -> None:
        """Works off all that was announced."""
        while await self._database.read(lambda tx: outbox.oldest(tx, 1)):
            await self._database.write(self._batch)
            self._told()

    async def purge(self) -> None:
        """Removes what expired and what was read long ago."""
        now = self._clock.now()
        await self._database.write(lambda tx: store.purge(tx, now, now - rules.RETENTION_READ))
        before = now - rules.RETENTION_OPERATORS
        await self._database.write(lambda tx: operator_store.purge(tx, before))

    def _batch(self, connection: Connection) -> None:
        store.lock(connection)
        announced = outbox.oldest(connection, _BATCH)
        outbox.remove(connection, [number for number, _ in announced])
        for _, one in announced:
            if one.role == _OPERATORS:
                self._note(connection, one)
            for user_id in self._audience(connection, one):
                self._tell(connection, user_id, one)

    def _note(self, connection: Connection, one: Announcement) -> None:
        """Stores what operators need to know, once for all of them."""
        now = self._clock.now()
        since = now - rules.DEDUPE_WINDOW
        if one.about and operator_store.is_told(connection, one.type, one.about, since):
            return
        event = OperatorEvent(
            operator_store.last_sequence(connection) + 1, self._ids.ulid(), one.type,
            catalogue.worded(one.type, dict(one.data))[0], one.about, outbox.text_of(one.data),
            now,
        )  # fmt: skip
        operator_store.add(connection, event)

    def _audience(self, connection: Connection, one: Announcement) -> Iterable[str]:
        if one.user_id:
            return [one.user_id]
        return self._users.ids_of_role(connection, one.role)

    def _tell(self, connection: Connection, user_id: str, one: Announcement) -> None:
        now = self._clock.now()
        since = now - rules.DEDUPE_WINDOW
        if one.about and store.is_told(connection, user_id, one.type, one.about, since):
            return
        chosen, quiet = read_preferences(store.preferences_of(connection, user_id)[0])
        channels = rules.channels_for(one.type, chosen)
        kind = catalogue.kind_of(one.type)
        title, body = catalogue.worded(one.type, dict(one.data))
        notification = Notification(
            id=self._ids.ulid(),
            sequence=store.last_sequence(connection) + 1,
            user_id=user_id,
            type=one.type,
            severity=kind.severity,
            title=title,
            body=body,
            data=outbox.text_of(one.data),
            about=one.about,
            read_at=None,
            created_at=now,
            expires_at=now + rules.RETENTION_UNREAD,
            deliveries=(Delivery(EMAIL, "PENDING", 0, None),) if EMAIL in channels else (),
        )
        store.add(connection, notification)
        until = self._gathered_until(connection, one.type, user_id, chosen)
        if until is not None:
            late = quiet.until(until) if quiet else until
            store.put_off(connection, notification.id, EMAIL, late, is_gathered=True)
        elif quiet and not kind.is_urgent:
            store.put_off(connection, notification.id, EMAIL, quiet.until(now))
        if WEBHOOK in channels:
            webhook_store.queue(connection, notification, self._ids, now)

    def _gathered_until(
        self, connection: Connection, type_: str, user_id: str, chosen: list[Preference]
    ) -> datetime | None:
        """Returns when e-mail goes out with others: as wished, or when there was much today."""
        now = self._clock.now()
        user = self._users.by_id(connection, user_id)
        timezone = (user.timezone if user else "") or "UTC"
        wished = rules.gathered_until(type_, chosen, now, timezone)
        if wished is not None or catalogue.kind_of(type_).is_urgent:
            return wished
        sent = store.sent_since(connection, user_id, EMAIL, now - _DAY)
        return None if sent < rules.EMAILS_PER_DAY else rules.next_morning(now, timezone)


def read_preferences(document: bytes) -> tuple[list[Preference], QuietHours | None]:
    """Returns preferences and quiet hours of their stored form."""
    message = preferences_pb2.NotificationPreferences.FromString(document)
    chosen = [
        Preference(one.type, frozenset(one.channels), one.min_severity, one.digest)
        for one in message.preferences
    ]
    quiet = None
    if message.HasField("quiet_hours"):
        hours = message.quiet_hours
        quiet = QuietHours(_minute(hours.start), _minute(hours.end), hours.timezone)
    return chosen, quiet


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * _MINUTES + int(minute)
