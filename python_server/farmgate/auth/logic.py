"""Use cases of signing in: register, log in, refresh, log out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.auth import letters, rules, store
from farmgate.auth.factors import Factors
from farmgate.auth.letters import Letters
from farmgate.auth.lockouts import Lockouts
from farmgate.auth.opening import Opening
from farmgate.auth.passwords import Passwords
from farmgate.auth.store import Credentials
from farmgate.auth.tokens import refresh_token_hash
from farmgate.auth.values import Accounts, Client, Policy, Revoke, SignedIn
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids, ulid_bytes
from farmgate.telemetry.logs import logger
from farmgate.users.facade import Challenge, NewUser, User, Users, Wallets

M = TypeVar("M", bound=Serializable)

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Reused:
    user_id: str
    session_id: str


@dataclass(slots=True)
class _Attempt:
    """Somebody signs in; who, is found out on the way."""

    client: Client
    mfa_code: str
    user: User | None = None


class SignIn:
    """Registers people, signs them in and out, and renews their tokens."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        passwords: Passwords,
        lockouts: Lockouts,
        opening: Opening,
        factors: Factors,
        post: Letters,
        accounts: Accounts,
        ids: Ids,
        clock: Clock,
        policy: Policy,
        revoke: Revoke,
        wallets: Wallets,
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._lockouts = lockouts
        self._opening = opening
        self._factors = factors
        self._post = post
        self._accounts = accounts
        self._ids = ids
        self._clock = clock
        self._policy = policy
        self._revoke = revoke
        self._wallets = wallets

    async def register(self, new: NewUser, password: str, effect: Effect[User, M]) -> M:
        """Registers a person and opens the trading account; returns the reply.

        When the account can't be opened now, it is opened at the next sign-in.

        Raises:
            DomainError: REGISTRATION_CLOSED, INVALID_ARGUMENT, PASSWORD_WEAK, EMAIL_TAKEN or
                RATE_LIMITED.
        """
        if not self._policy.is_registration_open:
            raise DomainError("REGISTRATION_CLOSED")
        new = self._users.checked(replace(new, is_verified=self._policy.verifies_email_at_once))
        local_part = new.email.partition("@")[0]
        rules.check_password(
            password, context=(new.email, local_part, new.display_name, "farmgate")
        )
        password_hash = await self._passwords.hash(password)
        user_id, account_id = self._ids.ulid(), self._ids.ulid()
        now = self._clock.now()

        def add(transaction: Connection) -> User:
            if not configuration.current(transaction, now).flag("registration.enabled"):
                raise DomainError("REGISTRATION_CLOSED")
            user = self._users.add(
                transaction, new, user_id=user_id, account_id=account_id, now=now
            )
            store.insert_credentials(transaction, user_id, password_hash, now)
            if user.status == "PENDING_EMAIL":
                self._post.ask(transaction, letters.VERIFY, user.email, now)
            welcome = {"name": new.display_name}
            announce(transaction, Announcement("user.welcome", now, user_id=user_id, data=welcome))
            effect.record(
                transaction, user, resource=f"user/{user_id}", actor=user_id, role=user.role
            )
            return user

        await self._with_account(await self._database.write(add))
        return effect.reply

    async def log_in(
        self, email: str, password: str, mfa_code: str, client: Client, effect: Effect[SignedIn, M]
    ) -> M:
        """Signs a person in; returns the reply.

        Raises:
            DomainError: BAD_CREDENTIALS, ACCOUNT_LOCKED, EMAIL_NOT_VERIFIED, ACCOUNT_SUSPENDED,
                MFA_REQUIRED, MFA_INVALID or RATE_LIMITED.
        """
        found, locked_until = await self._database.read(lambda tx: self._find(tx, email))
        # An address that nobody has is locked as others are, and costs as much.
        locked = rules.lock_refusal(locked_until, self._clock.now())
        if locked:
            raise locked
        if found is None:
            await self._passwords.fits(password, None)
            self._lockouts.note_unknown(email)
            raise DomainError("BAD_CREDENTIALS")
        user, credentials = found
        if not await self._passwords.fits(password, credentials.password_hash):
            self._lockouts.note_failure(user, effect)
            raise DomainError("BAD_CREDENTIALS")
        refusal = rules.status_refusal(user.status)
        if refusal:
            raise refusal
        if user.mfa_enabled and not mfa_code:
            raise DomainError("MFA_REQUIRED")
        better_hash = None
        if self._passwords.is_weak(credentials.password_hash):
            better_hash = await self._passwords.hash(password)
        user = await self._with_account(user)
        await self._lockouts.settle()
        attempt = _Attempt(client, mfa_code, user)
        return await self._begin(
            lambda tx: self._checked_again(tx, attempt, credentials, better_hash, effect),
            attempt,
            effect,
        )

    async def wallet_challenge(self, address: str, effect: Effect[Challenge, M]) -> M:
        """Gives a message to sign in by; it tells nothing of whether the wallet is known."""

        def issue(transaction: Connection) -> None:
            challenge = self._wallets.issue(transaction, address, "", self._clock.now())
            effect.record(transaction, challenge)

        await self._database.write(issue)
        return effect.reply

    async def wallet_log_in(
        self, message: str, signature: str, mfa_code: str, client: Client,
        effect: Effect[SignedIn, M],
    ) -> M:  # fmt: skip
        """Signs in whose wallet signed a challenge.

        Raises:
            DomainError: What `Wallets.proved` raises, BAD_CREDENTIALS for a wallet that is linked
                to nobody, MFA_REQUIRED, MFA_INVALID, ACCOUNT_LOCKED, or what keeps the user from
                signing in.
        """
        attempt = _Attempt(client, mfa_code)

        def begin(transaction: Connection) -> list[str]:
            now = self._clock.now()
            address = self._wallets.proved(transaction, message, signature, "", now)
            user = self._users.by_wallet(transaction, address)
            if user is None:
                raise DomainError("BAD_CREDENTIALS")
            refusal = rules.status_refusal(user.status)
            if refusal:
                raise refusal
            credentials = store.credentials_of(transaction, user.id)
            locked = rules.lock_refusal(credentials.locked_until if credentials else None, now)
            if locked:
                raise locked
            attempt.user = user
            return self._open(transaction, attempt, now, effect)

        return await self._begin(begin, attempt, effect)

    async def refresh(self, token: str, client: Client, effect: Effect[SignedIn, M]) -> M:
        """Gives the next pair of tokens for a refresh token; returns the reply.

        A refresh token that comes a second time was copied: nobody knows whether by the one who
        comes first or second, so the session ends for both.

        Raises:
            DomainError: FIELD_REQUIRED, TOKEN_INVALID, TOKEN_EXPIRED, REFRESH_REUSED or
                ACCOUNT_SUSPENDED.
        """
        if not token:
            raise DomainError("FIELD_REQUIRED", field="refresh_token")
        outcome = await self._database.write(lambda tx: self._renew(tx, token, client, effect))
        if isinstance(outcome, _Reused):
            self._revoke(outcome.user_id, session_id=outcome.session_id)
            raise DomainError("REFRESH_REUSED")
        await self._with_account(outcome)
        return effect.reply

    async def log_out(self, user_id: str, session_id: str, effect: Effect[None, M]) -> M:
        """Ends a session; returns the reply."""
        now = self._clock.now()

        def end(transaction: Connection) -> None:
            store.revoke_session(transaction, session_id, "LOGOUT", now)
            effect.record(transaction, None, resource=f"session/{session_id}")

        await self._database.write(end)
        self._revoke(user_id, session_id=session_id)
        return effect.reply

    async def user(self, user_id: str) -> User:
        """Returns the user.

        Raises:
            DomainError: NOT_FOUND.
        """
        user = await self._database.read(lambda tx: self._users.by_id(tx, user_id))
        if user is None:
            raise DomainError("NOT_FOUND", resource="user", id=user_id)
        return user

    def _find(
        self, connection: Connection, email: str
    ) -> tuple[tuple[User, Credentials] | None, datetime | None]:
        """Returns who has an address and how they sign in, and until when it is locked.

        Two queries, whether or not somebody has it.
        """
        user = self._users.by_email(connection, email)
        if user is None:
            return None, self._lockouts.unknown_until(connection, email)
        credentials = store.credentials_of(connection, user.id)
        if credentials is None:
            return None, None
        return (user, credentials), credentials.locked_until

    async def _with_account(self, user: User) -> User:
        """Returns the user with the account open in the matching core, if that can be done now."""
        account_id = user.account_id
        if account_id is None or user.account_number is not None:
            return user
        try:
            number = await self._accounts.open_account(ulid_bytes(account_id))
            await self._database.write(
                lambda tx: self._users.number_account(tx, account_id, number)
            )
        except DomainError as error:
            # Everything but trading works; the next sign-in or refresh tries again.
            _log.warning("account not opened", account=account_id, reason=str(error))
            return user
        return replace(user, account_number=number)

    async def _begin(
        self,
        work: Callable[[Connection], list[str]],
        attempt: _Attempt,
        effect: Effect[SignedIn, M],
    ) -> M:
        """Begins a session and ends those that made room; counts a wrong second factor."""
        try:
            ended = await self._database.write(work)
        except DomainError as error:
            if error.reason == "MFA_INVALID" and attempt.user:
                self._lockouts.note_failure(attempt.user, effect)
            raise
        assert attempt.user is not None, "Who signed in is known."
        for session_id in ended:
            self._revoke(attempt.user.id, session_id=session_id)
        return effect.reply

    def _checked_again(
        self,
        transaction: Connection,
        attempt: _Attempt,
        checked: Credentials,
        better_hash: str | None,
        effect: Effect[SignedIn, M],
    ) -> list[str]:
        user, now = attempt.user, self._clock.now()
        assert user is not None, "The password was theirs."
        current = store.credentials_of(transaction, user.id)
        if current is None or current.password_hash != checked.password_hash:
            raise DomainError("BAD_CREDENTIALS")
        # Guesses made at the same time count: one of them may have locked the account.
        locked = rules.lock_refusal(current.locked_until, now)
        if locked:
            raise locked
        ended = self._open(transaction, attempt, now, effect)
        store.forget_failures(transaction, user.id)
        if better_hash:
            old = checked.password_hash
            store.set_password(transaction, user.id, old_hash=old, new_hash=better_hash, now=now)
        return ended

    def _open(
        self,
        transaction: Connection,
        attempt: _Attempt,
        now: datetime,
        effect: Effect[SignedIn, M],
    ) -> list[str]:
        user = attempt.user
        assert user is not None, "Who signs in is known."
        if user.mfa_enabled:
            self._factors.spend(transaction, user.id, attempt.mfa_code, now)
        session = self._opening.session(user, attempt.client, now)
        return self._opening.open(transaction, user, session, effect)

    def _renew(
        self, transaction: Connection, token: str, client: Client, effect: Effect[SignedIn, M]
    ) -> User | _Reused:
        now = self._clock.now()
        token_hash = refresh_token_hash(token)
        session_id = store.use_refresh_token(transaction, token_hash, now)
        if session_id is None:
            return self._reused(transaction, token_hash, now, effect)
        session = store.session_by_id(transaction, session_id)
        assert session is not None, "A token has a session."
        if session.revoked_at:
            raise DomainError("TOKEN_INVALID")
        if session.expires_at <= now:
            raise DomainError("TOKEN_EXPIRED")
        user = self._users.by_id(transaction, session.user_id)
        if user is None or user.status in {"CLOSED", "PENDING_EMAIL"}:
            raise DomainError("TOKEN_INVALID")
        refusal = rules.status_refusal(user.status)
        if refusal:
            raise refusal
        store.use_session(transaction, session_id, ip=client.ip, now=now)
        result = self._opening.tokens(transaction, user, session, now)
        effect.record(
            transaction, result, resource=f"session/{session_id}", actor=user.id, role=user.role
        )
        return user

    def _reused(
        self,
        transaction: Connection,
        token_hash: bytes,
        now: datetime,
        effect: Effect[SignedIn, M],
    ) -> _Reused:
        session_id = store.session_of_used_token(transaction, token_hash)
        session = store.session_by_id(transaction, session_id) if session_id else None
        if session is None:
            raise DomainError("TOKEN_INVALID")
        if store.revoke_session(transaction, session.id, "REUSE_DETECTED", now):
            user = self._users.by_id(transaction, session.user_id)
            effect.witness(
                transaction,
                resource=f"session/{session.id}",
                actor=session.user_id,
                role=user.role if user else "",
            )
            told = Announcement(
                "auth.refresh_reuse", now, user_id=session.user_id, about=session.id,
                data={"device": session.device, "ip": session.ip},
            )  # fmt: skip
            announce(transaction, told)
        return _Reused(session.user_id, session.id)
