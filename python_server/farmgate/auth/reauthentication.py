"""The password again, before what a stolen session must not do."""

from typing import TypeVar

from farmgate.auth import rules, store
from farmgate.auth.lockouts import Lockouts
from farmgate.auth.passwords import Passwords
from farmgate.auth.store import Credentials
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.users.facade import User, Users

T = TypeVar("T")
M = TypeVar("M", bound=Serializable)


class Reauthentication:
    """Checks the password of somebody who is signed in."""

    def __init__(
        self, database: Database, users: Users, passwords: Passwords, lockouts: Lockouts,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._users = users
        self._passwords = passwords
        self._lockouts = lockouts
        self._clock = clock

    async def user(self, user_id: str) -> tuple[User, Credentials]:
        """Returns the user and how they sign in.

        Raises:
            DomainError: BAD_CREDENTIALS when it is not by password.
        """
        user, credentials = await self._database.read(
            lambda tx: (self._users.by_id(tx, user_id), store.credentials_of(tx, user_id))
        )
        if user is None or credentials is None:
            raise DomainError("BAD_CREDENTIALS")
        return user, credentials

    async def check(
        self, user: User, credentials: Credentials, password: str, effect: Effect[T, M]
    ) -> None:
        """Checks a password; a wrong one counts as a failed attempt.

        Raises:
            DomainError: BAD_CREDENTIALS, ACCOUNT_LOCKED or RATE_LIMITED.
        """
        locked = rules.lock_refusal(credentials.locked_until, self._clock.now())
        if locked:
            raise locked
        if not await self._passwords.fits(password, credentials.password_hash):
            self._lockouts.note_failure(user, effect)
            raise DomainError("BAD_CREDENTIALS")
