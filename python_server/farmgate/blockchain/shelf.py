"""What callers do with content: store it and read it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.blockchain import content_store, rules
from farmgate.blockchain.library import Library, Stored, Visibility
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.content import PinState, cid_of

M = TypeVar("M", bound=Serializable)
T = TypeVar("T")
_THREADS: Final = 4
_PINS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Shelved:
    """Content that was stored, and what is left of the quota."""

    stored: Stored
    quota_left_bytes: int


class Shelf:
    """Stores and reads content for callers.

    Args:
        database: Where rows are kept.
        library: Keeps content.
        quota_bytes: How much a user may keep.
        nudge: Makes the pins go on at once.
    """

    def __init__(
        self, database: Database, library: Library, *, quota_bytes: int, nudge: Callable[[], None]
    ) -> None:
        self._database = database
        self._library = library
        self._quota_bytes = quota_bytes
        self._nudge = nudge
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="content")

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Waits for what is under way."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    async def put(
        self, data: bytes, *, media_type: str, visibility: Visibility, contract_id: str,
        expected_cid: str, user_id: str, effect: Effect[Shelved, M],
    ) -> M:  # fmt: skip
        """Stores content of a user; returns the reply.

        Raises:
            DomainError: INVALID_ARGUMENT, PAYLOAD_TOO_LARGE, DOCUMENT_TYPE_UNSUPPORTED,
                CID_MISMATCH, NOT_A_PARTY or IPFS_QUOTA.
        """
        if not data:
            raise invalid("content", "must not be empty")
        if len(data) > rules.UPLOAD_BYTES_MAX:
            raise DomainError(
                "PAYLOAD_TOO_LARGE", size_bytes=len(data), size_bytes_max=rules.UPLOAD_BYTES_MAX
            )
        if visibility is Visibility.PARTIES and not contract_id:
            raise invalid("contract_id", "must be stated for content of parties")
        kind = rules.media_type(data, media_type)
        cid = await self._in_thread(lambda: cid_of(data))
        if expected_cid and expected_cid != cid:
            raise DomainError("CID_MISMATCH")

        def check(connection: Connection) -> bool:
            self._check_party(connection, contract_id, user_id)
            there = content_store.object_of(
                connection, owner_id=user_id, cid=cid, visibility=visibility,
                contract_id=contract_id,
            )  # fmt: skip
            if there is None:
                self._check_quota(connection, user_id, len(data))
            return there is not None

        # Asked before the bytes are kept: who may not, fills no disk.
        await self._database.read(check)
        prepared = await self._in_thread(
            lambda: self._library.prepare(data, media_type=kind, visibility=visibility)
        )

        def record(connection: Connection) -> None:
            check(connection)
            stored = self._library.record(
                connection, prepared, owner_id=user_id, contract_id=contract_id
            )
            left = max(0, self._quota_bytes - content_store.bytes_of(connection, user_id))
            effect.record(connection, Shelved(stored, left), resource=f"content/{cid}")

        await self._database.write(record)
        self._nudge()
        return effect.reply

    async def get(self, cid: str, *, user_id: str, reads_all: bool) -> tuple[Stored, bytes]:
        """Returns content that the user may read.

        Raises:
            DomainError: IPFS_NOT_FOUND, CID_MISMATCH or IPFS_UNREACHABLE.
        """
        stored = await self._database.read(
            lambda tx: self._library.readable(tx, cid, user_id, reads_all=reads_all)
        )
        return stored, await self._in_thread(lambda: self._library.open(stored))

    def pin_due(self) -> bool:
        """Makes the network hold what it should; returns whether something is left to do."""
        due = self._database.run(lambda tx: self._library.due(tx, limit=_PINS_MAX), is_write=False)
        for kept_cid in due:
            pinned: PinState | None = None
            try:
                pinned = self._library.pin(kept_cid)
            except DomainError as error:
                if error.reason == "IPFS_UNREACHABLE":
                    return True
                # Damaged, or named differently by the network: logged where it was found.
            self._note(kept_cid, pinned)
        return len(due) == _PINS_MAX

    def _note(self, kept_cid: str, pinned: PinState | None) -> None:
        self._database.run(lambda tx: self._library.note_pin(tx, kept_cid, pinned))

    def _check_party(self, connection: Connection, contract_id: str, user_id: str) -> None:
        if contract_id and not self._library.is_party(connection, contract_id, user_id):
            raise DomainError("NOT_A_PARTY")

    def _check_quota(self, connection: Connection, user_id: str, size_bytes: int) -> None:
        if content_store.bytes_of(connection, user_id) + size_bytes > self._quota_bytes:
            raise DomainError("IPFS_QUOTA", quota=f"{self._quota_bytes // rules.MIB} MiB")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
