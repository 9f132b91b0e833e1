"""Replies kept for repeats of a call with the same idempotency key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.db.schema import Ulid, UtcTime, metadata

kept_replies: Final = Table(
    "kept_replies",
    metadata,
    Column("caller", String(32), primary_key=True),
    Column("method", String(128), primary_key=True),
    Column("key", String(255), primary_key=True),
    # Empty until known: a streamed request's hash is known at its end.
    Column("request_hash", LargeBinary(32), nullable=False),
    # Who carries the request out; a taken-over claim has another holder.
    Column("holder", Ulid, nullable=False),
    Column("claimed_until", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("reply", LargeBinary, nullable=True),
)

RETENTION: Final = timedelta(hours=24)
# Longer than any deadline of a call that can be claimed: while it runs, nobody takes it over.
CLAIM: Final = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one call's reply.

    Attributes:
        caller: User ID, or "public".
        method: Full name of the method.
        key: The idempotency key.
        holder: ULID of the attempt that carries the request out.
    """

    caller: str
    method: str
    key: str
    holder: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A slot somebody claimed before.

    Attributes:
        request_hash: Hash of the request; empty while a streamed one is under way.
        reply: The reply; None while the request is being carried out.
    """

    request_hash: bytes
    reply: bytes | None


class ClaimLostError(Exception):
    """Another attempt took the claim over; what this one did must not be committed."""


def claim(connection: Connection, slot: Slot, request_hash: bytes, now: datetime) -> Kept | None:
    """Returns None when the slot is now the caller's to fill, or what is in it."""
    values = {
        "request_hash": request_hash,
        "holder": slot.holder,
        "claimed_until": now + CLAIM,
        "created_at": now,
        "reply": None,
    }
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    inserted = connection.execute(
        dialect_insert(kept_replies)
        .values(caller=slot.caller, method=slot.method, key=slot.key, **values)
        .on_conflict_do_nothing()
        .returning(kept_replies.c.holder)
    ).first()
    if inserted:
        return None
    row = connection.execute(_at(slot)).first()
    if row is None or not _is_vacant(row, now):
        # A row gone since belongs to a call that was refused just now: "in progress" is fair.
        return Kept(row.request_hash, row.reply) if row else Kept(request_hash, None)
    taken = connection.execute(
        update(kept_replies)
        .where(_is(slot), kept_replies.c.holder == row.holder)
        .values(**values)
        .returning(kept_replies.c.holder)
    ).first()
    return None if taken else Kept(request_hash, None)


def fill(connection: Connection, slot: Slot, request_hash: bytes, reply: bytes) -> None:
    """Keeps the reply.

    Raises:
        ClaimLostError: Another attempt took the claim over.
    """
    filled = connection.execute(
        update(kept_replies)
        .where(_is(slot), kept_replies.c.holder == slot.holder, kept_replies.c.reply.is_(None))
        .values(request_hash=request_hash, reply=reply)
        .returning(kept_replies.c.holder)
    ).first()
    if not filled:
        raise ClaimLostError


def release(connection: Connection, slot: Slot) -> None:
    """Gives the slot of a refused call back: nothing was changed, so a repeat starts afresh."""
    connection.execute(
        delete(kept_replies).where(
            _is(slot), kept_replies.c.holder == slot.holder, kept_replies.c.reply.is_(None)
        )
    )


def purge(connection: Connection, now: datetime) -> int:
    """Forgets replies older than the retention; returns how many."""
    old = connection.execute(
        delete(kept_replies).where(kept_replies.c.created_at < now - RETENTION)
    )
    return int(old.rowcount)


def _is_vacant(row: Row[tuple[object, ...]], now: datetime) -> bool:
    if row.reply is None:
        return bool(row.claimed_until < now)
    return bool(row.created_at < now - RETENTION)


def _at(slot: Slot):  # type: ignore[no-untyped-def] # noqa: ANN202 - Nothing names a select well.
    return select(kept_replies).where(_is(slot))


def _is(slot: Slot):  # type: ignore[no-untyped-def] # noqa: ANN202 - As _at.
    table = kept_replies.c
    return (table.caller == slot.caller) & (table.method == slot.method) & (table.key == slot.key)
