"""Use cases of prices from outside: stored once, doubted when they jump, never changed."""

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sqlalchemy import Connection, Row

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.market import quality, series_store, units
from farmgate.market.parsing import Observation
from farmgate.market.series_store import ACCEPTED, QUARANTINED, Observed, Run
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

M = TypeVar("M", bound=Serializable)
# The prices that somebody hands in by the API are a source of their own, and come first.
BY_HAND: Final = "api"
_BY_HAND_PRIORITY: Final = 0
_SERIES_VALUES_MAX: Final = 200_000
Told = Callable[[Connection, str], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who told something, and in which run."""

    source_id: str
    priority: int
    run_id: str
    payload_sha256: str = ""


class Ingestion:
    """Stores observations.

    Args:
        database: Where they are kept.
        clock: Tells the time.
        ids: Names runs.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._listeners: list[Told] = []

    def listen(self, told: Told) -> None:
        """Calls this, in the transaction, when a series has a new value that counts."""
        self._listeners.append(told)

    async def by_hand(
        self, series_id: str, points: Sequence[tuple[str, int, str]],
        effect: Effect[Counter[str], M],
    ) -> M:  # fmt: skip
        """Stores points that somebody hands in: day, millionths and quality.

        Raises:
            DomainError: NOT_FOUND.
        """
        run = Run(self._ids.ulid(), BY_HAND, self._clock.now())

        def write(connection: Connection) -> None:
            row = series_store.series(connection, series_id)
            if row is None:
                raise DomainError("NOT_FOUND", resource="reference series", id=series_id)
            observations = [
                Observation(series_id, day, value, row.unit, row.currency, quality_)
                for day, value, quality_ in points
            ]
            series_store.begin_run(connection, run)
            origin = Origin(BY_HAND, _BY_HAND_PRIORITY, run.id)
            counts = self.store(connection, origin, observations)
            series_store.end_run(connection, ended(run, self._clock, counts))
            effect.record(connection, counts, resource=f"series/{series_id}")

        await self._database.write(write)
        return effect.reply

    def store(
        self, connection: Connection, origin: Origin, observations: Iterable[Observation]
    ) -> Counter[str]:
        """Stores what is new of observations and returns how many of each outcome there are.

        The outcomes are "stored", "unchanged" and "quarantined".
        """
        by_series: dict[str, list[Observation]] = {}
        for one in observations:
            by_series.setdefault(one.series_id, []).append(one)
        counts: Counter[str] = Counter()
        for series_id in sorted(by_series):
            row = series_store.series(connection, series_id)
            assert row is not None, "Sources name series that exist."
            series_store.lock(connection, series_id, origin.source_id)
            added = _Series(connection, row, origin, self._clock).add(by_series[series_id])
            counts += added
            if added["stored"]:
                for told in self._listeners:
                    told(connection, series_id)
        return counts


class _Series:
    """One series of one source while observations are added to it."""

    def __init__(
        self, connection: Connection, row: Row[tuple[object, ...]], origin: Origin, clock: Clock
    ) -> None:
        self._connection = connection
        self._row = row
        self._origin = origin
        self._now = clock.now()
        self._known = series_store.newest(connection, row.id, origin.source_id)
        counting = series_store.accepted(connection, row.id, limit=_SERIES_VALUES_MAX)
        self._days = [one.valid_on for one in counting]
        self._values = [one.value_micro for one in counting]
        self._new: list[Observed] = []

    def add(self, observations: Iterable[Observation]) -> Counter[str]:
        """Adds observations in order of their days; of a day that is told twice the last counts."""
        counts: Counter[str] = Counter()
        last = {one.valid_on: one for one in observations}
        aside: list[Observed] = []
        for day in sorted(last):
            observed = self._judged(last[day])
            known = self._known.get(day)
            if known is not None and _is_same(known, observed):
                counts["unchanged"] += 1
                continue
            revision = known.revision + 1 if known is not None else 1
            observed = replace(observed, revision=revision)
            if observed.status == QUARANTINED and observed.reason == "JUMP":
                aside.append(observed)
                observed = self._new_level(aside, observed, counts)
            else:
                aside = []
            self._new.append(observed)
            if observed.status == ACCEPTED:
                self._count(day, observed.value_micro)
                counts["stored"] += 1
            else:
                counts["quarantined"] += 1
        series_store.add_observations(self._connection, self._new)
        return counts

    def _new_level(
        self, aside: list[Observed], observed: Observed, counts: Counter[str]
    ) -> Observed:
        """Accepts what was set aside when three in a row agree."""
        before = self._before(aside[0].valid_on)
        if not quality.is_level([one.value_micro for one in aside], before):
            return observed
        promoted = aside[-quality.LEVEL_SHIFT : -1]
        for one in promoted:
            self._new.append(
                replace(one, revision=one.revision + 1, status=ACCEPTED, reason="LEVEL_SHIFT")
            )
            self._count(one.valid_on, one.value_micro)
            counts["quarantined"] -= 1
            counts["stored"] += 1
        aside.clear()
        return replace(observed, status=ACCEPTED, reason="LEVEL_SHIFT")

    def _judged(self, one: Observation) -> Observed:
        row = self._row
        value, reason = one.value_micro, ""
        if one.currency != row.currency:
            reason = "CURRENCY"
        else:
            try:
                value = units.converted_price_micro(
                    row.commodity_code, one.value_micro, one.unit, row.unit
                )
            except units.UnitError:
                reason = "UNIT"
        reason = reason or quality.doubt(value, self._before(one.valid_on))
        return Observed(
            row.id, self._origin.source_id, one.valid_on, 0, value, one.value_micro, one.unit,
            one.currency, self._origin.priority, QUARANTINED if reason else ACCEPTED,
            one.quality, reason, self._now, self._origin.run_id, self._origin.payload_sha256,
        )  # fmt: skip

    def _before(self, day: str) -> list[int]:
        return self._values[: bisect.bisect_left(self._days, day)][-quality.VALUES :]

    def _count(self, day: str, value: int) -> None:
        place = bisect.bisect_left(self._days, day)
        if place < len(self._days) and self._days[place] == day:
            self._values[place] = value
        else:
            self._days.insert(place, day)
            self._values.insert(place, value)


def _is_same(known: Row[tuple[object, ...]], observed: Observed) -> bool:
    return bool(
        known.source_value_micro == observed.source_value_micro
        and known.source_unit == observed.source_unit
        and known.source_currency == observed.source_currency
        and known.quality == observed.quality
    )


def ended(run: Run, clock: Clock, counts: Counter[str], **given: object) -> Run:
    """Returns a run with what came of it."""
    values: dict[str, object] = {
        "finished_at": clock.now(),
        "outcome": "OK",
        "stored_count": counts["stored"],
        "unchanged_count": counts["unchanged"],
        "quarantined_count": counts["quarantined"],
        "rejected_count": counts["rejected"],
        "page_count": counts["pages"],
        **given,
    }
    return replace(run, **values)  # type: ignore[arg-type]
