"""Background work of signing in: hear of ended sessions, forget old ones."""

from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import Connection

from farmgate.auth import key_store, store
from farmgate.auth.sessions import Sessions
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.users.facade import Users

# How often the database is asked: an ended session is refused by every process within 5 s.
REVOCATIONS_INTERVAL_S: Final = 1.5
# Further back than two servers' clocks differ and a transaction lasts.
_OVERLAP: Final = timedelta(seconds=60)
# For so long tokens are believed without hearing of ended sessions.
_STALE_AFTER_S: Final = 5.0
PURGE_INTERVAL_S: Final = 600.0
# How long a letter waits to be sent.
LETTERS_INTERVAL_S: Final = 1.0
# What came of a session can be looked up for a month.
_SESSIONS_KEPT: Final = timedelta(days=30)
_TICKETS_KEPT: Final = timedelta(hours=1)


class Remembered(Protocol):
    """What a process remembers of tokens; see `rpc.access.Grants`."""

    is_stale: bool

    def revoke(self, user_id: str, *, session_id: str | None = None, below: int = 0) -> None:
        """Ends grants of a user at once."""


class Revocations:
    """Tells this process of sessions and keys that other processes ended."""

    def __init__(
        self, database: Database, users: Users, remembered: Remembered, clock: Clock
    ) -> None:
        self._database = database
        self._users = users
        self._remembered = remembered
        self._clock = clock
        self._heard_at = clock.now()
        self._heard_s = clock.monotonic()

    async def hear(self) -> None:
        """Asks once."""
        now, started_s = self._clock.now(), self._clock.monotonic()
        since = min(self._heard_at, now) - _OVERLAP
        try:
            sessions, versions = await self._database.read(lambda tx: self._ended(tx, since))
        except DomainError:
            if self._clock.monotonic() - self._heard_s >= _STALE_AFTER_S:
                self._remembered.is_stale = True
            raise
        for user_id, session_id in sessions:
            self._remembered.revoke(user_id, session_id=session_id)
        for user_id, version in versions:
            self._remembered.revoke(user_id, below=version)
        self._heard_at, self._heard_s = now, started_s
        self._remembered.is_stale = False

    def _ended(
        self, connection: Connection, since: datetime
    ) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
        ended = store.revoked_since(connection, since) + key_store.revoked_since(connection, since)
        return ended, self._users.closed_since(connection, since)


class Purge:
    """Forgets sessions and tickets that ended long ago."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def run(self) -> None:
        """Forgets once."""
        now = self._clock.now()
        await self._sessions.purge(
            tickets_before=now - _TICKETS_KEPT, sessions_before=now - _SESSIONS_KEPT
        )
