"""Queries of second factors and recovery codes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from farmgate.auth.tables import mfa_factors, recovery_codes


@dataclass(frozen=True, slots=True)
class Factor:
    """The authenticator of a user.

    Attributes:
        secret: Encrypted.
        last_step: Time step of the last code that was taken.
        is_confirmed: Whether it is in use.
    """

    secret: bytes
    last_step: int
    is_confirmed: bool


def factor_of(connection: Connection, user_id: str) -> Factor | None:
    """Returns the factor of a user, also one not in use yet, or None."""
    row = connection.execute(select(mfa_factors).where(mfa_factors.c.user_id == user_id)).first()
    return Factor(row.secret, row.last_step, row.confirmed_at is not None) if row else None


def replace_factor(connection: Connection, user_id: str, secret: bytes, now: datetime) -> None:
    """Stores a factor that is not in use yet, in the place of one that never was."""
    remove_factor(connection, user_id)
    connection.execute(
        insert(mfa_factors).values(user_id=user_id, secret=secret, last_step=0, created_at=now)
    )


def use_step(connection: Connection, user_id: str, step: int) -> bool:
    """Takes the code of a time step. Returns False when it or a later one was taken before."""
    taken = connection.execute(
        update(mfa_factors)
        .where(mfa_factors.c.user_id == user_id, mfa_factors.c.last_step < step)
        .values(last_step=step)
        .returning(mfa_factors.c.user_id)
    ).first()
    return taken is not None


def confirm_factor(
    connection: Connection, user_id: str, code_hashes: Iterable[bytes], now: datetime
) -> None:
    """Puts a factor in use, with its recovery codes."""
    connection.execute(
        update(mfa_factors).where(mfa_factors.c.user_id == user_id).values(confirmed_at=now)
    )
    connection.execute(
        insert(recovery_codes), [{"code_hash": one, "user_id": user_id} for one in code_hashes]
    )


def use_recovery_code(
    connection: Connection, user_id: str, code_hash: bytes, now: datetime
) -> bool:
    """Takes a recovery code. Returns False when the user has no such one, or used it before."""
    taken = connection.execute(
        update(recovery_codes)
        .where(
            recovery_codes.c.code_hash == code_hash,
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(recovery_codes.c.user_id)
    ).first()
    return taken is not None


def remove_factor(connection: Connection, user_id: str) -> None:
    """Removes the factor of a user and its recovery codes."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    connection.execute(delete(mfa_factors).where(mfa_factors.c.user_id == user_id))
