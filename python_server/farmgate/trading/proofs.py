"""Receipts of orders, proofs that records are in the journal, and the journal itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching
from farmgate.ports.proofs import PublicJournal, inclusion_path
from farmgate.rpc.call import Call
from farmgate.trading import proof_store, store
from farmgate.trading.accounts import Readable
from farmgate.trading.history import History
from farmgate.trading.proof_days import Anchors, Days
from farmgate.trading.proof_keys import ProofKeys

# Records between two places from which the journal can be read.
_MARK_RECORDS: Final = 4_096
_CHUNK_BYTES: Final = 256 * 1024
# Each reads up to a few megabytes; more at once would only wait for the processor.
_READS_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the exchange signs for an order."""

    order_id: int
    sequence: int
    leaf: str
    chain: str
    signature: str
    salt: str


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A record's way to the root of its day."""

    day: Any
    index: int
    count: int
    leaf: str
    path: list[str]


class Proofs:
    """Reads the journal in its public form.

    Args:
        matching: The core.
        readable: Knows whose accounts a call reaches.
        history: Where orders are found.
        database: Where closed days are rows.
        clock: Tells the time.
        journal: Folder of the journal.
        keys: The keys of proofs.
        days: The days' files.
        anchors: Knows the chain.
    """

    def __init__(
        self, matching: Matching, readable: Readable, history: History, database: Database,
        clock: Clock, journal: Path, keys: ProofKeys, days: Days, anchors: Anchors,
    ) -> None:  # fmt: skip
        self._matching = matching
        self._readable = readable
        self._history = history
        self._database = database
        self._clock = clock
        self._journal = journal
        self._keys = keys
        self._days = days
        self._anchors = anchors
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)

    @property
    def public_key(self) -> str:
        """Returns the public key of receipts, as hexadecimal."""
        return self._keys.public

    async def mark(self) -> None:
        """Keeps places of the journal, so that a receipt reads little of it."""
        place = await self._database.read(lambda tx: proof_store.mark_at(tx, 2**63 - 1))
        walker = PublicJournal(self._journal, self._keys.cover, place)
        while await asyncio.to_thread(walker.walk, _MARK_RECORDS) >= _MARK_RECORDS:
            (sequence, _), kept = walker.head, walker.place
            await self._database.write(
                lambda tx, sequence=sequence, kept=kept: proof_store.insert_mark(  # type: ignore[misc] # mypy does not see defaults.
                    tx, sequence, kept
                )
            )

    async def receipt(self, order_id: int, call: Call) -> Receipt:
        """Returns the receipt of an order that the caller may see.

        Raises:
            DomainError: ORDER_NOT_FOUND, or READ_BEHIND.
        """
        unknown = DomainError("ORDER_NOT_FOUND", order_id=order_id)
        if not 0 < order_id < 2**63:
            raise unknown
        own = call.caller.account_number
        expected = self._matching.account_sequence(own) if own is not None else 0
        row, _ = await self._history.read(lambda tx: store.order(tx, order_id), expected=expected)
        if row is None or await self._readable.covered(call, row.account) is None:
            raise unknown
        if not row.accept_sequence:
            # From before this was kept.
            raise DomainError("NOT_FOUND", resource="receipt of order", id=order_id)
        found = await self._find(row.accept_sequence)
        if found is None:
            raise DomainError("READ_BEHIND", reached=0, wanted=row.accept_sequence)
        leaf, chain = found
        salt = PublicJournal(self._journal, self._keys.cover, b"").salt(row.account)
        signature = self._keys.signature(row.accept_sequence, order_id, chain)
        return Receipt(order_id, row.accept_sequence, leaf, chain, signature, salt)

    async def _find(self, sequence: int) -> tuple[str, str] | None:
        place = await self._database.read(lambda tx: proof_store.mark_at(tx, sequence))
        async with self._reads:
            walker = PublicJournal(self._journal, self._keys.cover, place)
            return await asyncio.to_thread(walker.find, sequence)

    async def inclusion(self, sequence: int) -> Inclusion:
        """Returns how a record leads to the root of its day.

        Raises:
            DomainError: NOT_FOUND; DAY_NOT_CLOSED for a record of a day that goes on;
                DEPENDENCY_DOWN while the day's files are being written again.
        """
        row = None
        if 0 < sequence < 2**63:
            row = await self._database.read(lambda tx: proof_store.day_of(tx, sequence))
            if row is None and sequence <= self._matching.applied_sequence():
                raise DomainError("DAY_NOT_CLOSED")
        if row is None:
            raise DomainError("NOT_FOUND", resource="journal record", id=sequence)
        count, index = row.last_sequence - row.first_sequence + 1, sequence - row.first_sequence
        tree = self._days.tree(row.date)
        try:
            leaf, path = await asyncio.to_thread(inclusion_path, tree, count, index)
        except OSError as error:
            raise DomainError("DEPENDENCY_DOWN", name="the files of proofs") from error
        return Inclusion(row, index, count, leaf, path)

    async def anchor(self, day: str) -> tuple[Any, str]:
        """Returns the row of a closed day and the transaction that carries its root.

        Raises:
            DomainError: INVALID_ARGUMENT, NOT_FOUND, or DAY_NOT_CLOSED.
        """
        row = await self._closed(day)
        found = await self._database.read(lambda tx: self._anchors.transaction_hash(tx, day))
        return row, found

    async def journal(self, day: str) -> AsyncIterator[bytes]:
        """Returns the file of a closed day, in pieces.

        Raises:
            DomainError: As `anchor`; DEPENDENCY_DOWN while the file is being written again.
        """
        await self._closed(day)
        try:
            file = await asyncio.to_thread(self._days.file(day).open, "rb")
        except OSError as error:
            raise DomainError("DEPENDENCY_DOWN", name="the files of proofs") from error
        try:
            while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                yield piece
        finally:
            file.close()

    async def _closed(self, day: str) -> Any:
        try:
            wanted = date.fromisoformat(day)
        except ValueError:
            raise invalid("date", "must be a date of the calendar, as YYYY-MM-DD") from None
        row = await self._database.read(lambda tx: proof_store.day(tx, day))
        if row is not None:
            return row
        if wanted == self._clock.now().date():
            raise DomainError("DAY_NOT_CLOSED")
        raise DomainError("NOT_FOUND", resource="journal of the day", id=day)
