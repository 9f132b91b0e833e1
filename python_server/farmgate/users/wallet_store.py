"""Queries of wallets and their challenges."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from farmgate.users.tables import users, wallet_challenges


def insert_challenge(
    connection: Connection, *, nonce: str, user_id: str, address: str, issued_at: datetime,
    expires_at: datetime,
) -> None:  # fmt: skip
    """Stores a challenge; those that are over are forgotten."""
    connection.execute(delete(wallet_challenges).where(wallet_challenges.c.expires_at < issued_at))
    connection.execute(
        insert(wallet_challenges).values(
            nonce=nonce, user_id=user_id, address=address, expires_at=expires_at
        )
    )


def use_challenge(
    connection: Connection, nonce: str, user_id: str, address: str, now: datetime
) -> datetime | None:
    """Uses a challenge up; returns when it would have expired, or None when there is none."""
    table = wallet_challenges.c
    row = connection.execute(
        update(wallet_challenges)
        .where(
            table.nonce == nonce,
            table.user_id == user_id,
            table.address == address,
            table.expires_at > now,
            table.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(table.expires_at)
    ).first()
    return row.expires_at if row is not None else None


def user_of_wallet(connection: Connection, address: str) -> str | None:
    """Returns the user whose wallet it is, or None."""
    found = connection.execute(select(users.c.id).where(users.c.wallet_address == address))
    return found.scalar()


def set_wallet(connection: Connection, user_id: str, address: str | None, now: datetime) -> bool:
    """Stores the wallet of a user; returns False when it is somebody else's."""
    values = {"wallet_address": address, "wallet_verified_at": now if address else None}
    try:
        with connection.begin_nested():
            connection.execute(
                update(users)
                .where(users.c.id == user_id)
                .values(**values, version=users.c.version + 1)
            )
    except IntegrityError:
        return False
    return True
