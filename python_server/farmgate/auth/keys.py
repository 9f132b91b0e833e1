"""Use cases of API keys."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.auth import key_store, rules
from farmgate.auth.key_store import ApiKey
from farmgate.auth.values import Revoke
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

M = TypeVar("M", bound=Serializable)

KEY_PREFIX: Final = "fgk_"
_SECRET_BYTES: Final = 32
# Of the secret, as its owner sees it in the list: far too little to guess the rest.
_SHOWN_LENGTH: Final = 12
_KEYS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class KeyWithSecret:
    """A key and the secret that is told once."""

    key: ApiKey
    secret: str


class ApiKeys:
    """Makes, lists and revokes keys for programs."""

    def __init__(self, database: Database, ids: Ids, clock: Clock, revoke: Revoke) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._revoke = revoke

    async def create(
        self, user_id: str, name: str, *, scopes: Sequence[str], networks: Sequence[str],
        expires_s: int | None, effect: Effect[KeyWithSecret, M],
    ) -> M:  # fmt: skip
        """Makes a key; returns the reply.

        Raises:
            DomainError: INVALID_ARGUMENT or KEY_LIMIT.
        """
        now = self._clock.now()
        secret = KEY_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        key = ApiKey(
            id=self._ids.ulid(), user_id=user_id, name=rules.key_name(name),
            prefix=secret[:_SHOWN_LENGTH], scopes=tuple(sorted(set(scopes))),
            allowed_networks=rules.networks(networks), created_at=now,
            expires_at=rules.key_expiry(expires_s, now), last_used_at=None, revoked_at=None,
        )  # fmt: skip

        def add(transaction: Connection) -> None:
            if key_store.key_count(transaction, user_id) >= _KEYS_MAX:
                raise DomainError("KEY_LIMIT", maximum=_KEYS_MAX)
            key_store.insert_key(transaction, key, secret_hash(secret))
            told = {"name": key.name, "scopes": " ".join(key.scopes)}
            announce(
                transaction,
                Announcement("auth.key_created", now, user_id=user_id, about=key.id, data=told),
            )
            effect.record(transaction, KeyWithSecret(key, secret), resource=f"key/{key.id}")

        await self._database.write(add)
        return effect.reply

    async def page(self, user_id: str, *, before: str, limit: int) -> list[ApiKey]:
        """Returns keys of a user, newest first."""
        return await self._database.read(
            lambda tx: key_store.keys_of(tx, user_id, before=before, limit=limit)
        )

    async def revoke(self, user_id: str, key_id: str, effect: Effect[None, M]) -> M:
        """Revokes a key and ends its streams; returns the reply.

        Raises:
            DomainError: NOT_FOUND.
        """
        now = self._clock.now()

        def end(transaction: Connection) -> None:
            if not key_store.revoke_key(transaction, user_id, key_id, now):
                raise DomainError("NOT_FOUND", resource="key", id=key_id)
            effect.record(transaction, None, resource=f"key/{key_id}")

        await self._database.write(end)
        self._revoke(user_id, session_id=key_id)
        return effect.reply


def secret_hash(secret: str) -> bytes:
    """Returns what is kept of a secret; nobody can guess 256 bits, so no salt."""
    return hashlib.sha256(secret.encode()).digest()
