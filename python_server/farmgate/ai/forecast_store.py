"""SQL of forecasts and of what came of them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, case, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.ai.tables import ai_forecasts, ai_outcomes
from farmgate.ai.values import Forecast, Point

_ROWS_AT_ONCE: Final = 2_000
# Issued forecasts, of which some days have not come; more than a year of monthly ones.
_UNRESOLVED_MAX: Final = 500


def add(connection: Connection, forecasts: Sequence[Forecast]) -> None:
    """Stores forecasts."""
    rows = [_values(one) for one in forecasts]
    if rows:
        connection.execute(insert(ai_forecasts), rows)


def forecast(connection: Connection, forecast_id: str) -> Forecast | None:
    """Returns a forecast."""
    query = select(ai_forecasts).where(ai_forecasts.c.id == forecast_id)
    row = connection.execute(query).first()
    return _forecast(row) if row else None


def newest(
    connection: Connection, series_id: str, *, model_id: str = "", until: datetime | None = None
) -> Forecast | None:
    """Returns the newest forecast of a series, of a model and until a time when they are given."""
    table = ai_forecasts
    query = select(table).where(table.c.series_id == series_id)
    if model_id:
        query = query.where(table.c.model_id == model_id)
    if until is not None:
        query = query.where(table.c.issued_at < until)
    row = connection.execute(query.order_by(table.c.issued_at.desc(), table.c.id.desc())).first()
    return _forecast(row) if row else None


def newest_marks(connection: Connection, frequency: str) -> dict[str, tuple[str, str]]:
    """Returns the model and the data's last day of the newest forecast of each series."""
    table = ai_forecasts.c
    last = (
        select(table.series_id, func.max(table.id).label("id"))
        .where(table.frequency == frequency)
        .group_by(table.series_id)
        .subquery()
    )
    query = select(table.series_id, table.model_id, table.data_cutoff).join_from(
        ai_forecasts, last, table.id == last.c.id
    )
    return {row.series_id: (row.model_id, row.data_cutoff) for row in connection.execute(query)}


def unresolved(connection: Connection, series_id: str, since: datetime) -> list[Forecast]:
    """Returns the forecasts of a series issued since, newest first."""
    table = ai_forecasts
    query = (
        select(table)
        .where(table.c.series_id == series_id, table.c.issued_at >= since)
        .order_by(table.c.id.desc())
        .limit(_UNRESOLVED_MAX)
    )
    return [_forecast(row) for row in connection.execute(query)]


def resolved_steps(connection: Connection, forecast_ids: Sequence[str]) -> dict[str, int]:
    """Returns the farthest step of each forecast that has come true."""
    table = ai_outcomes.c
    query = (
        select(table.forecast_id, func.max(table.step))
        .where(table.forecast_id.in_(forecast_ids))
        .group_by(table.forecast_id)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def add_outcomes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Stores outcomes; those that are known already stay as they are."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = dialect_insert(ai_outcomes).on_conflict_do_nothing()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        connection.execute(statement, list(rows[start : start + _ROWS_AT_ONCE]))


def figures(
    connection: Connection, *, series_id: str, model_id: str, since: str, is_live: bool
) -> Sequence[Row[Any]]:
    """Returns sums a step and origin, of which accuracy is made.

    Args:
        connection: The transaction.
        series_id: The series; all when empty.
        model_id: The model; all when empty.
        since: First day of targets that count, YYYY-MM-DD.
        is_live: Whether forecasts count that were issued, or those of backtests.
    """
    table = ai_outcomes.c
    is_seasonal = table.error_season.is_not(None)
    # The median is the fourth of seven prices; its error in per cent of the actual price.
    query = select(
        table.step,
        table.origin_day,
        func.count().label("number"),
        func.sum(table.error).label("error"),
        func.sum(table.error * table.error).label("squared"),
        func.sum(table.error * table.last_micro / _size(table.actual_micro)).label("percent"),
        func.sum(table.error_last).label("error_last"),
        func.sum(case((is_seasonal, table.error), else_=0.0)).label("error_beside"),
        func.sum(table.error_season).label("error_season"),
        func.sum(table.naive).label("naive"),
        func.sum(table.pinball).label("pinball"),
        func.sum(table.pinball_walk).label("pinball_walk"),
        func.sum(table.inside_50).label("inside_50"),
        func.sum(table.inside_80).label("inside_80"),
        func.sum(table.inside_95).label("inside_95"),
        func.sum(table.width_80).label("width_80"),
    )
    wanted = [table.target_day >= since]
    wanted.append(table.forecast_id != "" if is_live else table.forecast_id == "")
    if series_id:
        wanted.append(table.series_id == series_id)
    if model_id:
        wanted.append(table.model_id == model_id)
    query = query.where(and_(*wanted)).group_by(table.step, table.origin_day)
    return connection.execute(query.order_by(table.step, table.origin_day)).all()


def losses(connection: Connection, model_id: str) -> list[tuple[str, str, float]]:
    """Returns the mean pinball loss of a model's backtest at each origin and series."""
    table = ai_outcomes.c
    query = (
        select(table.origin_day, table.series_id, func.avg(table.pinball))
        .where(table.model_id == model_id, table.forecast_id == "")
        .group_by(table.origin_day, table.series_id)
    )
    return [(row[0], row[1], float(row[2])) for row in connection.execute(query)]


def live_by_origin(connection: Connection, model_id: str, limit: int) -> Sequence[Row[Any]]:
    """Returns what came of issued forecasts at the newest origins, oldest first."""
    table = ai_outcomes.c
    query = (
        select(
            table.origin_day,
            func.avg(table.pinball - table.pinball_walk).label("excess"),
            func.avg(table.pinball).label("pinball"),
            func.avg(table.pinball_walk).label("walk"),
            func.avg(table.inside_80).label("inside_80"),
            func.avg(table.inside_95).label("inside_95"),
        )
        .where(table.model_id == model_id, table.forecast_id != "")
        .group_by(table.origin_day)
        .order_by(table.origin_day.desc())
        .limit(limit)
    )
    return list(reversed(connection.execute(query).all()))


def parts(connection: Connection, model_id: str) -> list[int]:
    """Returns how many prices fell into each of the eight parts between the quantiles."""
    table = ai_outcomes.c
    query = (
        select(table.part, func.count())
        .where(table.model_id == model_id, table.forecast_id != "")
        .group_by(table.part)
    )
    counts = dict.fromkeys(range(8), 0) | {row[0]: row[1] for row in connection.execute(query)}
    return [counts[part] for part in sorted(counts)]


def _size(price: Any) -> Any:
    """Returns the size of a price as a number to divide by; a price of 0 has no per cent."""
    return func.nullif(func.abs(price) * 1.0, 0.0)


def _values(one: Forecast) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(one, name) for name in Forecast.__slots__}
    values["cautions"] = ",".join(one.cautions)
    points = [[point.day, list(point.quantiles), point.above] for point in one.points]
    values["points"] = json.dumps(points, separators=(",", ":"))
    values["explanation"] = json.dumps(one.explanation, separators=(",", ":"))
    return values


def _forecast(row: Row[Any]) -> Forecast:
    values = {name: getattr(row, name) for name in Forecast.__slots__}
    values["cautions"] = tuple(one for one in row.cautions.split(",") if one)
    values["points"] = tuple(
        Point(day, tuple(quantiles), above) for day, quantiles, above in json.loads(row.points)
    )
    values["explanation"] = json.loads(row.explanation)
    return Forecast(**values)
