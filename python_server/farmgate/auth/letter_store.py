"""Queries of letters that prove who reads a mailbox."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from farmgate.auth.tables import letters


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that waits to be sent."""

    id: str
    purpose: str
    email: str
    attempts: int
    expires_at: datetime


def add(
    connection: Connection, letter_id: str, purpose: str, email: str, *, now: datetime,
    expires_at: datetime,
) -> None:  # fmt: skip
    """Stores that a letter was asked for."""
    connection.execute(
        insert(letters).values(
            id=letter_id, purpose=purpose, email=email, state="PENDING", attempts=0,
            requested_at=now, due_at=now, expires_at=expires_at,
        )
    )  # fmt: skip


def due(connection: Connection, now: datetime, limit: int) -> list[Letter]:
    """Returns letters to be sent now, the oldest first."""
    rows = connection.execute(
        select(letters)
        .where(letters.c.state == "PENDING", letters.c.due_at <= now)
        .order_by(letters.c.id)
        .limit(limit)
    )
    return [Letter(row.id, row.purpose, row.email, row.attempts, row.expires_at) for row in rows]


def others_since(connection: Connection, letter: Letter, since: datetime) -> int:
    """Returns how many other letters of its purpose its address was or is being sent since then."""
    query = select(func.count()).select_from(letters)
    is_alike = (letters.c.email == letter.email) & (letters.c.purpose == letter.purpose)
    is_other = (letters.c.id != letter.id) & letters.c.user_id.is_not(None)
    is_recent = letters.c.requested_at >= since
    return int(connection.execute(query.where(is_alike, is_other, is_recent)).scalar_one())


def claim(
    connection: Connection, letter_id: str, user_id: str, *, now: datetime, until: datetime
) -> bool:
    """Stores whose letter it is, and keeps other processes from sending it for a while.

    Returns False when another one sends it.
    """
    claimed = connection.execute(
        update(letters)
        .where(letters.c.id == letter_id, letters.c.state == "PENDING", letters.c.due_at <= now)
        .values(user_id=user_id, due_at=until)
        .returning(letters.c.id)
    ).first()
    return claimed is not None


def note(
    connection: Connection, letter_id: str, state: str, *, attempts: int, due_at: datetime | None
) -> None:
    """Stores what became of a letter."""
    connection.execute(
        update(letters)
        .where(letters.c.id == letter_id)
        .values(state=state, attempts=attempts, due_at=due_at)
    )


def use(connection: Connection, letter_id: str, purpose: str, now: datetime) -> str | None:
    """Uses a letter up; returns whose it was, or None when it is unknown, used or too old."""
    row = connection.execute(
        update(letters)
        .where(
            letters.c.id == letter_id,
            letters.c.purpose == purpose,
            letters.c.user_id.is_not(None),
            letters.c.used_at.is_(None),
            letters.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(letters.c.user_id)
    ).first()
    return row.user_id if row else None


def use_others(connection: Connection, user_id: str, purpose: str, now: datetime) -> None:
    """Uses up what other letters of this purpose a user was sent."""
    connection.execute(
        update(letters)
        .where(
            letters.c.user_id == user_id, letters.c.purpose == purpose, letters.c.used_at.is_(None)
        )
        .values(used_at=now)
    )


def purge(connection: Connection, before: datetime) -> None:
    """Forgets letters that were asked for before this time."""
    connection.execute(delete(letters).where(letters.c.requested_at < before))
