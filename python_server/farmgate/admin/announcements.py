"""Use cases of what the exchange tells the public."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.admin import store
from farmgate.admin.store import PublicAnnouncement
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

M = TypeVar("M", bound=Serializable)
ROLES = ("FARMER", "TRADER", "COOP_MANAGER", "INSPECTOR", "AUDITOR", "ADMIN")


@dataclass(frozen=True, slots=True)
class Draft:
    """An announcement as an admin wants it."""

    title: str
    body: str
    severity: int
    audience: tuple[str, ...]
    starts_at: datetime | None
    ends_at: datetime | None


class Announcements:
    """Keeps announcements.

    Args:
        database: Where they are kept.
        clock: Tells the time.
        ids: Names them.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def page(
        self, *, running_only: bool, role: str, before: str, limit: int
    ) -> list[PublicAnnouncement]:
        """Returns announcements, newest first: all, or those that a role sees now."""
        at = self._clock.now() if running_only else None
        return await self._database.read(
            lambda tx: store.announcement_page(tx, at=at, role=role, before=before, limit=limit)
        )

    async def create(self, draft: Draft, reason: str, effect: Effect[PublicAnnouncement, M]) -> M:
        """Publishes an announcement; whom it is for is notified.

        Raises:
            DomainError: INVALID_ARGUMENT.
        """
        now = self._clock.now()
        new = _checked(
            PublicAnnouncement(
                self._ids.ulid(), draft.title, draft.body, draft.severity or 1, draft.audience,
                draft.starts_at or now, draft.ends_at, version=1,
            )
        )  # fmt: skip

        def write(connection: Connection) -> None:
            store.put_announcement(connection, new, is_new=True)
            data = {"title": new.title, "body": new.body[:500]}
            told = [
                Announcement("system.announcement", now, role=role, about=new.id, data=data)
                for role in new.audience or ROLES
            ]
            announce(connection, *told)
            effect.record(connection, new, resource=f"announcement/{new.id}", reason=reason)

        await self._database.write(write)
        return effect.reply

    async def update(
        self, announcement_id: str, draft: Draft, mask: Sequence[str], reason: str, expected: int,
        effect: Effect[PublicAnnouncement, M],
    ) -> M:  # fmt: skip
        """Changes the fields that the mask names.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT or INVALID_ARGUMENT.
        """
        known = {
            "title": "title", "body": "body", "severity": "severity", "audience": "audience",
            "start_time": "starts_at", "end_time": "ends_at",
        }  # fmt: skip
        if not mask or not set(mask) <= set(known):
            raise invalid("update_mask", f"must name some of {', '.join(known)}")

        def change(found: PublicAnnouncement) -> PublicAnnouncement:
            values = {known[path]: getattr(draft, known[path]) for path in mask}
            if "starts_at" in values and values["starts_at"] is None:
                values["starts_at"] = found.starts_at
            return _checked(replace(found, **values, version=found.version + 1))

        return await self._change(announcement_id, change, reason, expected, effect)

    async def delete(self, announcement_id: str, reason: str, effect: Effect[None, M]) -> M:
        """Deletes an announcement.

        Raises:
            DomainError: NOT_FOUND.
        """

        def write(connection: Connection) -> None:
            _existing(connection, announcement_id)
            store.delete_announcement(connection, announcement_id, self._clock.now())
            resource = f"announcement/{announcement_id}"
            effect.record(connection, None, resource=resource, reason=reason)

        await self._database.write(write)
        return effect.reply

    async def _change(
        self, announcement_id: str, change: Callable[[PublicAnnouncement], PublicAnnouncement],
        reason: str, expected: int, effect: Effect[PublicAnnouncement, M],
    ) -> M:  # fmt: skip
        def write(connection: Connection) -> None:
            found = _existing(connection, announcement_id)
            if expected not in {0, found.version}:
                raise DomainError("VERSION_CONFLICT", actual=found.version, expected=expected)
            changed = change(found)
            store.put_announcement(connection, changed, is_new=False)
            resource = f"announcement/{announcement_id}"
            effect.record(connection, changed, resource=resource, reason=reason)

        await self._database.write(write)
        return effect.reply


def _existing(connection: Connection, announcement_id: str) -> PublicAnnouncement:
    found = store.announcement(connection, announcement_id)
    if found is None:
        raise DomainError("NOT_FOUND", resource="announcement", id=announcement_id)
    return found


def _checked(one: PublicAnnouncement) -> PublicAnnouncement:
    if not one.title.strip():
        raise invalid("title", "must not be blank")
    if one.ends_at and one.ends_at <= one.starts_at:
        raise invalid("end_time", "must be after the start")
    return one
