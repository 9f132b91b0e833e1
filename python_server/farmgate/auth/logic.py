"""Use cases of signing in: register, log in, refresh, log out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.auth import rules, store
from farmgate.auth.lockouts import Lockouts
from farmgate.auth.passwords import Passwords
from farmgate.auth.store import Credentials, Session
from farmgate.auth.tokens import Rights, Subject, Tokens, new_refresh_token, refresh_token_hash
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

_USER_AGENT_LENGTH_MAX: Final = 256
# More can't be open: each sign-in ends those above the limit, which is far lower.
_OPEN_SESSIONS_MAX: Final = 1_000
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Reused:
    user_id: str
    session_id: str


class SignIn:
    """Registers people, signs them in and out, and renews their tokens."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        passwords: Passwords,
        lockouts: Lockouts,
        tokens: Tokens,
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
        self._tokens = tokens
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
        found = await self._database.read(lambda tx: self._find(tx, email))
        if found is None:
            await self._passwords.fits(password, None)
            raise DomainError("BAD_CREDENTIALS")
        user, credentials = found
        locked = rules.lock_refusal(credentials.locked_until, self._clock.now())
        if locked:
            raise locked
        if not await self._passwords.fits(password, credentials.password_hash):
            self._lockouts.note_failure(user, effect)
            raise DomainError("BAD_CREDENTIALS")
        refusal = rules.status_refusal(user.status)
        if refusal:
            raise refusal
        if user.mfa_enabled:
            raise DomainError("MFA_INVALID" if mfa_code else "MFA_REQUIRED")
        better_hash = None
        if self._passwords.is_weak(credentials.password_hash):
            better_hash = await self._passwords.hash(password)
        user = await self._with_account(user)
        await self._lockouts.settle()
        return await self._begin_session(user, credentials, better_hash, client, effect)

    async def wallet_challenge(self, address: str, effect: Effect[Challenge, M]) -> M:
        """Gives a message to sign in by; it tells nothing of whether the wallet is known."""

        def issue(transaction: Connection) -> None:
            challenge = self._wallets.issue(transaction, address, "", self._clock.now())
            effect.record(transaction, challenge)

        await self._database.write(issue)
        return effect.reply

    async def wallet_log_in(
        self, message: str, signature: str, client: Client, effect: Effect[SignedIn, M]
    ) -> M:
        """Signs in whose wallet signed a challenge.

        Raises:
            DomainError: What `Wallets.proved` raises, BAD_CREDENTIALS for a wallet that is linked
                to nobody, MFA_REQUIRED, or what keeps the user from signing in.
        """
        now = self._clock.now()

        def begin(transaction: Connection) -> tuple[User, list[str]]:
            address = self._wallets.proved(transaction, message, signature, "", now)
            user = self._users.by_wallet(transaction, address)
            if user is None:
                raise DomainError("BAD_CREDENTIALS")
            refusal = rules.status_refusal(user.status)
            if refusal:
                raise refusal
            if user.mfa_enabled:
                raise DomainError("MFA_REQUIRED")
            session = self._session(user, client, now)
            return user, self._open(transaction, user, session, effect)

        user, ended = await self._database.write(begin)
        for session_id in ended:
            self._revoke(user.id, session_id=session_id)
        return effect.reply

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

    def _find(self, connection: Connection, email: str) -> tuple[User, Credentials] | None:
        user = self._users.by_email(connection, email)
        credentials = store.credentials_of(connection, user.id) if user else None
        return (user, credentials) if user and credentials else None

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

    async def _begin_session(
        self,
        user: User,
        checked: Credentials,
        better_hash: str | None,
        client: Client,
        effect: Effect[SignedIn, M],
    ) -> M:
        now = self._clock.now()
        session = self._session(user, client, now)

        def begin(transaction: Connection) -> list[str]:
            current = store.credentials_of(transaction, user.id)
            if current is None or current.password_hash != checked.password_hash:
                raise DomainError("BAD_CREDENTIALS")
            # Guesses made at the same time count: one of them may have locked the account.
            locked = rules.lock_refusal(current.locked_until, now)
            if locked:
                raise locked
            store.forget_failures(transaction, user.id)
            if better_hash:
                store.set_password(
                    transaction,
                    user.id,
                    old_hash=checked.password_hash,
                    new_hash=better_hash,
                    now=now,
                )
            return self._open(transaction, user, session, effect)

        for ended in await self._database.write(begin):
            self._revoke(user.id, session_id=ended)
        return effect.reply

    def _open(
        self, transaction: Connection, user: User, session: Session, effect: Effect[SignedIn, M]
    ) -> list[str]:
        """Stores a session and records its tokens; returns the sessions that made room."""
        now = session.created_at
        ended = self._make_room(transaction, user.id, now)
        if store.is_first_from(transaction, session):
            announce(transaction, _new_login(session))
        store.insert_session(transaction, session)
        self._users.signed_in(transaction, user.id, now)
        result = self._tokens_of(transaction, replace(user, last_login_at=now), session, now)
        effect.record(
            transaction, result, resource=f"session/{session.id}", actor=user.id, role=user.role
        )
        return ended

    def _session(self, user: User, client: Client, now: datetime) -> Session:
        return Session(
            id=self._ids.ulid(),
            user_id=user.id,
            device=rules.device(client.user_agent),
            ip=client.ip,
            user_agent=client.user_agent[:_USER_AGENT_LENGTH_MAX],
            created_at=now,
            last_used_at=now,
            expires_at=now + timedelta(seconds=self._policy.refresh_ttl_s),
            revoked_at=None,
        )

    def _make_room(self, transaction: Connection, user_id: str, now: datetime) -> list[str]:
        """Ends the oldest sessions above the limit, one place left; returns their IDs."""
        held = store.open_sessions(transaction, user_id, now, before=None, limit=_OPEN_SESSIONS_MAX)
        ended = [session.id for session in held[self._policy.sessions_max - 1 :]]
        for session_id in ended:
            store.revoke_session(transaction, session_id, "SESSION_LIMIT", now)
        return ended

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
        result = self._tokens_of(transaction, user, session, now)
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

    def _tokens_of(
        self, transaction: Connection, user: User, session: Session, now: datetime
    ) -> SignedIn:
        refresh_token = new_refresh_token()
        store.insert_refresh_token(transaction, refresh_token_hash(refresh_token), session.id, now)
        subject = Subject(
            user_id=user.id,
            session_id=session.id,
            session_version=user.session_version,
        )
        rights = Rights(
            role=user.role,
            kyc_level=user.kyc_level,
            account_id=user.account_id,
            account_number=user.account_number,
        )
        return SignedIn(
            access_token=self._tokens.access(subject, rights, self._ids.ulid()),
            expires_in_s=self._tokens.access_ttl_s,
            refresh_token=refresh_token,
            refresh_expires_in_s=int((session.expires_at - now).total_seconds()),
            user=user,
        )


def _new_login(session: Session) -> Announcement:
    return Announcement(
        "auth.new_login", session.created_at, user_id=session.user_id, about=session.id,
        data={"device": session.device, "ip": session.ip},
    )  # fmt: skip
