"""Failed attempts: counted, and at the limit the account is locked for a while."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.auth import store
from farmgate.auth.values import Policy
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.telemetry.logs import logger
from farmgate.users.facade import User

T = TypeVar("T")
M = TypeVar("M", bound=Serializable)

_log = logger(__name__)


class Lockouts:
    """Counts failed attempts behind the callers' backs.

    A caller does not wait for the count: nobody waits for a write when the address is unknown, and
    the difference would tell which addresses are known.
    """

    def __init__(self, database: Database, clock: Clock, policy: Policy, *, key: bytes) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._policy = policy
        self._notes: set[asyncio.Task[None]] = set()

    def note_failure(self, user: User, effect: Effect[T, M]) -> None:
        """Counts a failed attempt soon.

        Args:
            user: Whose password was guessed at.
            effect: That of the call, which records a lock.
        """
        self._soon(self._count(user, effect))

    def note_unknown(self, email: str) -> None:
        """Counts a failed attempt with an address that nobody has, soon."""
        self._soon(self._count_unknown(email))

    def unknown_until(self, connection: Connection, email: str) -> datetime | None:
        """Returns until when an address that nobody has is locked, or None."""
        return store.unknown_locked_until(connection, self._hash(email))

    async def settle(self) -> None:
        """Waits until the failures so far are counted."""
        if self._notes:
            await asyncio.wait(self._notes)

    async def start(self) -> None:
        """Does nothing."""

    async def stop(self) -> None:
        """Counts the rest."""
        await self.settle()

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        note = asyncio.create_task(work)
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _count(self, user: User, effect: Effect[T, M]) -> None:
        until = self._clock.now() + timedelta(seconds=self._policy.lockout_s)

        def count(transaction: Connection) -> None:
            is_locked = store.count_failure(
                transaction,
                user.id,
                attempts_max=self._policy.lockout_attempts,
                locked_until=until,
            )
            if is_locked:
                effect.witness(
                    transaction, resource=f"lock/{user.id}", actor=user.id, role=user.role
                )

        await self._write(count)

    async def _count_unknown(self, email: str) -> None:
        now = self._clock.now()
        await self._write(
            lambda tx: store.count_unknown_failure(
                tx,
                self._hash(email),
                attempts_max=self._policy.lockout_attempts,
                locked_until=now + timedelta(seconds=self._policy.lockout_s),
                now=now,
            )
        )

    async def _write(self, count: Callable[[Connection], None]) -> None:
        try:
            await self._database.write(count)
        except DomainError as error:
            _log.warning("failure not counted", reason=str(error))

    def _hash(self, email: str) -> bytes:
        return hmac.digest(self._key, email.casefold().strip().encode(), hashlib.sha256)
