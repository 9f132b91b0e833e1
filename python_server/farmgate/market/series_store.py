"""SQL of reference series, their observations, and the runs that brought them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Subquery, func, select, text

from farmgate.market.tables import (
    ingestion_rejects,
    ingestion_runs,
    price_observations,
    reference_series,
    series_gaps,
)

ACCEPTED: Final = "ACCEPTED"
QUARANTINED: Final = "QUARANTINED"
RUNNING: Final = "RUNNING"


@dataclass(frozen=True, slots=True)
class Observed:
    """A row of what a source told; rows are only ever added.

    Attributes:
        revision: From 1; a source that corrects itself adds the next.
        value_micro: In the series' unit; the source's own value when that can't be converted.
    """

    series_id: str
    source_id: str
    valid_on: str
    revision: int
    value_micro: int
    source_value_micro: int
    source_unit: str
    source_currency: str
    priority: int
    status: str
    quality: str
    reason: str
    ingested_at: datetime
    run_id: str
    payload_sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """A time that a source was asked."""

    id: str
    source_id: str
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str = RUNNING
    reason: str = ""
    page_count: int = 0
    stored_count: int = 0
    unchanged_count: int = 0
    quarantined_count: int = 0
    rejected_count: int = 0


def lock(connection: Connection, series_id: str, source_id: str) -> None:
    """Lets nobody else write this series of this source until the transaction is over."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        connection.execute(statement, {"name": f"{series_id} {source_id}"})


def put_series(connection: Connection, row: dict[str, Any]) -> None:
    """Adds a series or changes how it is described."""
    table = reference_series
    changed = connection.execute(table.update().where(table.c.id == row["id"]).values(**row))
    if not changed.rowcount:
        connection.execute(table.insert().values(**row))


def series(connection: Connection, series_id: str) -> Row[Any] | None:
    """Returns a series."""
    query = select(reference_series).where(reference_series.c.id == series_id)
    return connection.execute(query).one_or_none()


def series_page(connection: Connection, *, after: str, limit: int) -> Sequence[Row[Any]]:
    """Returns series by ID, after one."""
    query = select(reference_series).where(reference_series.c.id > after)
    return connection.execute(query.order_by(reference_series.c.id).limit(limit)).all()


def all_series(connection: Connection) -> Sequence[Row[Any]]:
    """Returns all series by ID."""
    return connection.execute(select(reference_series).order_by(reference_series.c.id)).all()


def last_days(connection: Connection, count: int) -> dict[str, list[str]]:
    """Returns the last days with an accepted value of each series that has one, newest first."""
    table = price_observations.c
    place = func.dense_rank().over(partition_by=table.series_id, order_by=table.valid_on.desc())
    ranked = (
        select(table.series_id, table.valid_on, place.label("place"))
        .where(table.status == ACCEPTED)
        .subquery()
    )
    query = select(ranked.c.series_id, ranked.c.valid_on).where(ranked.c.place <= count)
    found: dict[str, list[str]] = {}
    for series_id, day in connection.execute(query.distinct().order_by(ranked.c.valid_on.desc())):
        found.setdefault(series_id, []).append(day)
    return found


def doubted_days(connection: Connection) -> dict[str, str]:
    """Returns the newest day of each series whose only values wait for a decision."""
    table = price_observations.c
    other = price_observations.alias("other")
    is_settled = (
        select(other.c.series_id)
        .where(
            other.c.series_id == table.series_id, other.c.valid_on == table.valid_on,
            other.c.status == ACCEPTED,
        )
        .exists()
    )  # fmt: skip
    query = select(table.series_id, func.max(table.valid_on)).where(
        table.status == QUARANTINED, ~is_settled
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(table.series_id))}


