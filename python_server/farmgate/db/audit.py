"""The audit log: one row a change, each sealed with the hash of the one before."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Column, Connection, Index, Row, String, Table, Text, func, insert, select

from farmgate.db.schema import BigKey, UtcTime, metadata

audit_log: Final = Table(
    "audit_log",
    metadata,
    Column("sequence", BigKey, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(26), nullable=False),
    Column("role", String(16), nullable=False),
    Column("action", String(96), nullable=False),
    Column("resource", String(128), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("ip", String(45), nullable=False),
    # Why, in the words of whoever did it, and what changed, as JSON; empty for most changes.
    Column("reason", String(500), nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "actor", "sequence"),
    Index(None, "resource", "sequence"),
)

GENESIS_HASH: Final = "0" * 64
# Any number will do that no other advisory lock of the database uses.
_LOCK_KEY: Final = 0x46415544
_PAGE_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What an audit row says.

    Attributes:
        at: When it happened.
        actor: User ID, or "" for a caller who is not signed in.
        role: Role of the actor, such as "TRADER", or "PUBLIC".
        action: Full name of the method, without the leading slash.
        resource: What was changed, such as "user/01J...", or "".
        request_id: ID of the request, also in the logs.
        ip: Address of the caller.
        reason: Why, in the caller's words; admins give one.
        detail: What changed, as a JSON object.
    """

    at: datetime
    actor: str
    role: str
    action: str
    resource: str
    request_id: str
    ip: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An audit row as stored."""

    sequence: int
    entry: Entry
    previous_hash: str
    hash: str


def append(connection: Connection, entry: Entry) -> Sealed:
    """Writes an entry at the end of the log, in the transaction of the change it tells of.

    Do it last in the transaction: on PostgreSQL it waits for other writers of the log.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))
    last = connection.execute(
        select(audit_log.c.sequence, audit_log.c.hash)
        .order_by(audit_log.c.sequence.desc())
        .limit(1)
    ).first()
    sequence, previous = (last.sequence + 1, last.hash) if last else (1, GENESIS_HASH)
    sealed = Sealed(sequence, entry, previous, seal(sequence, entry, previous))
    connection.execute(
        insert(audit_log).values(
            sequence=sequence,
            at=entry.at,
            actor=entry.actor,
            role=entry.role,
            action=entry.action,
            resource=entry.resource,
            request_id=entry.request_id,
            ip=entry.ip,
            reason=entry.reason,
            detail=entry.detail,
            previous_hash=previous,
            hash=sealed.hash,
        )
    )
    return sealed


def seal(sequence: int, entry: Entry, previous_hash: str) -> str:
    """Returns the SHA-256 over an entry, its place and the hash before, as hexadecimal."""
    parts = [
        sequence,
        entry.at.isoformat(timespec="microseconds"),
        entry.actor,
        entry.role,
        entry.action,
        entry.resource,
        entry.request_id,
        entry.ip,
        previous_hash,
    ]
    if entry.reason or entry.detail:
        # Rows without them are sealed as they were before there were such columns.
        parts += [entry.reason, entry.detail]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def rows(connection: Connection) -> Iterator[Sealed]:
    """Returns the whole log in order, a page at a time."""
    sequence = 0
    while True:
        page = connection.execute(
            select(audit_log)
            .where(audit_log.c.sequence > sequence)
            .order_by(audit_log.c.sequence)
            .limit(_PAGE_ROWS)
        ).all()
        yield from map(sealed, page)
        if len(page) < _PAGE_ROWS:
            return
        sequence = page[-1].sequence


def sealed(row: Row[Any]) -> Sealed:
    """Returns the audit row of a row of the table."""
    entry = Entry(
        row.at, row.actor, row.role, row.action, row.resource, row.request_id, row.ip, row.reason,
        row.detail,
    )  # fmt: skip
    return Sealed(row.sequence, entry, row.previous_hash, row.hash)


class Checked(Iterator[Sealed]):
    """Audit rows on their way to a check, counted.

    Args:
        rows: The rows in order.
    """

    def __init__(self, rows: Iterator[Sealed]) -> None:
        self._rows = rows
        self.count = 0
        self.last_hash = ""

    def __next__(self) -> Sealed:
        """Returns the next row."""
        row = next(self._rows)
        self.count += 1
        self.last_hash = row.hash
        return row


def first_fault(log: Iterator[Sealed], *, head: str | None = None, after: int = 0) -> int | None:
    """Returns the sequence at which the log was tampered with, or None when it is whole.

    Args:
        log: The rows in order.
        head: Hash of the last row as kept elsewhere; without it a cut end goes unseen.
        after: Sequence of the row that comes first and is taken as it is; 0 when the log is
            checked from its beginning.
    """
    nobody = Entry(datetime.min, "", "", "", "", "", "")  # noqa: DTZ901 - It is no time.
    before = Sealed(0, nobody, "", GENESIS_HASH)
    if after:
        first = next(log, None)
        if first is None or first.sequence != after:
            return after
        before = first
    last = before
    for previous, row in pairwise(_chain(before, log)):
        is_next = row.sequence == previous.sequence + 1 and row.previous_hash == previous.hash
        if not is_next or row.hash != seal(row.sequence, row.entry, row.previous_hash):
            return row.sequence
        last = row
    if head is not None and head != last.hash:
        return last.sequence + 1
    return None


def _chain(first: Sealed, rest: Iterator[Sealed]) -> Iterator[Sealed]:
    yield first
    yield from rest
