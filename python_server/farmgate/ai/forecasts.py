"""Use cases of forecasts: all are read from rows; no model runs while somebody waits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Row

from farmgate.ai import forecast_store, scores, store
from farmgate.ai.sources import Price, PriceSource, Series
from farmgate.ai.styles import HISTORY_MIN, MONTHLY, STYLES, Style
from farmgate.ai.values import Accuracy, Forecast, Model
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock

_WINDOW_DAYS: Final = 365
_HISTORY_DAYS: Final = 120
_HISTORY_DAYS_MONTHLY: Final = 5 * 366


@dataclass(frozen=True, slots=True)
class Told:
    """A forecast with what is said about it now."""

    forecast: Forecast
    model: Model


@dataclass(frozen=True, slots=True)
class Record:
    """How good forecasts were."""

    model_version: str
    is_live: bool
    horizons: Sequence[Accuracy]


class Forecasts:
    """Reads forecasts.

    Args:
        database: Where they are kept.
        source: Knows the series and their prices.
        clock: Tells the time.
    """

    def __init__(self, database: Database, source: PriceSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock

    async def newest(
        self, symbol: str, *, horizon: int = 0, version: str = "", as_of: str = ""
    ) -> Told:
        """Returns the newest forecast of a series, no farther than a horizon.

        Args:
            symbol: The series.
            horizon: Steps ahead; all when 0.
            version: Version of the model; any when empty.
            as_of: A day, YYYY-MM-DD, at the end of which the forecast was the newest; now when
                empty.

        Raises:
            DomainError: NOT_FOUND, HORIZON_UNSUPPORTED, INSUFFICIENT_HISTORY, MODEL_NOT_READY or
                INVALID_ARGUMENT.
        """
        until = _end_of(day_of("as_of", as_of)) if as_of else None
        series = await self._series(symbol)
        told = await self._database.read(
            lambda tx: self._newest(tx, series, horizon, version, until)
        )
        if told is None:
            have = len(await self._source.prices(symbol))
            if have < HISTORY_MIN:
                raise DomainError("INSUFFICIENT_HISTORY", need=HISTORY_MIN, have=have)
            raise DomainError("MODEL_NOT_READY", symbol=symbol)
        return told

    async def with_history(
        self, symbol: str, *, horizon: int, history_days: int
    ) -> tuple[Told, Sequence[Price]]:
        """Returns the newest forecast of a series and the prices before it.

        Raises:
            DomainError: As `newest`.
        """
        told = await self.newest(symbol, horizon=horizon)
        least = _HISTORY_DAYS_MONTHLY if told.forecast.frequency == MONTHLY else _HISTORY_DAYS
        cutoff = date.fromisoformat(told.forecast.data_cutoff)
        prices = await self._source.prices(symbol, cutoff - timedelta(days=history_days or least))
        return told, [one for one in prices if one.day <= cutoff]

    async def one(self, forecast_id: str, step: int) -> tuple[Told, int]:
        """Returns a forecast and the step that is meant; the last one for 0.

        Raises:
            DomainError: NOT_FOUND or HORIZON_UNSUPPORTED.
        """

        def read(connection: Connection) -> tuple[Told, int]:
            found = forecast_store.forecast(connection, forecast_id)
            if found is None:
                raise DomainError("NOT_FOUND", resource="forecast", id=forecast_id)
            _check_horizon(step, len(found.points))
            return self._told(connection, found, None), step or len(found.points)

        return await self._database.read(read)

    async def accuracy(
        self, symbol: str, *, horizon: int, version: str, window_days: int
    ) -> Record:
        """Returns how good forecasts were: issued ones, or a backtest while none came true.

        Raises:
            DomainError: NOT_FOUND, HORIZON_UNSUPPORTED or MODEL_NOT_READY.
        """
        series = await self._series(symbol) if symbol else None

        def read(connection: Connection) -> Record:
            model = _judged(connection, series, version)
            _check_horizon(horizon, STYLES[model.frequency].horizon)
            days = window_days or _WINDOW_DAYS
            since = (self._clock.now().date() - timedelta(days=days)).isoformat()
            rows = forecast_store.figures(
                connection, series_id=symbol, model_id=model.id, since=since, is_live=True
            )
            is_live = bool(rows)
            if not rows:
                # A backtest reaches back years; it is cut only when that was asked for.
                rows = forecast_store.figures(
                    connection, series_id=symbol, model_id=model.id,
                    since=since if window_days else "", is_live=False,
                )  # fmt: skip
            found = _accuracies(rows, STYLES[model.frequency], is_live=is_live)
            return Record(
                model.version, is_live, [one for one in found if horizon in {0, one.step}]
            )

        return await self._database.read(read)

    def _newest(
        self, connection: Connection, series: Series, horizon: int, version: str,
        until: datetime | None,
    ) -> Told | None:  # fmt: skip
        _check_horizon(horizon, STYLES[series.frequency].horizon)
        model_id = _of_version(connection, version).id if version else ""
        found = forecast_store.newest(connection, series.series_id, model_id=model_id, until=until)
        if found is None:
            return None
        told = self._told(connection, found, series)
        points = told.forecast.points[: horizon or None]
        return replace(told, forecast=replace(told.forecast, points=points))

    def _told(self, connection: Connection, found: Forecast, series: Series | None) -> Told:
        """Returns a forecast with the cautions that hold now."""
        model = store.model(connection, found.model_id)
        assert model is not None, "Models of forecasts are kept."
        cautions = list(found.cautions)
        age = self._clock.now().date() - date.fromisoformat(found.data_cutoff)
        if age.days > STYLES[found.frequency].stale_days and "STALE_DATA" not in cautions:
            cautions.append("STALE_DATA")
        if series is not None and series.has_pending_outliers:
            cautions.append("OUTLIERS_PENDING")
        return Told(replace(found, cautions=tuple(cautions)), model)

    async def _series(self, symbol: str) -> Series:
        found = await self._source.one(symbol)
        if found is None:
            raise DomainError("NOT_FOUND", resource="series", id=symbol)
        return found


def _judged(connection: Connection, series: Series | None, version: str) -> Model:
    """Returns the model whose forecasts are judged.

    Raises:
        DomainError: NOT_FOUND or MODEL_NOT_READY.
    """
    if version:
        return _of_version(connection, version)
    for frequency in [series.frequency] if series else list(STYLES):
        found = store.champion(connection, frequency)
        if found is not None:
            return found
    raise DomainError("MODEL_NOT_READY", symbol=series.series_id if series else "any series")


def day_of(field: str, text: str) -> date:
    """Returns the day of a text.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise invalid(field, "must be a day such as 2026-06-01") from error


