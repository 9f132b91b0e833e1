"""Keeps forecasts fresh: notes what came true, asks for training, makes new forecasts.

All of it can be done again at any time: what is done already is found done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.ai import drift, forecast_store, gate, histories, store
from farmgate.ai.distribution import quantile
from farmgate.ai.outcomes import micro, row, walk_loss
from farmgate.ai.sources import Price, PriceSource, Series
from farmgate.ai.styles import HISTORY_MIN, QUANTILES, STYLES
from farmgate.ai.training import Training, Wish
from farmgate.ai.values import Forecast, Model, Point
from farmgate.ai.worker import ISSUE
from farmgate.ai.workshop import Step, Workshop
from farmgate.db import configuration
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.jobs import kinds
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.telemetry.logs import logger

_log = logger(__name__)
# Forecasts older than this have come true altogether.
_OPEN_FOR: Final = {"D": timedelta(days=75), "M": timedelta(days=430)}
# After a run that brought nothing into use, or a finding, this long nothing is asked for again.
_RETRY: Final = timedelta(days=1)
# A run whose process said nothing for so long has broken off.
_SILENT: Final = timedelta(minutes=20)
_ORIGINS_JUDGED: Final = 20
_ORIGINS_WATCHED: Final = 60
_BREACH: Final = (0.05, 0.95)
# Who is told of forecasts: those who trade, in their inbox.
_READERS: Final = ("FARMER", "TRADER", "COOP_MANAGER")


@dataclass(frozen=True, slots=True)
class _Issue:
    """What a round of forecasts is made of."""

    model: Model
    read: histories.Histories
    due: frozenset[str]


class Renewal:
    """Does the jobs that keep forecasts fresh.

    Args:
        database: Where they are kept.
        source: Gives prices.
        workshop: Runs the worker.
        training: Starts training runs.
        clock: Tells the time.
        ids: Names forecasts.
    """

    def __init__(
        self, database: Database, source: PriceSource, workshop: Workshop, training: Training,
        clock: Clock, ids: Ids,
    ) -> None:  # fmt: skip
        self._database = database
        self._source = source
        self._workshop = workshop
        self._training = training
        self._clock = clock
        self._ids = ids
        # Series with too few prices, with their newest day: nothing is tried before a newer one.
        self._too_short: dict[str, date] = {}

    async def renew(self, _job: kinds.Run) -> None:
        """Does all that is due."""
        await self._database.write(self._tidy)
        for frequency in STYLES:
            await self._renew(frequency)

    async def _renew(self, frequency: str) -> None:
        champion, due = await self._look(frequency)
        if not due:
            return
        read = await histories.read(self._source, frequency)
        usable = [one for one in read if len(one[1]) >= HISTORY_MIN]
        self._too_short |= {
            one.series_id: prices[-1].day for one, prices in read if len(prices) < HISTORY_MIN
        }
        for one, prices in usable:
            await self._database.write(
                lambda tx, one=one, prices=prices: self._resolve(tx, one, prices)  # type: ignore[misc] # mypy does not see defaults.
            )
        if champion is None:
            if usable:
                await self._ask(frequency, "The first model of its frequency.", _RETRY)
            return
        features = await self._issue(_Issue(champion, usable, due))
        await self._judge(champion, features)

    async def _look(self, frequency: str) -> tuple[Model | None, frozenset[str]]:
        """Returns the model in use, and the series that need another forecast."""
        champion, marks = await self._database.read(
            lambda tx: (store.champion(tx, frequency), forecast_store.newest_marks(tx, frequency))
        )
        newest = await self._source.newest()
        model_id = champion.id if champion else ""
        due = frozenset(
            one.series_id
            for one in await self._source.series()
            if one.frequency == frequency
            and one.series_id in newest
            and self._too_short.get(one.series_id) != newest[one.series_id]
            and marks.get(one.series_id) != (model_id, newest[one.series_id].isoformat())
        )
        return champion, due

    async def weekly(self, _job: kinds.Run) -> None:
        """Asks for the training of each frequency that is forecast, when its days are over."""
        days = await self._database.read(
            lambda tx: configuration.current(tx, self._clock.now()).integer("ai.retrain_days")
        )
        for frequency in STYLES:
            champion = await self._database.read(
                lambda tx, frequency=frequency: store.champion(tx, frequency)  # type: ignore[misc] # mypy does not see defaults.
            )
            if champion is not None:
                # An hour less: a schedule's time is not the second it is carried out in.
                wait = timedelta(days=days) - timedelta(hours=1)
                await self._ask(frequency, f"Every {days} days.", wait)

    async def _ask(self, frequency: str, reason: str, wait: timedelta) -> None:
        """Starts a run, unless one is open or was asked for a while ago."""

        def ask(connection: Connection) -> None:
            last = store.last_request(connection, frequency)
            if last is None or self._clock.now() - last >= wait:
                self._training.begin(
                    connection, Wish((), frequency, is_dry_run=False, reason=reason)
                )

        try:
            await self._database.write(ask)
        except DomainError as refusal:
            if refusal.reason != "TRAINING_IN_PROGRESS":
                raise

    def _tidy(self, connection: Connection) -> None:
        """Ends runs that have broken off, which would keep others from beginning."""
        now = self._clock.now()
        for run in store.open_runs(connection):
            if run.beat_at is not None and now - run.beat_at > _SILENT:
                store.change_open(
                    connection, run.id, state="FAILED", stage="FAILED", ended_at=now,
                    error="Its process was lost.",
                )  # fmt: skip

    def _resolve(self, connection: Connection, one: Series, prices: Sequence[Price]) -> None:
        """Notes what came of the forecasts of a series."""
        now = self._clock.now()
        since = now - _OPEN_FOR[one.frequency]
        forecasts = forecast_store.unresolved(connection, one.series_id, since)
        reached = forecast_store.resolved_steps(connection, [found.id for found in forecasts])
        rows: list[dict[str, Any]] = []
        told: set[str] = set()
        for found in forecasts:
            for step, point in enumerate(found.points, 1):
                price = histories.price_on(prices, date.fromisoformat(point.day), one.frequency)
                if point.day > prices[-1].day.isoformat():
                    break
                if step <= reached.get(found.id, 0) or price is None or found.last_micro == 0:
                    continue
                rows.append(_outcome(found, step, point, price.micro, prices, now))
                # Newest first, so a day is judged by the last forecast made for it.
                if point.day not in told:
                    told.add(point.day)
                    self._breach(connection, one, point, price.micro)
        if rows:
            forecast_store.add_outcomes(connection, rows)

    def _breach(self, connection: Connection, one: Series, point: Point, actual: int) -> None:
        low, high = (quantile(QUANTILES, point.quantiles, level) for level in _BREACH)
        if low <= actual <= high:
            return
        data = {
            "symbol": one.series_id, "date": point.day, "price": _text(actual),
            "low": _text(round(low)), "high": _text(round(high)),
        }  # fmt: skip
        self._tell(connection, "forecast.breach", f"{one.series_id}/{point.day}", data)

    async def _issue(self, issue: _Issue) -> dict[str, float]:
        """Makes the forecasts that are due; returns how far features have moved."""
        model = issue.model
        data = await self._database.read(lambda tx: store.artifact(tx, model.artifact_sha256))
        task = {
            "kind": ISSUE, "frequency": model.frequency,
            "champion": {"artifact_sha256": model.artifact_sha256},
            "uses_boosters": not model.is_fallback,
        }  # fmt: skip
        done = await self._workshop.run(task, issue.read, data, _wanted)
        await self._database.write(lambda tx: self._store(tx, issue, done.result["forecasts"]))
        moved: dict[str, float] = done.result["drift"]
        return moved

    def _store(self, connection: Connection, issue: _Issue, made: Sequence[dict[str, Any]]) -> None:
        """Stores the forecasts that are due, and tells of them."""
        # Another process may have been as quick.
        marks = forecast_store.newest_marks(connection, issue.model.frequency)
        about = {one.series_id: one for one, _ in issue.read}
        now = self._clock.now()
        forecasts = []
        for told in made:
            name = told["series_id"]
            if name in issue.due and marks.get(name) != (issue.model.id, told["data_cutoff"]):
                forecasts.append(_forecast(self._ids.ulid(), about[name], issue.model, told, now))
        forecast_store.add(connection, forecasts)
        for one in forecasts:
            data = {"symbol": one.series_id, "forecast_id": one.id, "date": one.data_cutoff}
            self._tell(connection, "forecast.updated", f"{one.series_id}/{one.data_cutoff}", data)
        _log.info("forecasts made", count=len(forecasts), model=issue.model.version)

    async def _judge(self, champion: Model, features: dict[str, float]) -> None:
        """Looks at what came of the model's forecasts; asks for training where it drifted."""
        live, parts = await self._database.read(
            lambda tx: (
                forecast_store.live_by_origin(tx, champion.id, _ORIGINS_WATCHED),
                forecast_store.parts(tx, champion.id),
            )
        )
        newest = live[-_ORIGINS_JUDGED:]
        if newest and not champion.is_fallback:
            inside = sum(one.inside_95 for one in newest) / len(newest)
            walk = sum(one.walk for one in newest)
            ratio = sum(one.pinball for one in newest) / walk if walk else 1.0
            if gate.has_failed(origin_count=len(newest), inside_95=inside, pinball_ratio=ratio):
                await self._fall_back(champion, inside, ratio)
        found = drift.findings(
            drift.Live(
                [one.excess for one in live], [one.inside_80 for one in live],
                [one.inside_95 for one in live], parts,
            ),
            features,
        )  # fmt: skip
        if found:
            reason = f"Drift: {' '.join(found)}"[:500]
            await self._ask(champion.frequency, reason, timedelta(days=7))

    async def _fall_back(self, champion: Model, inside: float, ratio: float) -> None:
        def change(connection: Connection) -> None:
            store.fall_back(connection, champion.id)
            data = {
                "version": champion.version, "inside_95": f"{inside:.3f}",
                "ratio": f"{ratio:.3f}",
            }  # fmt: skip
            announce(
                connection,
                Announcement(
                    "admin.model_failing", self._clock.now(), role="ADMIN", about=champion.id,
                    data=data,
                ),
            )  # fmt: skip

        await self._database.write(change)

    def _tell(self, connection: Connection, type_: str, about: str, data: dict[str, Any]) -> None:
        now = self._clock.now()
        announce(
            connection,
            *(Announcement(type_, now, role=role, about=about, data=data) for role in _READERS),
        )


