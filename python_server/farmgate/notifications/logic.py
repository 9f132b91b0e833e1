"""Use cases of what people are told."""

from typing import TypeVar

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.notifications import store
from farmgate.notifications.store import Filter, Notification
from farmgate.ports.clock import Clock

M = TypeVar("M", bound=Serializable)


class Inbox:
    """Reads and marks notifications.

    Args:
        database: Where they are kept.
        clock: Tells the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def page(
        self, wanted: Filter, *, before: int | None, limit: int
    ) -> tuple[list[Notification], int, int]:
        """Returns notifications, how many there are, and how many of all are unread."""

        def read(connection: Connection) -> tuple[list[Notification], int, int]:
            found = store.page(connection, wanted, before=before, limit=limit)
            total, _ = store.counts(connection, wanted)
            unread, _ = store.counts(connection, Filter(wanted.user_id, is_unread_only=True))
            return found, total, unread

        return await self._database.read(read)

    async def after(
        self, wanted: Filter, sequence: int, limit: int
    ) -> tuple[list[Notification], int]:
        """Returns notifications after a sequence, oldest first, and how many are unread."""

        def read(connection: Connection) -> tuple[list[Notification], int]:
            unread, _ = store.counts(connection, Filter(wanted.user_id, is_unread_only=True))
            return store.after(connection, wanted, sequence, limit), unread

        return await self._database.read(read)

    async def place(self, notification_id: str) -> int:
        """Returns the sequence to go on after: of a notification, or the newest one."""

        def read(connection: Connection) -> int:
            if notification_id:
                return store.sequence_at(connection, notification_id)
            return store.last_sequence(connection)

        return await self._database.read(read)

    async def unread(self, user_id: str) -> tuple[int, int]:
        """Returns how many are unread, and how many of them critical."""
        wanted = Filter(user_id, is_unread_only=True)
        return await self._database.read(lambda tx: store.counts(tx, wanted))

    async def mark(
        self, user_id: str, notification_id: str, *, is_read: bool, effect: Effect[Notification, M]
    ) -> M:
        """Marks a notification as read or unread.

        Raises:
            DomainError: NOT_FOUND.
        """

        def change(connection: Connection) -> None:
            at = self._clock.now() if is_read else None
            store.set_read(connection, user_id, notification_id, at)
            found = store.one(connection, user_id, notification_id)
            if found is None:
                raise _missing(notification_id)
            effect.record(connection, found, resource=f"notification/{notification_id}")

        await self._database.write(change)
        return effect.reply

    async def mark_all(self, user_id: str, up_to: str, effect: Effect[int, M]) -> M:
        """Marks notifications as read, all or those up to one."""

        def change(connection: Connection) -> None:
            last = store.sequence_at(connection, up_to) if up_to else None
            count = store.set_all_read(connection, user_id, last, self._clock.now())
            effect.record(connection, count, resource=f"user/{user_id}")

        await self._database.write(change)
        return effect.reply

    async def delete(self, user_id: str, notification_id: str, effect: Effect[None, M]) -> M:
        """Deletes a notification.

        Raises:
            DomainError: NOT_FOUND.
        """

        def change(connection: Connection) -> None:
            if not store.remove(connection, user_id, notification_id):
                raise _missing(notification_id)
            effect.record(connection, None, resource=f"notification/{notification_id}")

        await self._database.write(change)
        return effect.reply


class Preferences:
    """Reads and changes how people want to be told.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str) -> tuple[bytes, int]:
        """Returns the preferences as bytes of their message, and their version from 1."""
        document, version = await self._database.read(lambda tx: store.preferences_of(tx, user_id))
        return document, max(version, 1)

    async def put(
        self, user_id: str, document: bytes, *, expected: int, effect: Effect[int, M]
    ) -> M:
        """Replaces the preferences; the effect is given the new version.

        Raises:
            DomainError: VERSION_CONFLICT.
        """

        def change(connection: Connection) -> None:
            _, found = store.preferences_of(connection, user_id)
            actual = max(found, 1)
            if expected not in {0, actual}:
                raise DomainError("VERSION_CONFLICT", actual=actual, expected=expected)
            store.put_preferences(connection, user_id, document, version=actual + 1)
            effect.record(connection, actual + 1, resource=f"user/{user_id}")

        await self._database.write(change)
        return effect.reply


def _missing(notification_id: str) -> DomainError:
    return DomainError("NOT_FOUND", resource="notification", id=notification_id)