def reference_of(connection: Connection, commodity: str) -> Row[Any] | None:
    """Returns the series against which a commodity's basis is told."""
    table = reference_series.c
    query = (
        select(reference_series)
        .where(table.commodity_code == commodity, table.is_reference.is_(True))
        .order_by(table.id)
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def newest(connection: Connection, series_id: str, source_id: str) -> dict[str, Row[Any]]:
    """Returns the newest revision of each day that a source told."""
    table = price_observations.c
    ranked = _ranked(table.revision.desc()).where(
        table.series_id == series_id, table.source_id == source_id
    )
    return {row.valid_on: row for row in connection.execute(_first(ranked.subquery()))}


def accepted(
    connection: Connection, series_id: str, *, first: str = "", last: str = "9", limit: int,
    newest_first: bool = False, known_at: datetime | None = None,
) -> list[Row[Any]]:  # fmt: skip
    """Returns the value of each day that counts, oldest first.

    Args:
        connection: The transaction.
        series_id: The series.
        first: First day.
        last: Last day.
        limit: How many, of the oldest, or of the newest when `newest_first`.
        newest_first: Whether the newest come first.
        known_at: What was known then, None for now.
    """
    table = price_observations.c
    ranked = _ranked(table.priority, table.revision.desc()).where(
        table.series_id == series_id, table.status == ACCEPTED,
        table.valid_on.between(first, last),
    )  # fmt: skip
    if known_at is not None:
        ranked = ranked.where(table.ingested_at <= known_at)
    inner = ranked.subquery()
    order = inner.c.valid_on.desc() if newest_first else inner.c.valid_on
    return list(connection.execute(_first(inner).order_by(order).limit(limit)))


def add_observations(connection: Connection, rows: Sequence[Observed]) -> None:
    """Adds observations."""
    if rows:
        connection.execute(price_observations.insert(), [asdict(row) for row in rows])


def add_rejects(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps rows that could not be read."""
    if rows:
        connection.execute(ingestion_rejects.insert(), list(rows))


def begin_run(connection: Connection, run: Run) -> None:
    """Adds a run; one of the same source that never ended is called abandoned."""
    table = ingestion_runs
    connection.execute(
        table.update()
        .where(table.c.source_id == run.source_id, table.c.outcome == RUNNING)
        .values(outcome="ABANDONED", finished_at=run.started_at)
    )
    connection.execute(table.insert().values(**asdict(run)))


def end_run(connection: Connection, run: Run) -> None:
    """Stores what came of a run."""
    table = ingestion_runs
    connection.execute(table.update().where(table.c.id == run.id).values(**asdict(run)))


def last_runs(connection: Connection, source_id: str, limit: int) -> list[Row[Any]]:
    """Returns the last runs of a source, the newest first."""
    table = ingestion_runs
    query = select(table).where(table.c.source_id == source_id)
    return list(connection.execute(query.order_by(table.c.id.desc()).limit(limit)))


def first_run(connection: Connection, source_id: str) -> Row[Any] | None:
    """Returns the first run of a source."""
    table = ingestion_runs
    query = select(table).where(table.c.source_id == source_id)
    return connection.execute(query.order_by(table.c.id).limit(1)).one_or_none()


def days_known(connection: Connection, series_id: str, first: str) -> set[str]:
    """Returns the days from one on for which something was told, accepted or not."""
    table = price_observations.c
    query = select(table.valid_on).where(table.series_id == series_id, table.valid_on >= first)
    return set(connection.scalars(query.distinct()))


def open_gaps(connection: Connection, series_id: str) -> set[str]:
    """Returns the days that are missing."""
    table = series_gaps.c
    query = select(table.missing_on).where(table.series_id == series_id, table.filled_at.is_(None))
    return set(connection.scalars(query))


def add_gaps(
    connection: Connection, series_id: str, days: Sequence[str], found_at: datetime
) -> None:
    """Notes days that are missing."""
    rows = [{"series_id": series_id, "missing_on": day, "found_at": found_at} for day in days]
    if rows:
        connection.execute(series_gaps.insert(), rows)


def fill_gaps(
    connection: Connection, series_id: str, days: Sequence[str], filled_at: datetime
) -> None:
    """Notes that days are no longer missing."""
    table = series_gaps
    connection.execute(
        table.update()
        .where(table.c.series_id == series_id, table.c.missing_on.in_(days))
        .values(filled_at=filled_at)
    )


def gaps_ever(connection: Connection, series_id: str) -> set[str]:
    """Returns the days that are or were missing."""
    table = series_gaps.c
    query = select(table.missing_on).where(table.series_id == series_id)
    return set(connection.scalars(query))


def _ranked(*order: Any) -> Select[Any]:
    place = func.row_number().over(partition_by=price_observations.c.valid_on, order_by=order)
    return select(price_observations, place.label("place"))


def _first(ranked: Subquery) -> Select[Any]:
    return select(ranked).where(ranked.c.place == 1)
