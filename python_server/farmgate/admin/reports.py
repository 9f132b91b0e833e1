"""Use cases of reports: asked for, made by a job, hashed, and kept for a month."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.admin import report_sheets as sheets
from farmgate.admin import report_store as store
from farmgate.admin.report_sheets import Span, Table
from farmgate.admin.report_store import Report
from farmgate.api.admin.v1 import reports_pb2
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.jobs.kinds import ACCOUNTS, Kind, Run, Schedule
from farmgate.jobs.queue import JobQueue
from farmgate.ports import documents
from farmgate.ports.clock import Clock
from farmgate.ports.documents import Sheet
from farmgate.ports.ids import Ids
from farmgate.ports.matching import Matching
from farmgate.trading.facade import History

M = TypeVar("M", bound=Serializable)

# Beside the core, which knows the instruments.
MAKE: Final = Kind("reports.make", queue=ACCOUNTS, max_attempts=3)
PURGE: Final = Kind("reports.purge", queue=ACCOUNTS, priority=1)
PURGE_SCHEDULE: Final = Schedule("reports.purge", "37 3 * * *", PURGE)
_KEPT: Final = timedelta(days=30)
_DAYS_MAX: Final = 366
# Pages take a while to set, and nobody reads more of them.
_ROWS_MAX: Final[dict[int, int]] = {reports_pb2.REPORT_FORMAT_PDF: 2_000}
_ROWS_MAX_ELSE: Final = 200_000
_NS: Final = 10**9
_TITLES: Final[dict[int, str]] = {
    reports_pb2.REPORT_KIND_VOLUMES: "Volumes",
    reports_pb2.REPORT_KIND_POSITIONS: "Positions",
    reports_pb2.REPORT_KIND_FEES: "Fees",
    reports_pb2.REPORT_KIND_KYC: "Know your customer",
    reports_pb2.REPORT_KIND_LARGE_TRADERS: "Large traders",
}
_FILES: Final[dict[int, tuple[str, Callable[[Sheet], bytes]]]] = {
    reports_pb2.REPORT_FORMAT_CSV: ("text/csv; charset=utf-8", documents.csv_bytes),
    reports_pb2.REPORT_FORMAT_JSON: ("application/json", documents.json_bytes),
    reports_pb2.REPORT_FORMAT_PDF: ("application/pdf", documents.pdf_bytes),
    reports_pb2.REPORT_FORMAT_XLSX: (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        documents.xlsx_bytes,
    ),
}


@dataclass(frozen=True, slots=True)
class WantedReport:
    """What somebody wants told."""

    kind: int
    format: int
    from_date: str
    to_date: str
    symbol: str


class Reports:
    """Makes and keeps reports.

    Args:
        database: Where people and reports are kept.
        history: The trades.
        matching: The core, which knows the instruments.
        clock: Tells the time.
        ids: Names reports.
        jobs: Enqueues their making.
    """

    def __init__(
        self, database: Database, history: History, matching: Matching, clock: Clock, ids: Ids,
        jobs: JobQueue,
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._matching = matching
        self._clock = clock
        self._ids = ids
        self._jobs = jobs

    async def create(self, user_id: str, wanted: WantedReport, effect: Effect[Report, M]) -> M:
        """Asks for a report.

        Raises:
            DomainError: INVALID_ARGUMENT or INSTRUMENT_UNKNOWN.
        """
        now = self._clock.now()
        span = _span(wanted.from_date, wanted.to_date, wanted.symbol)
        if span.first > now.date():
            raise invalid("from_date", "must not lie in the future")
        if wanted.symbol and not self._matching.instruments([wanted.symbol]):
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=wanted.symbol)
        report = Report(
            self._ids.ulid(), wanted.kind, wanted.format or reports_pb2.REPORT_FORMAT_CSV,
            "QUEUED", wanted.from_date, wanted.to_date, wanted.symbol, 0, "", "", user_id, now,
            now + _KEPT,
        )  # fmt: skip

        def write(connection: Connection) -> None:
            store.add(connection, report)
            self._jobs.enqueue(connection, MAKE, {"report_id": report.id}, key=report.id)
            effect.record(connection, report, resource=f"report/{report.id}")

        await self._database.write(write)
        return effect.reply

    async def page(self, *, kind: int, before: str, limit: int) -> list[Report]:
        """Returns reports, the newest first."""
        found = await self._database.read(
            lambda tx: store.page(tx, kind=kind, before=before, limit=limit)
        )
        return [self._aged(one) for one in found]

    async def get(self, report_id: str) -> Report:
        """Returns a report.

        Raises:
            DomainError: NOT_FOUND.
        """
        found = await self._database.read(lambda tx: store.report(tx, report_id))
        if found is None:
            raise DomainError("NOT_FOUND", resource="report", id=report_id)
        return self._aged(found)

    async def file(self, report_id: str) -> tuple[str, bytes]:
        """Returns the media type and the bytes of a report.

        Raises:
            DomainError: NOT_FOUND, REPORT_EXPIRED or RESOURCE_STATE.
        """
        report = await self.get(report_id)
        if report.state == "EXPIRED":
            raise DomainError("REPORT_EXPIRED")
        data = await self._database.read(lambda tx: store.content(tx, report_id))
        if report.state != "READY" or data is None:
            raise DomainError(
                "RESOURCE_STATE", resource="report", id=report_id, state=report.state,
                action="a download",
            )  # fmt: skip
        return _FILES[report.format][0], data

    async def make(self, run: Run) -> None:
        """Makes a report; one that was made is left alone."""
        report_id = str(run.payload["report_id"])
        report = await self._database.write(lambda tx: store.begin(tx, report_id))
        if report is None:
            return
        try:
            sheet = await self._sheet(report)
        except Exception:
            if run.attempt >= MAKE.max_attempts:
                why = "It could not be made; ask for it again."
                await self._database.write(lambda tx: store.fail(tx, report_id, why))
            raise
        most = _ROWS_MAX.get(report.format, _ROWS_MAX_ELSE)
        if len(sheet.rows) > most:
            why = f"It has {len(sheet.rows)} rows; the format takes {most}. Take fewer days or CSV."
            await self._database.write(lambda tx: store.fail(tx, report_id, why))
            return
        data = await asyncio.to_thread(_FILES[report.format][1], sheet)
        digest = hashlib.sha256(data).hexdigest()
        await self._database.write(lambda tx: store.finish(tx, report_id, data, digest))

    async def purge(self, _run: Run) -> None:
        """Deletes files whose time is over."""
        now = self._clock.now()
        await self._database.write(lambda tx: store.purge(tx, now))

    async def _sheet(self, report: Report) -> Sheet:
        span = _span(report.from_date, report.to_date, report.symbol)
        columns, rows = await self._table(report.kind, span)
        if report.symbol and "symbol" in (names := [column.name for column in columns]):
            place = names.index("symbol")
            # Sums are of no symbol.
            rows = [row for row in rows if row[place] in {report.symbol, ""}]
        facts = [
            ("From", report.from_date),
            ("To", report.to_date),
            ("Symbol", report.symbol or "all"),
            ("Report", report.id),
            ("Rows", str(len(rows))),
        ]
        return Sheet(_TITLES[report.kind], facts, columns, rows, report.created_at)

    async def _table(self, kind: int, span: Span) -> Table:
        if kind == reports_pb2.REPORT_KIND_KYC:
            return sheets.kyc(
                await self._database.read(lambda tx: store.cases(tx, span.since, span.until))
            )
        known = {one["number"]: one for one in self._matching.instruments()}
        since, until = _ns(span.since.timestamp()), _ns(span.until.timestamp())
        await self._matching.caught_up()
        sequence = self._matching.applied_sequence()
        if kind in {reports_pb2.REPORT_KIND_VOLUMES, reports_pb2.REPORT_KIND_FEES}:
            make = sheets.volumes if kind == reports_pb2.REPORT_KIND_VOLUMES else sheets.fees
            found, _ = await self._history.read(
                lambda tx: store.volumes(tx, since, until), expected=sequence
            )
            kept = [one for one in found if span.symbol in {"", known[one.instrument]["symbol"]}]
            return make(kept, known)
        # A position is what all trades until then come to.
        begin = 0 if kind == reports_pb2.REPORT_KIND_POSITIONS else since
        found, _ = await self._history.read(
            lambda tx: store.shares(tx, begin, until), expected=sequence
        )
        numbers = sorted({row.account for row in found})
        owners = await self._database.read(lambda tx: store.owners(tx, numbers))
        if kind == reports_pb2.REPORT_KIND_POSITIONS:
            return sheets.positions(found, known, owners)
        return sheets.large_traders(found, known, owners)

    def _aged(self, report: Report) -> Report:
        is_over = report.state == "READY" and report.expires_at <= self._clock.now()
        return replace(report, state="EXPIRED") if is_over else report


def _span(from_date: str, to_date: str, symbol: str) -> Span:
    first, last = _day("from_date", from_date), _day("to_date", to_date)
    if last < first:
        raise invalid("to_date", "must not be before from_date")
    if (last - first).days >= _DAYS_MAX:
        raise invalid("to_date", f"must be within {_DAYS_MAX} days of from_date")
    return Span(first, last, symbol)


def _day(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise invalid(field, "must be a day such as 2026-06-01") from error
    if not date(1970, 1, 1) <= day <= date(2200, 1, 1):
        raise invalid(field, "must lie between 1970 and 2200")
    return day


def _ns(seconds: float) -> int:
    return int(seconds) * _NS
