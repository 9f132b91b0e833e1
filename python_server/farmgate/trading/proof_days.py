"""Closes days: the public journal of a day as a file, its tree, its root for the chain."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.proofs import DayFile, PublicJournal
from farmgate.telemetry.logs import logger
from farmgate.trading import proof_store, store
from farmgate.trading.proof_keys import ProofKeys, canonical

_RECORDS: Final = 50_000
_FILLS: Final = 10_000
_S_NS: Final = 1_000_000_000
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Closed:
    """A day whose files are written.

    Attributes:
        values: Its row.
        manifest: What the chain names beside the root.
    """

    values: dict[str, Any]
    manifest: bytes


class Anchors(Protocol):
    """Brings roots to the chain; `app.parts.proofs` implements it with the chain's module."""

    @property
    def is_enabled(self) -> bool:
        """Returns whether there is a chain."""

    def publish(self, manifest: bytes) -> Callable[[Connection], str]:
        """Keeps a manifest; what is returned notes it in a transaction and gives its identifier."""

    def request(self, connection: Connection, day: Any, before: Any) -> str:
        """Has a day's root noted on the chain; returns the root that it names as the one before.

        Args:
            connection: The transaction.
            day: The row of the day.
            before: The row of the day before it, or None.

        Raises:
            DomainError: DEPENDENCY_DOWN while there is no registry.
        """

    def transaction_hash(self, connection: Connection, date: str) -> str:
        """Returns the transaction that carries a day's root, "" for none yet."""


class Days:
    """Closes the days of the journal.

    Args:
        database: Where days are rows.
        history: Where the projector writes.
        clock: Tells the time.
        journal: Folder of the journal.
        folder: Folder of the days' files.
        keys: What covers personal fields.
        anchors: Brings roots to the chain.
    """

    def __init__(
        self, database: Database, history: Database, clock: Clock, journal: Path, folder: Path,
        keys: ProofKeys, anchors: Anchors,
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._clock = clock
        self._journal = journal
        self._folder = folder
        self._keys = keys
        self._anchors = anchors

    def file(self, day: str) -> Path:
        """Returns the file of a day."""
        return self._folder / f"{day}.journal"

    def tree(self, day: str) -> Path:
        """Returns the file of a day's tree."""
        return self._folder / f"{day}.tree"

    async def run(self, _run: object) -> None:
        """Closes what is over, writes again what is missing, and has roots anchored.

        Raises:
            DomainError: READ_BEHIND while history lacks trades of a day.
        """
        await self._restore()
        while (due := await self._due()) is not None:
            day, place, before = due
            closed = await asyncio.to_thread(self._write, day, place, before)
            note = await asyncio.to_thread(self._anchors.publish, closed.manifest)

            def insert(connection: Connection, closed: Closed = closed, note: Any = note) -> None:
                values = {**closed.values, "cid": note(connection)}
                proof_store.insert_day(connection, values)

            await self._database.write(insert)
            _log.info("journal day closed", date=day, root=closed.values["root"])
        await self._database.write(self._anchor)

    async def _due(self) -> tuple[str, bytes, Any] | None:
        before = await self._database.read(proof_store.newest_day)
        place = before.place if before else b""

        def next_time() -> int | None:
            return PublicJournal(self._journal, self._keys.cover, place).next_time_ns()

        time_ns = await asyncio.to_thread(next_time)
        if time_ns is None:
            return None
        day = datetime.fromtimestamp(time_ns // _S_NS, UTC).date()
        if before:
            # A clock that was set back adds to the day after: what is closed stays.
            day = max(day, date.fromisoformat(before.date) + timedelta(days=1))
        return (day.isoformat(), place, before) if day < self._clock.now().date() else None

    async def _restore(self) -> None:
        """Writes files again that are missing: they follow from journal and history."""
        before = None
        for row in await self._database.read(proof_store.days):
            if not (self.file(row.date).exists() and self.tree(row.date).exists()):
                place = before.place if before else b""
                await asyncio.to_thread(self._write, row.date, place, before)
            before = row

    def _write(self, day: str, place: bytes, before: Any) -> Closed:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, tree = self.file(day), self.tree(day)
        new_file, new_tree = file.with_suffix(".writing"), tree.with_suffix(".growing")
        first, chain_before = PublicJournal(self._journal, self._keys.cover, place).head
        header = {
            "chain_before": chain_before, "date": day, "first_sequence": first, "format": 1,
        }  # fmt: skip
        writer = DayFile(
            self._journal, self._keys.cover, place, new_file, new_tree, canonical(header)
        )
        over = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
        while writer.walk(int(over.timestamp()) * _S_NS, _RECORDS)[-1]:
            pass
        end, following, chain = writer.end()
        last = following - 1
        last_trade_id, fills = self._tell(
            writer, before.last_trade_id if before else 0, first, last
        )
        manifest = {
            "chain": chain, "date": day, "end_hash": writer.end_hash(), "fills": fills,
            "first_sequence": first, "last_sequence": last, "records": last - first + 1,
            "root": writer.root(),
        }  # fmt: skip
        writer.finish(canonical(manifest))
        new_tree.replace(tree)
        new_file.replace(file)
        _sync(self._folder)
        values = {
            "date": day, "first_sequence": first, "last_sequence": last,
            "last_trade_id": last_trade_id, "root": manifest["root"], "chain": chain,
            "place": end, "is_anchored": False, "previous_root": "",
        }  # fmt: skip
        return Closed(values, canonical(manifest).encode())

    def _tell(self, writer: DayFile, after: int, first: int, last: int) -> tuple[int, int]:
        """Writes what users were told of; returns the last trade and how many fills there are."""
        reached = self._history.run(store.watermark, is_write=False)
        if reached < last:
            raise DomainError("READ_BEHIND", reached=reached, wanted=last)
        count = 0
        while True:
            fills = self._history.run(
                lambda tx, after=after: proof_store.fills(tx, after, last, _FILLS),  # type: ignore[misc] # mypy does not see defaults.
                is_write=False,
            )
            if not fills:
                break
            writer.tell(fills, [])
            after, count = fills[-1][0], count + len(fills)
        changes = self._history.run(lambda tx: proof_store.changes(tx, first, last), is_write=False)
        writer.tell([], changes)
        return after, count

    def _anchor(self, connection: Connection) -> None:
        if not self._anchors.is_enabled:
            return
        before = None
        for row in proof_store.days(connection):
            if not row.is_anchored:
                try:
                    previous = self._anchors.request(connection, row, before)
                except DomainError as refusal:
                    # Without a registry days are closed all the same; the next run asks again.
                    _log.warning("journal day not anchored", date=row.date, why=str(refusal))
                    return
                proof_store.set_anchored(connection, row.date, previous)
            before = row


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
