"""Use cases of operators about settings: typed, checked, versioned, and taken back by a version."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.db import configuration
from farmgate.db.configuration import Version
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.db.settings_catalogue import KEYS, checked
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock

M = TypeVar("M", bound=Serializable)
Apply = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key should be.

    Attributes:
        effective_at: From when; None for now.
        expected: Version the caller saw; 0 for whichever.
    """

    key: str
    value: str
    reason: str
    actor: str
    effective_at: datetime | None = None
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it."""

    version: Version
    previous: str
    is_changed: bool


class Configuration:
    """Reads and sets keys.

    Args:
        database: Where versions are kept.
        clock: Tells the time.
        apply: What a new value of a key does at once, by key.
    """

    def __init__(self, database: Database, clock: Clock, apply: dict[str, Apply]) -> None:
        self._database = database
        self._clock = clock
        self._apply = apply

    async def entries(self, prefix: str) -> list[Version]:
        """Returns the versions that hold, of the keys with a prefix, by key."""
        values = await self._database.read(lambda tx: configuration.current(tx, self._clock.now()))
        return [values.version(key) for key in sorted(KEYS) if key.startswith(prefix)]

    async def history(self, key: str, *, before: int | None, limit: int) -> list[Version]:
        """Returns the versions of a key, newest first.

        Raises:
            DomainError: CONFIG_UNKNOWN_KEY.
        """
        _known(key)
        return await self._database.read(
            lambda tx: configuration.history(tx, key, before=before, limit=limit)
        )

    async def set(self, wanted: Wanted, effect: Effect[Outcome, M], *, is_dry_run: bool) -> M:
        """Sets a key, or only says what setting it would do.

        Raises:
            DomainError: CONFIG_UNKNOWN_KEY, CONFIG_INVALID or VERSION_CONFLICT.
        """
        _known(wanted.key)
        now = self._clock.now()
        if wanted.effective_at and wanted.effective_at < now:
            raise invalid("effective_time", "must not be in the past")
        outcome = await self._database.write(
            lambda tx: self._set(tx, wanted, now, effect, is_dry_run=is_dry_run)
        )
        if outcome.is_changed and not is_dry_run and outcome.version.effective_at == now:
            await self._take_effect(wanted.key, outcome.version.value)
        return effect.reply

    async def roll_back(
        self, key: str, version: int, reason: str, actor: str, effect: Effect[Outcome, M]
    ) -> M:
        """Sets a key to what it was in an older version, 0 for the default.

        Raises:
            DomainError: CONFIG_UNKNOWN_KEY, CONFIG_ROLLBACK_UNAVAILABLE or CONFIG_INVALID.
        """
        _known(key)
        now = self._clock.now()

        def change(connection: Connection) -> Outcome:
            value = KEYS[key].default
            if version:
                found = configuration.history(connection, key, before=version + 1, limit=1)
                if not found or found[0].version != version:
                    raise DomainError("CONFIG_ROLLBACK_UNAVAILABLE", key=key, version=version)
                value = found[0].value
            wanted = Wanted(key, value, reason, actor)
            return self._set(connection, wanted, now, effect, is_dry_run=False)

        outcome = await self._database.write(change)
        await self._take_effect(key, outcome.version.value)
        return effect.reply

    async def _take_effect(self, key: str, value: str) -> None:
        if apply := self._apply.get(key):
            await apply(value)

    def _set(
        self, connection: Connection, wanted: Wanted, now: datetime, effect: Effect[Outcome, M],
        *, is_dry_run: bool,
    ) -> Outcome:  # fmt: skip
        values = configuration.current(connection, now)
        before = values.version(wanted.key)
        value = checked(wanted.key, wanted.value, values.texts())
        newest = configuration.history(connection, wanted.key, before=None, limit=1)
        last = newest[0].version if newest else 0
        if wanted.expected and wanted.expected != last:
            raise DomainError("VERSION_CONFLICT", actual=last, expected=wanted.expected)
        version = Version(
            wanted.key, last + 1, value, wanted.effective_at or now, wanted.actor, now,
            wanted.reason,
        )  # fmt: skip
        outcome = Outcome(version, before.value, is_changed=value != before.value)
        if is_dry_run or (not outcome.is_changed and wanted.effective_at is None):
            kept = replace(before, value=value) if is_dry_run else before
            outcome = replace(outcome, version=kept)
        else:
            configuration.add(connection, version)
            data = {"key": wanted.key, "value": value, "reason": wanted.reason}
            told = Announcement(
                "admin.config_changed", now, role="ADMIN", about=f"{wanted.key}/{last + 1}",
                data=data,
            )  # fmt: skip
            announce(connection, told)
        effect.record(
            connection, outcome, resource=f"config/{wanted.key}", reason=wanted.reason,
            detail=text_of({"before": before.value, "after": value, "dry_run": is_dry_run}),
        )  # fmt: skip
        return outcome


def _known(key: str) -> None:
    if key not in KEYS:
        raise DomainError("CONFIG_UNKNOWN_KEY", key=key)
