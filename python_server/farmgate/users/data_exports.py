"""Exports: everything the exchange knows about somebody, as an archive made in the background.

The archive is kept encrypted under a key of its own for a week; then key and archive are destroyed.
"""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar

from google.protobuf.json_format import MessageToDict
from sqlalchemy import Connection

from farmgate.api.users.v1 import kyc_pb2
from farmgate.db import personal
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.personal import Personal, Subject
from farmgate.errors import DomainError
from farmgate.jobs.kinds import REPORTS, Kind, Run, Schedule
from farmgate.jobs.queue import JobQueue
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.users import export_store, kyc_store, store
from farmgate.users.departures import subject_of
from farmgate.users.envelope import Envelope
from farmgate.users.export_store import Export

M = TypeVar("M", bound=Serializable)

MAKE: Final = Kind("accounts.export", queue=REPORTS, max_attempts=3)
PURGE: Final = Kind("accounts.purge_exports", priority=1)
PURGE_SCHEDULE: Final = Schedule("accounts.purge_exports", "27 3 * * *", PURGE)
_KEPT: Final = timedelta(days=7)
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
# The time in the archive: its bytes depend on nothing but what is in it.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class DataExports:
    """Makes and keeps exports.

    Args:
        database: Where people and exports are kept.
        history: Where history is kept.
        envelope: Encrypts archives, and opens what was handed in for KYC.
        clock: Tells the time.
        ids: Names exports.
        jobs: Enqueues their making.
        listed: What tables know of people.
        listed_history: What history's tables do.
    """

    def __init__(
        self, database: Database, history: Database, envelope: Envelope, clock: Clock, ids: Ids,
        jobs: JobQueue, *, listed: Sequence[Personal], listed_history: Sequence[Personal],
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._envelope = envelope
        self._clock = clock
        self._ids = ids
        self._jobs = jobs
        self._listed = listed
        self._listed_history = listed_history

    async def start(self, user_id: str, effect: Effect[Export, M]) -> M:
        """Asks for an export; one that is being made is the one asked for."""

        def write(connection: Connection) -> None:
            now = self._clock.now()
            newest = export_store.newest(connection, user_id)
            if newest is None or newest.state not in {"QUEUED", "RUNNING"}:
                newest = Export(self._ids.ulid(), user_id, "QUEUED", 0, "", now, now + _KEPT)
                export_store.replace_all(connection, newest)
                self._jobs.enqueue(connection, MAKE, {"export_id": newest.id}, key=newest.id)
            effect.record(connection, newest, resource=f"export/{newest.id}")

        await self._database.write(write)
        return effect.reply

    async def newest(self, user_id: str) -> Export | None:
        """Returns the newest export of a user, or None."""
        found = await self._database.read(lambda tx: export_store.newest(tx, user_id))
        if found is not None and found.state == "READY" and found.expires_at <= self._clock.now():
            return replace(found, state="EXPIRED")
        return found

    async def archive(self, user_id: str) -> bytes:
        """Returns the archive of a user's newest export.

        Raises:
            DomainError: NOT_FOUND or RESOURCE_STATE.
        """
        found = await self.newest(user_id)
        if found is None:
            raise DomainError("NOT_FOUND", resource="export", id="of yours")
        sealed = await self._database.read(lambda tx: export_store.sealed(tx, found.id))
        if found.state != "READY" or sealed is None:
            raise DomainError(
                "RESOURCE_STATE", resource="export", id=found.id, state=found.state,
                action="a download",
            )  # fmt: skip
        return self._envelope.open(*sealed, found.id)

    async def make(self, run: Run) -> None:
        """Makes an export; one that was made or replaced is left alone."""
        export_id = str(run.payload["export_id"])
        export = await self._database.write(lambda tx: export_store.begin(tx, export_id))
        if export is None:
            return
        try:
            data = await self._made(export)
        except Exception:
            if run.attempt >= MAKE.max_attempts:
                await self._database.write(lambda tx: export_store.fail(tx, export_id))
            raise
        sealed = await asyncio.to_thread(self._envelope.shut, data, export_id)
        digest = hashlib.sha256(data).hexdigest()
        await self._database.write(
            lambda tx: export_store.finish(
                tx, export_id, size_bytes=len(data), sha256=digest, sealed=sealed
            )
        )

    async def purge(self, _run: Run) -> None:
        """Destroys archives whose time is over."""
        now = self._clock.now()
        await self._database.write(lambda tx: export_store.purge(tx, now))

    async def _made(self, export: Export) -> bytes:
        now = self._clock.now()

        def read(connection: Connection) -> tuple[Subject, dict[str, bytes]]:
            user = store.user_by_id(connection, export.user_id)
            if user is None:
                raise DomainError("NOT_FOUND", resource="user", id=export.user_id)
            subject = subject_of(user, now)
            files = _files(connection, self._listed, subject)
            return subject, files | self._handed_in(connection, user.id)

        subject, files = await self._database.read(read)
        files |= await self._history.read(lambda tx: _files(tx, self._listed_history, subject))
        files["manifest.json"] = _json({
            "user_id": export.user_id,
            "made_at": now.isoformat(),
            "rows_max": personal.ROWS_MAX,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        })  # fmt: skip
        return await asyncio.to_thread(_zipped, files)

    def _handed_in(self, connection: Connection, user_id: str) -> dict[str, bytes]:
        """Returns what was handed in for KYC, decrypted."""
        files = {}
        for case in kyc_store.cases_of(connection, user_id):
            if case.form is not None:
                form = kyc_pb2.KycForm.FromString(self._envelope.open_form(case.form, case.id))
                told = MessageToDict(form, preserving_proto_field_name=True)
                files[f"kyc/{case.id}/form.json"] = _json(told)
            for document in case.documents:
                found = kyc_store.sealed_document(connection, document.id)
                if found is not None and found[1] is not None and found[2] is not None:
                    name = f"{document.id}.{_ENDINGS.get(document.media_type, 'bin')}"
                    opened = self._envelope.open(found[1], found[2], document.id)
                    files[f"kyc/{case.id}/{name}"] = opened
        return files


def _files(
    connection: Connection, listed: Sequence[Personal], subject: Subject
) -> dict[str, bytes]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in listed:
        if one.is_told:
            found.setdefault(one.table.name, []).extend(personal.told(connection, one, subject))
    return {f"{name}.json": _json(rows) for name, rows in found.items() if rows}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def _zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(files):
            target.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return archive.getvalue()