async def _wanted(_steps: Sequence[Step]) -> bool:
    return True


def _outcome(
    found: Forecast, step: int, point: Point, actual: int, prices: Sequence[Price], now: datetime
) -> dict[str, Any]:
    target = date.fromisoformat(point.day)
    season = histories.price_on(prices, _year_before(target), found.frequency)
    figures = row(
        quantiles=point.quantiles, last=found.last_micro, actual=actual,
        season=season.micro if season else None, naive=found.naive_micro,
        pinball_walk=walk_loss(
            last=found.last_micro, actual=actual, deviation=found.walk_deviation, step=step
        ),
    )  # fmt: skip
    return {
        "model_id": found.model_id, "forecast_id": found.id, "series_id": found.series_id,
        "step": step, "origin_day": found.data_cutoff, "target_day": point.day,
        "resolved_at": now, **figures,
    }  # fmt: skip


def _year_before(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)


def _forecast(
    forecast_id: str, about: Series, model: Model, told: dict[str, Any], now: datetime
) -> Forecast:
    return Forecast(
        id=forecast_id, series_id=about.series_id, model_id=model.id, frequency=about.frequency,
        unit=about.unit, currency=about.currency, data_cutoff=told["data_cutoff"],
        last_micro=micro(told["last"]), issued_at=now, cautions=tuple(told["cautions"]),
        points=tuple(
            Point(one["day"], tuple(micro(value) for value in one["quantiles"]), one["above"])
            for one in told["points"]
        ),
        explanation=told["explanation"], walk_deviation=told["walk"],
        naive_micro=micro(told["naive"]),
    )  # fmt: skip


def _text(price_micro: int) -> str:
    return f"{price_micro / 10**6:.6g}"
