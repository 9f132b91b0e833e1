"""Use cases of who is signed in: sessions, passwords and stream tickets."""

from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.auth import letter_store, rules, store
from farmgate.auth.passwords import Passwords
from farmgate.auth.reauthentication import Reauthentication
from farmgate.auth.store import Session
from farmgate.auth.tokens import Subject, Tokens
from farmgate.auth.values import Revoke
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.users.facade import Users

M = TypeVar("M", bound=Serializable)


class Sessions:
    """Lists and ends sessions, changes passwords, gives tickets."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        passwords: Passwords,
        reauthentication: Reauthentication,
        tokens: Tokens,
        ids: Ids,
        clock: Clock,
        revoke: Revoke,
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._reauthentication = reauthentication
        self._tokens = tokens
        self._ids = ids
        self._clock = clock
        self._revoke = revoke

    async def page(self, user_id: str, *, before: str | None, limit: int) -> list[Session]:
        """Returns open sessions of a user, newest first.

        Args:
            user_id: Whose sessions.
            before: ID of the last session of the page before, or None.
            limit: At most so many.
        """
        now = self._clock.now()
        return await self._database.read(
            lambda tx: store.open_sessions(tx, user_id, now, before=before, limit=limit)
        )

    async def end(self, user_id: str, session_id: str, effect: Effect[None, M]) -> M:
        """Ends one session of a user; returns the reply.

        Raises:
            DomainError: NOT_FOUND.
        """
        now = self._clock.now()

        def end(transaction: Connection) -> None:
            session = store.session_by_id(transaction, session_id)
            if session is None or session.user_id != user_id or session.expires_at <= now:
                raise DomainError("NOT_FOUND", resource="session", id=session_id)
            store.revoke_session(transaction, session_id, "LOGOUT", now)
            effect.record(transaction, None, resource=f"session/{session_id}")

        await self._database.write(end)
        self._revoke(user_id, session_id=session_id)
        return effect.reply

    async def end_all(self, user_id: str, effect: Effect[int, M]) -> M:
        """Ends every session of a user; returns the reply, made of their number."""
        now = self._clock.now()

        def end(transaction: Connection) -> int:
            ended = store.revoke_sessions(transaction, user_id, "LOGOUT", now)
            version = self._users.close_sessions(transaction, user_id, now)
            effect.record(transaction, len(ended), resource=f"user/{user_id}")
            return version

        self._revoke(user_id, below=await self._database.write(end))
        return effect.reply

    async def change_password(
        self, user_id: str, session_id: str, current: str, new: str, effect: Effect[None, M]
    ) -> M:
        """Changes a password and ends the other sessions; returns the reply.

        Raises:
            DomainError: PASSWORD_WEAK, BAD_CREDENTIALS, ACCOUNT_LOCKED or RATE_LIMITED.
        """
        user, credentials = await self._reauthentication.user(user_id)
        local_part = user.email.partition("@")[0]
        rules.check_password(new, context=(user.email, local_part, user.display_name, "farmgate"))
        await self._reauthentication.check(user, credentials, current, effect)
        new_hash = await self._passwords.hash(new)
        now = self._clock.now()

        def change(transaction: Connection) -> list[str]:
            is_changed = store.set_password(
                transaction,
                user_id,
                old_hash=credentials.password_hash,
                new_hash=new_hash,
                now=now,
            )
            if not is_changed:
                raise DomainError("BAD_CREDENTIALS")
            ended = store.revoke_sessions(
                transaction, user_id, "PASSWORD_CHANGE", now, but=session_id
            )
            announce(transaction, Announcement("auth.password_changed", now, user_id=user_id))
            effect.record(transaction, None, resource=f"user/{user_id}")
            return ended

        for ended in await self._database.write(change):
            self._revoke(user_id, session_id=ended)
        return effect.reply

    def ticket(self, subject: Subject) -> tuple[str, int]:
        """Returns a stream ticket and the seconds it is good for."""
        return self._tokens.ticket(subject, self._ids.ulid()), self._tokens.ticket_ttl_s

    async def purge(self, *, tickets_before: datetime, sessions_before: datetime) -> None:
        """Forgets tickets, sessions and letters that ended before these times."""

        def purge(transaction: Connection) -> None:
            store.purge(transaction, tickets_before=tickets_before, sessions_before=sessions_before)
            letter_store.purge(transaction, sessions_before)

        await self._database.write(purge)
