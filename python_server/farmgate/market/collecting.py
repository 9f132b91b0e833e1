"""Collects prices: asks each source, stores what it tells, notes what is missing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, Row

from farmgate.db.engine import Database
from farmgate.market import series_store, settlement_store, store
from farmgate.market.calendars import CALENDARS, DEFAULT
from farmgate.market.fetching import Batch, Fetcher
from farmgate.market.ingestion import Ingestion, Origin, ended
from farmgate.market.parsing import BatchError, Observation, Reject
from farmgate.market.series_store import Run
from farmgate.market.sources import CsvSource, EmbeddedSource, JsonSource, Source, Sources
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.telemetry.logs import logger

# Rows of one transaction: others wait for a tenth of a second at most.
_ROWS_MAX: Final = 250
_REASON_LENGTH_MAX: Final = 300
# How far back is looked for missing days, and how late a value may be.
_GAP_DAYS: Final = 90
_GRACE_DAYS: Final = {"DAILY": 3, "WEEKLY": 10, "MONTHLY": 62}
_log = logger(__name__)


class CollectError(Exception):
    """A source could not be asked; the run tells why."""


class Collector:
    """Asks sources.

    Args:
        sources: The series and sources of the deployment.
        database: Where prices are kept.
        ingestion: Stores them.
        fetcher: Asks sources outside.
        clock: Tells the time.
        ids: Names runs.
    """

    def __init__(
        self, sources: Sources, database: Database, ingestion: Ingestion, fetcher: Fetcher,
        clock: Clock, ids: Ids,
    ) -> None:  # fmt: skip
        self._sources = {one.source_id: one for one in sources.sources}
        self._series = sources.series
        self._database = database
        self._ingestion = ingestion
        self._fetcher = fetcher
        self._clock = clock
        self._ids = ids

    @property
    def source_ids(self) -> list[str]:
        """Returns the sources by their priority."""
        return sorted(self._sources, key=lambda one: (self._sources[one].priority, one))

    async def describe(self) -> None:
        """Stores the series of the deployment."""
        rows = []
        for one in self._series:
            row = one.model_dump()
            row["id"] = row.pop("series_id")
            rows.append(row)

        def write(connection: Connection) -> None:
            for row in rows:
                series_store.put_series(connection, row)

        await self._database.write(write)

    async def collect(self, source_id: str) -> Run:
        """Asks a source and stores what it tells; returns the run.

        What a source told before it failed is kept: another run goes on from it.

        Raises:
            CollectError: The source failed; the run that is stored tells why.
        """
        source = self._sources[source_id]
        run = Run(self._ids.ulid(), source_id, self._clock.now())
        await self._database.write(lambda tx: series_store.begin_run(tx, run))
        counts: Counter[str] = Counter()
        failure = ""
        try:
            async for batch in self._batches(source):
                counts["pages"] += 1
                await self._store(source, run, batch, counts)
        except BatchError as error:
            failure = f"{error.reason}: {error}"[:_REASON_LENGTH_MAX]
        outcome = "FAILED" if failure else "OK"
        done = ended(run, self._clock, counts, outcome=outcome, reason=failure)
        await self._database.write(lambda tx: series_store.end_run(tx, done))
        _log.info("prices collected", source=source_id, outcome=outcome, reason=failure, **counts)
        if failure:
            raise CollectError(f"{source_id}: {failure}")
        return done

    async def find_gaps(self) -> int:
        """Notes the days that series lack, and those that came since; returns how many lack."""
        today = self._clock.now().date()
        rows = await self._database.read(
            lambda tx: series_store.series_page(tx, after="", limit=10_000)
        )
        missing = 0
        for row in rows:
            missing += await self._database.write(self._gaps_of(row, today))
        return missing

    def _gaps_of(self, row: Row[tuple[object, ...]], today: date) -> Callable[[Connection], int]:
        def write(connection: Connection) -> int:
            first = today - timedelta(days=_GAP_DAYS)
            known = series_store.days_known(connection, row.id, first.isoformat())
            expected = expected_days(row.frequency, row.calendar_code, known, first, today)
            lacking = [day for day in expected if day not in known]
            fresh = sorted(set(lacking) - series_store.gaps_ever(connection, row.id))
            series_store.add_gaps(connection, row.id, fresh, self._clock.now())
            filled = sorted(series_store.open_gaps(connection, row.id) & known)
            series_store.fill_gaps(connection, row.id, filled, self._clock.now())
            return len(lacking)

        return write

    async def _batches(self, source: Source) -> AsyncIterator[Batch]:
        today = self._clock.now().date()
        if isinstance(source, CsvSource):
            async for batch in self._fetcher.csv(source):
                yield batch
        elif isinstance(source, JsonSource):
            async for batch in self._fetcher.json(source, today):
                yield batch
        elif isinstance(source, EmbeddedSource):
            yield Batch(await self._embedded(source, today), "")
        else:
            first = (today - timedelta(days=source.days_back)).isoformat()
            tick = (await self._database.read(store.tick_sizes)).get(source.symbol)
            if not tick:
                raise BatchError("NOT_CONFIGURED", f"there is no instrument {source.symbol}")
            settled = await self._database.read(
                lambda tx: settlement_store.since(tx, source.symbol, first)
            )
            series = next(one for one in self._series if one.series_id == source.series_id)
            yield Batch(
                [
                    Observation(
                        source.series_id, one.business_date, one.settlement_ticks * tick,
                        series.unit, series.currency,
                    )
                    for one in settled
                ],
                "",
            )  # fmt: skip

    async def _embedded(self, source: EmbeddedSource, today: date) -> Iterable[Observation]:
        """Returns the demonstration's prices, which were the start prices on the first day."""
        from farmgate.market import demo_prices  # noqa: PLC0415 - It needs numpy, and few do.

        first = await self._database.read(lambda tx: series_store.first_run(tx, source.source_id))
        anchor = first.started_at.date() if first is not None else today
        return await asyncio.to_thread(
            lambda: list(demo_prices.reference_observations(anchor, today))
        )

    async def _store(self, source: Source, run: Run, batch: Batch, counts: Counter[str]) -> None:
        origin = Origin(source.source_id, source.priority, run.id, batch.sha256)
        for part in _parts(batch.rows):
            observations = [one for one in part if isinstance(one, Observation)]
            rejects = [
                {"run_id": run.id, "line": one.line, "reason": one.reason[:200], "raw": one.raw}
                for one in part
                if isinstance(one, Reject)
            ]

            def write(
                connection: Connection, told: Sequence[Observation] = observations,
                bad: Sequence[dict[str, object]] = rejects,
            ) -> Counter[str]:  # fmt: skip
                series_store.add_rejects(connection, bad)
                return self._ingestion.store(connection, origin, told)

            counts.update(await self._database.write(write))
            counts["rejected"] += len(rejects)


def expected_days(
    frequency: str, calendar_code: str, known: set[str], first: date, today: date
) -> list[str]:
    """Returns the days from one on that a series should have by now."""
    last = today - timedelta(days=_GRACE_DAYS[frequency])
    days = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    if frequency == "MONTHLY":
        days = [day for day in days if day.day == 1]
    elif frequency == "WEEKLY":
        weekdays = Counter(date.fromisoformat(day).weekday() for day in known)
        usual = weekdays.most_common(1)[0][0] if weekdays else 0
        days = [day for day in days if day.weekday() == usual]
    else:
        calendar = CALENDARS.get(calendar_code, DEFAULT)
        days = [day for day in days if calendar.is_open_on(day)]
    return [day.isoformat() for day in days]


def _parts(
    rows: Iterable[Observation | Reject],
) -> Iterable[list[Observation | Reject]]:
    part: list[Observation | Reject] = []
    for row in rows:
        part.append(row)
        if len(part) == _ROWS_MAX:
            yield part
            part = []
    if part:
        yield part
