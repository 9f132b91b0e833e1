"""Queries of API keys."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, insert, select, update

from farmgate.auth.tables import api_keys


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs.

    Attributes:
        prefix: First characters of the secret, by which its owner knows it.
        scopes: What it may do.
        allowed_networks: Where it may be used from, as CIDR; empty for anywhere.
    """

    id: str
    user_id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    allowed_networks: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


def insert_key(connection: Connection, key: ApiKey, secret_hash: bytes) -> None:
    """Stores a new key."""
    connection.execute(
        insert(api_keys).values(
            id=key.id, user_id=key.user_id, name=key.name, prefix=key.prefix,
            secret_hash=secret_hash, scopes=" ".join(key.scopes),
            allowed_networks=" ".join(key.allowed_networks), created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )  # fmt: skip


def key_by_secret(connection: Connection, secret_hash: bytes) -> ApiKey | None:
    """Returns the key of this secret, also one that is over, or None."""
    return _key(
        connection.execute(select(api_keys).where(api_keys.c.secret_hash == secret_hash)).first()
    )


def keys_of(connection: Connection, user_id: str, *, before: str, limit: int) -> list[ApiKey]:
    """Returns the keys of a user that were not revoked, newest first.

    Args:
        connection: The transaction.
        user_id: Whose keys.
        before: Only those older than the key of this ID; empty for all.
        limit: At most so many.
    """
    query = select(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
    if before:
        query = query.where(api_keys.c.id < before)
    rows = connection.execute(query.order_by(api_keys.c.id.desc()).limit(limit)).all()
    return [key for row in rows if (key := _key(row))]


def key_count(connection: Connection, user_id: str) -> int:
    """Returns how many keys a user has that were not revoked."""
    query = select(func.count()).select_from(api_keys)
    is_kept = (api_keys.c.user_id == user_id) & api_keys.c.revoked_at.is_(None)
    return int(connection.execute(query.where(is_kept)).scalar_one())


def use_key(connection: Connection, key_id: str, now: datetime) -> None:
    """Stores that a key was used."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now))


def revoke_key(connection: Connection, user_id: str, key_id: str, now: datetime) -> bool:
    """Revokes a key. Returns False when the user has no such one any more."""
    revoked = connection.execute(
        update(api_keys)
        .where(
            api_keys.c.id == key_id, api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None)
        )
        .values(revoked_at=now)
        .returning(api_keys.c.id)
    ).first()
    return revoked is not None


def revoked_since(connection: Connection, since: datetime) -> list[tuple[str, str]]:
    """Returns the keys that were revoked since then, each as user ID and key ID."""
    rows = connection.execute(
        select(api_keys.c.user_id, api_keys.c.id).where(api_keys.c.revoked_at >= since)
    )
    return [(row.user_id, row.id) for row in rows]


def _key(row: Row[tuple[object, ...]] | None) -> ApiKey | None:
    if row is None:
        return None
    return ApiKey(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        scopes=tuple(row.scopes.split()),
        allowed_networks=tuple(row.allowed_networks.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
