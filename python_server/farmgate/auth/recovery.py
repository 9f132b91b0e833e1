"""Use cases that begin with a letter: verify an address, choose a new password."""

from typing import TypeVar

from sqlalchemy import Connection

from farmgate.auth import letters, rules, store
from farmgate.auth.letters import Letters
from farmgate.auth.passwords import Passwords
from farmgate.auth.values import Revoke
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.ports.clock import Clock
from farmgate.users.facade import User, Users

M = TypeVar("M", bound=Serializable)


class Recovery:
    """Verifies addresses and resets passwords by the tokens of letters."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        passwords: Passwords,
        post: Letters,
        clock: Clock,
        revoke: Revoke,
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._post = post
        self._clock = clock
        self._revoke = revoke

    async def ask_verification(self, email: str, effect: Effect[None, M]) -> M:
        """Has a letter sent that verifies an address; returns the reply."""
        return await self._post.request(letters.VERIFY, email, effect)

    async def ask_reset(self, email: str, effect: Effect[None, M]) -> M:
        """Has a letter sent that resets a password; returns the reply."""
        return await self._post.request(letters.RESET, email, effect)

    async def verify_email(self, token: str, effect: Effect[None, M]) -> M:
        """Verifies an address, which opens the account at KYC level 1; returns the reply.

        Raises:
            DomainError: MAIL_TOKEN_INVALID.
        """
        now = self._clock.now()

        def verify(transaction: Connection) -> None:
            user = self._post.redeem(transaction, letters.VERIFY, token, now)
            self._users.verify_email(transaction, user.id)
            effect.record(
                transaction, None, resource=f"user/{user.id}", actor=user.id, role=user.role
            )

        await self._database.write(verify)
        return effect.reply

    async def reset_password(self, token: str, password: str, effect: Effect[None, M]) -> M:
        """Sets a password and ends every session; returns the reply.

        Who has the letter has the mailbox: an address that was not verified is, and a lock by
        failed attempts is lifted. The second factor stays.

        Raises:
            DomainError: MAIL_TOKEN_INVALID, PASSWORD_WEAK or RATE_LIMITED.
        """
        now = self._clock.now()
        # Before anything that costs.
        self._post.letter_id(letters.RESET, token)
        rules.check_password(password, context=("farmgate",))
        password_hash = await self._passwords.hash(password)

        def reset(transaction: Connection) -> tuple[User, int]:
            user = self._post.redeem(transaction, letters.RESET, token, now)
            local_part = user.email.partition("@")[0]
            rules.check_password(password, context=(user.email, local_part, user.display_name))
            store.replace_password(transaction, user.id, password_hash, now)
            self._users.verify_email(transaction, user.id)
            store.revoke_sessions(transaction, user.id, "PASSWORD_CHANGE", now)
            version = self._users.close_sessions(transaction, user.id, now)
            announce(transaction, Announcement("auth.password_changed", now, user_id=user.id))
            effect.record(
                transaction, None, resource=f"user/{user.id}", actor=user.id, role=user.role
            )
            return user, version

        user, version = await self._database.write(reset)
        self._revoke(user.id, below=version)
        return effect.reply