def _end_of(day: date) -> datetime:
    if day == date.max:
        raise invalid("as_of", "must be a day such as 2026-06-01")
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _of_version(connection: Connection, version: str) -> Model:
    found = store.model_of_version(connection, version)
    if found is None:
        raise DomainError("NOT_FOUND", resource="model", id=version)
    return found


def _check_horizon(horizon: int, farthest: int) -> None:
    if horizon > farthest:
        raise DomainError("HORIZON_UNSUPPORTED", horizon=horizon, offered=f"1 to {farthest}")


def _accuracies(rows: Sequence[Row[Any]], style: Style, *, is_live: bool) -> list[Accuracy]:
    """Returns the figures of each distance, nearest first."""
    by_step: dict[int, list[Row[Any]]] = {}
    for row in rows:
        by_step.setdefault(row.step, []).append(row)
    # Live origins are a step apart, those of a backtest farther: so far their forecasts overlap.
    spacing = 1 if is_live else style.origin_steps
    return [
        _accuracy(step, by_step[step], -(-step // spacing))
        for step in sorted(by_step)
        if step <= style.horizon
    ]


def _accuracy(step: int, rows: Sequence[Row[Any]], overlap: int) -> Accuracy:
    """Returns the figures of one distance; each row is an origin."""
    count = sum(int(row.number) for row in rows)

    def total(name: str) -> float:
        return float(sum(getattr(row, name) or 0.0 for row in rows))

    differences = [(row.error - row.error_last) / row.number for row in rows]
    return Accuracy(
        step=step,
        count=count,
        mape=100 * total("percent") / count,
        rmse=(total("squared") / count) ** 0.5,
        mase=scores.ratio(total("error"), total("naive")),
        pinball=scores.ratio(total("pinball"), total("pinball_walk")),
        ratio_last=scores.ratio(total("error"), total("error_last")),
        ratio_season=scores.ratio(total("error_beside"), total("error_season"))
        if total("error_season")
        else 0.0,
        p_value=scores.diebold_mariano(np.array(differences), overlap)[1],
        inside=(
            total("inside_50") / count, total("inside_80") / count, total("inside_95") / count,
        ),
        width_pct=100 * total("width_80") / count,
    )  # fmt: skip
