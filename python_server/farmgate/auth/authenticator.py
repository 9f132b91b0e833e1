"""Finds out whose token it is, and whether its session still holds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Final

from sqlalchemy import Connection

from farmgate.auth import key_store, store
from farmgate.auth.key_store import ApiKey
from farmgate.auth.keys import KEY_PREFIX, secret_hash
from farmgate.auth.store import Session
from farmgate.auth.tokens import Claims, Tokens
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.rpc.call import Principal
from farmgate.rpc.methods import role_numbers
from farmgate.users.facade import User, Users

_ROLES = role_numbers()
# A key without an end holds as long as nobody revokes it.
_FOREVER: Final = float("inf")
# What is told of a key's last use is that exact, and costs a write so often.
_USE_NOTED_EVERY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Found:
    user: User
    session: Session


class Authenticator:
    """Verifies access tokens and stream tickets; `rpc.access.Grants` remembers what it finds.

    The signature says whose token it is; the database says, once for each token and process, that
    the session was not ended. Later endings arrive by `auth.jobs.Revocations`.
    """

    def __init__(
        self, database: Database, users: Users, tokens: Tokens, clock: Clock, *,
        mfa_roles: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._database = database
        self._users = users
        self._tokens = tokens
        self._clock = clock
        self._mfa_roles = mfa_roles

    async def access(self, token: str) -> Principal:
        """Returns the principal of an access token or an API key.

        Raises:
            DomainError: TOKEN_EXPIRED, TOKEN_INVALID, ACCOUNT_SUSPENDED or UNAVAILABLE.
        """
        if token.startswith(KEY_PREFIX):
            return await self._key(token)
        claims = self._tokens.verified_access(token)
        found = await self._database.read(lambda tx: self._find(tx, claims))
        return self._principal(found, claims, float(claims.expires_at))

    async def ticket(self, token: str) -> Principal:
        """Returns the principal of a stream ticket, and spends it.

        Its stream may last as long as an access token that was made with it.

        Raises:
            DomainError: STREAM_TICKET_INVALID or UNAVAILABLE.
        """
        claims = self._tokens.verified_ticket(token)
        expires_at = datetime.fromtimestamp(claims.expires_at, UTC)

        def redeem(transaction: Connection) -> _Found:
            if not store.spend_ticket(transaction, claims.token_id, expires_at):
                raise DomainError("STREAM_TICKET_INVALID")
            return self._find(transaction, claims)

        try:
            found = await self._database.write(redeem)
        except DomainError as error:
            if error.reason == "UNAVAILABLE":
                raise
            raise DomainError("STREAM_TICKET_INVALID") from error
        made_at = claims.expires_at - self._tokens.ticket_ttl_s
        return self._principal(found, claims, float(made_at + self._tokens.access_ttl_s))

    def _find(self, connection: Connection, claims: Claims) -> _Found:
        session = store.session_by_id(connection, claims.session_id)
        if session is None or session.user_id != claims.user_id or session.revoked_at:
            raise DomainError("TOKEN_INVALID")
        if session.expires_at <= self._clock.now():
            raise DomainError("TOKEN_EXPIRED")
        return _Found(self._holder(connection, claims.user_id, claims.session_version), session)

    def _holder(
        self, connection: Connection, user_id: str, session_version: int | None = None
    ) -> User:
        user = self._users.by_id(connection, user_id)
        if user and session_version is not None and session_version < user.session_version:
            raise DomainError("TOKEN_INVALID")
        if user and user.status in {"SUSPENDED", "LOCKED"}:
            raise DomainError("ACCOUNT_SUSPENDED")
        if user is None or user.status != "ACTIVE":
            raise DomainError("TOKEN_INVALID")
        return user

    async def _key(self, secret: str) -> Principal:
        hashed, now = secret_hash(secret), self._clock.now()

        def find(connection: Connection) -> tuple[ApiKey, User]:
            key = key_store.key_by_secret(connection, hashed)
            if key is None or key.revoked_at:
                raise DomainError("TOKEN_INVALID")
            if key.expires_at and key.expires_at <= now:
                raise DomainError("TOKEN_EXPIRED")
            return key, self._holder(connection, key.user_id)

        key, user = await self._database.read(find)
        if key.last_used_at is None or now - key.last_used_at >= _USE_NOTED_EVERY:
            await self._database.write(lambda tx: key_store.use_key(tx, key.id, now))
        return Principal(
            user_id=user.id,
            session_id=key.id,
            session_version=user.session_version,
            role=_ROLES[user.role],
            kyc_level=user.kyc_level,
            account_id=user.account_id,
            account_number=user.account_number,
            expires_at=key.expires_at.timestamp() if key.expires_at else _FOREVER,
            scopes=frozenset(key.scopes),
            networks=tuple(ip_network(one) for one in key.allowed_networks),
            lacks_mfa=self._lacks_mfa(user),
        )

    def _lacks_mfa(self, user: User) -> bool:
        return user.role in self._mfa_roles and not user.mfa_enabled

    def _principal(self, found: _Found, claims: Claims, expires_at: float) -> Principal:
        # What the user may do is taken from the row, which is never older than the token.
        user = found.user
        return Principal(
            user_id=user.id,
            session_id=found.session.id,
            session_version=claims.session_version,
            role=_ROLES[user.role],
            kyc_level=user.kyc_level,
            account_id=user.account_id,
            account_number=user.account_number,
            expires_at=min(expires_at, found.session.expires_at.timestamp()),
            lacks_mfa=self._lacks_mfa(user),
        )
