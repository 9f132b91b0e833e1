"""Use cases of second factors: set up, switch on, switch off."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection

from farmgate.auth import store
from farmgate.auth.factors import Factors
from farmgate.auth.lockouts import Lockouts
from farmgate.auth.reauthentication import Reauthentication
from farmgate.auth.values import Revoke
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.users.facade import User, Users

M = TypeVar("M", bound=Serializable)

_ISSUER: Final = "Farmgate"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an authenticator needs."""

    secret: str
    uri: str


class SecondFactors:
    """Sets second factors up and removes them."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        factors: Factors,
        lockouts: Lockouts,
        reauthentication: Reauthentication,
        clock: Clock,
        revoke: Revoke,
        required_roles: frozenset[str],
    ) -> None:
        self._database = database
        self._users = users
        self._factors = factors
        self._lockouts = lockouts
        self._reauthentication = reauthentication
        self._clock = clock
        self._revoke = revoke
        self._required_roles = required_roles

    async def enroll(self, user_id: str, password: str, effect: Effect[Enrolled, M]) -> M:
        """Makes a secret that `confirm` switches on; returns the reply.

        Raises:
            DomainError: BAD_CREDENTIALS, ACCOUNT_LOCKED, RATE_LIMITED or RESOURCE_STATE.
        """
        user, credentials = await self._reauthentication.user(user_id)
        await self._reauthentication.check(user, credentials, password, effect)
        now = self._clock.now()

        def enroll(transaction: Connection) -> None:
            secret = self._factors.enroll(transaction, user_id, now)
            label = quote(f"{_ISSUER}:{user.email}")
            uri = f"otpauth://totp/{label}?secret={secret}&issuer={_ISSUER}"
            effect.record(transaction, Enrolled(secret, uri), resource=f"user/{user_id}")

        await self._database.write(enroll)
        return effect.reply

    async def confirm(
        self, user_id: str, session_id: str, code: str, effect: Effect[list[str], M]
    ) -> M:
        """Switches the factor on and ends the other sessions; returns the reply.

        Raises:
            DomainError: RESOURCE_STATE or MFA_INVALID.
        """
        now = self._clock.now()

        def confirm(transaction: Connection) -> list[str]:
            codes = self._factors.confirm(transaction, user_id, code, now)
            self._users.set_mfa(transaction, user_id, is_enabled=True)
            ended = store.revoke_sessions(transaction, user_id, "MFA_CHANGE", now, but=session_id)
            announce(transaction, Announcement("auth.mfa_enabled", now, user_id=user_id))
            effect.record(transaction, codes, resource=f"user/{user_id}")
            return ended

        self._end(user_id, await self._database.write(confirm))
        return effect.reply

    async def disable(
        self, user_id: str, session_id: str, *, code: str, password: str, effect: Effect[None, M]
    ) -> M:
        """Switches the factor off and ends the other sessions; returns the reply.

        Raises:
            DomainError: MFA_ENROLLMENT_REQUIRED, RESOURCE_STATE, BAD_CREDENTIALS, ACCOUNT_LOCKED,
                RATE_LIMITED or MFA_INVALID.
        """
        user, credentials = await self._reauthentication.user(user_id)
        if user.role in self._required_roles:
            raise DomainError("MFA_ENROLLMENT_REQUIRED", role=user.role)
        if not user.mfa_enabled:
            raise DomainError(
                "RESOURCE_STATE", resource="second factor of", id=user_id, state="off",
                action="switching it off",
            )  # fmt: skip
        await self._reauthentication.check(user, credentials, password, effect)
        now = self._clock.now()

        def disable(transaction: Connection) -> list[str]:
            self._factors.spend(transaction, user_id, code, now)
            self._factors.remove(transaction, user_id)
            self._users.set_mfa(transaction, user_id, is_enabled=False)
            ended = store.revoke_sessions(transaction, user_id, "MFA_CHANGE", now, but=session_id)
            announce(transaction, Announcement("auth.mfa_disabled", now, user_id=user_id))
            effect.record(transaction, None, resource=f"user/{user_id}")
            return ended

        self._end(user_id, await self._guarded(user, disable, effect))
        return effect.reply

    async def _guarded(
        self, user: User, work: Callable[[Connection], list[str]], effect: Effect[None, M]
    ) -> list[str]:
        try:
            return await self._database.write(work)
        except DomainError as error:
            if error.reason == "MFA_INVALID":
                self._lockouts.note_failure(user, effect)
            raise

    def _end(self, user_id: str, sessions: list[str]) -> None:
        for session_id in sessions:
            self._revoke(user_id, session_id=session_id)
