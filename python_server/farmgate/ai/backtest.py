"""Forecasts made again at past dates with what was known then, and what came true."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from farmgate.ai import scores
from farmgate.ai.boosters import Model
from farmgate.ai.ensemble import Known, fit, outlook
from farmgate.ai.panel import Floats, Panel
from farmgate.ai.styles import MEDIAN, MONTHLY, QUANTILES, Style

# Origins come from a grid of dates that does not move with the data, so that two models can be
# compared at the same ones: every fourth week, every third month (`Style.origin_steps`).
_BLOCK_DAYS: Final = 28
_BLOCK_MONTHS: Final = 3
_MONTHS: Final = 12
# Member C is trained anew at every so many origins.
_REFIT: Final = 8
# The random walk's deviation comes from as many steps as the long-run variance.
NORMAL: Final = np.array([-1.959964, -1.281552, -0.674490, 0.0, 0.674490, 1.281552, 1.959964])


@dataclass(frozen=True, slots=True)
class Task:
    """Forecasts of one series at one origin, in prices; the first axis is the distance.

    Attributes:
        series_id: The series.
        origin: Row of the origin.
        last: Price at the origin.
        quantiles: Shape (horizon, 7).
        walk: Quantiles of the random walk, shape (horizon, 7).
        season: Prices a year before the targets, NaN where there was none.
        actual: Prices that came.
        naive: Mean size of a past one-step change, in prices.
    """

    series_id: str
    origin: int
    last: float
    quantiles: Floats
    walk: Floats
    season: Floats
    actual: Floats
    naive: float


def origins(panel: Panel, count: int) -> list[int]:
    """Returns the newest rows of the grid of origins all of whose targets are known."""
    blocks = [_block(panel.style, day) for day in panel.days]
    firsts = [row for row in range(1, len(blocks)) if blocks[row] != blocks[row - 1]]
    return [row for row in firsts if row + panel.style.horizon < len(blocks)][-count:]


def _block(style: Style, day: date) -> int:
    if style.frequency == MONTHLY:
        return (day.year * _MONTHS + day.month - 1) // _BLOCK_MONTHS
    return day.toordinal() // _BLOCK_DAYS


def tasks_at(known: Known, row: int, model: Model | None) -> list[Task]:
    """Returns the forecasts at an origin, of all series with a full history there."""
    panel, style = known.panel, known.panel.style
    found = outlook(known, row, model)
    ahead = np.arange(1, style.horizon + 1)
    targets = panel.prices[row + 1 : row + 1 + style.horizon]
    walk = random_walk(known, row)
    year = panel.year_steps
    before = row + ahead - year
    tasks = []
    for column, name in enumerate(panel.series):
        is_old = panel.ends[column] < row + style.horizon
        if np.isnan(found.quantiles[column, 0, 0]) or found.has_low_history[column] or is_old:
            continue
        past = np.where(before >= 0, panel.prices[np.maximum(before, 0), column], np.nan)
        steps = np.abs(np.diff(panel.prices[panel.starts[column] : row + 1, column]))
        tasks.append(
            Task(
                name,
                row,
                float(panel.prices[row, column]),
                found.quantiles[column],
                walk[column],
                past,
                targets[:, column],
                float(steps.mean()) if len(steps) else 0.0,
            )
        )
    return tasks


def random_walk(known: Known, row: int) -> Floats:
    """Returns the Gaussian random walk in log price, shape (series, horizon, 7)."""
    ahead = np.sqrt(np.arange(1, known.panel.style.horizon + 1))
    width = walk_deviation(known, row)[:, None, None] * ahead[None, :, None] * NORMAL
    found: Floats = known.panel.prices[row][:, None, None] * np.exp(width)
    return found


def walk_deviation(known: Known, row: int) -> Floats:
    """Returns the random walk's deviation of a step, of each series."""
    states, style = known.states, known.panel.style
    first = max(1, row - style.level_window + 1)
    change = states.change[first : row + 1]
    seen = ~np.isnan(change)
    count = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, change, 0.0).sum(axis=0) / count
    spread: Floats = np.sqrt(np.where(seen, (change - mean) ** 2, 0.0).sum(axis=0) / count)
    return spread


def run(
    known: Known,
    rows: Sequence[int],
    wanted: Sequence[str] = (),
    tick: Callable[[], None] | None = None,
) -> list[Task]:
    """Returns the forecasts at all origins; member C never saw what it forecasts.

    Args:
        known: What is known at each date.
        rows: The origins, rising.
        wanted: Series to learn from; all when empty.
        tick: Called after each origin.
    """
    tasks: list[Task] = []
    model: Model | None = None
    for index, row in enumerate(rows):
        if index % _REFIT == 0:
            boosters = fit(known, row, wanted)
            model = Model(boosters.texts) if boosters else None
        tasks += tasks_at(known, row, model)
        if tick:
            tick()
    return tasks


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of many forecasts, each in shares of the price at its origin.

    Attributes:
        count: Forecasts.
        origin_count: Origins.
        pinball_ratio: Pinball loss over that of the random walk.
        mae_ratio: Mean absolute error over that of the last price.
        season_ratio: Mean absolute error over that of the price a year before.
        p_value: One-sided chance that the middle is no better than the last price.
        inside_50: Share inside the 50 % range.
        inside_80: Share inside the 80 % range.
        inside_95: Share inside the 95 % range.
        mape: Mean absolute error in per cent of the price.
        rmse: Root mean squared error.
        mase: Mean absolute error over the mean size of a past step.
        is_sound: Whether all quantiles are finite and in order.
    """

    count: int
    origin_count: int
    pinball_ratio: float
    mae_ratio: float
    season_ratio: float
    p_value: float
    inside_50: float
    inside_80: float
    inside_95: float
    mape: float
    rmse: float
    mase: float
    is_sound: bool

    @property
    def verdict(self) -> str:
        """Returns what such forecasts are worth."""
        return scores.verdict(
            mae_ratio=self.mae_ratio, pinball_ratio=self.pinball_ratio, p_value=self.p_value,
            inside_80=self.inside_80, inside_95=self.inside_95,
        )  # fmt: skip


def summarise(tasks: Sequence[Task], overlap: int) -> Summary | None:
    """Returns the figures of forecasts, or None when there are none.

    Args:
        tasks: The forecasts.
        overlap: Origins that a forecast reaches over.
    """
    usable = [task for task in tasks if task.last > 0]
    if not usable:
        return None
    last = np.array([task.last for task in usable])[:, None]
    quantiles = np.stack([task.quantiles for task in usable])
    actual = np.stack([task.actual for task in usable])
    season = np.stack([task.season for task in usable])
    naive = np.array([task.naive for task in usable])[:, None]
    median = quantiles[:, :, MEDIAN]
    error, plain = np.abs(actual - median) / last, np.abs(actual - last) / last
    past = np.abs(actual - season) / last
    is_past = ~np.isnan(past)
    rows = np.array([task.origin for task in usable])
    differences = np.array([(error - plain)[rows == row].mean() for row in np.unique(rows)])
    _, p_value = scores.diebold_mariano(differences, overlap)
    moves = (naive > 0)[:, 0]
    return Summary(
        count=int(error.size),
        origin_count=len(np.unique(rows)),
        pinball_ratio=scores.ratio(
            float((loss_of(usable) / last).mean()),
            float((loss_of(usable, is_walk=True) / last).mean()),
        ),
        mae_ratio=scores.ratio(float(error.mean()), float(plain.mean())),
        season_ratio=scores.ratio(float(error[is_past].mean()), float(past[is_past].mean()))
        if is_past.any()
        else 1.0,
        p_value=p_value,
        inside_50=scores.coverage(quantiles, actual, 50),
        inside_80=scores.coverage(quantiles, actual, 80),
        inside_95=scores.coverage(quantiles, actual, 95),
        mape=float(100 * (error * last / np.abs(actual)).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        mase=float((error * last)[moves].mean() / naive[moves].mean()) if moves.any() else 1.0,
        is_sound=bool(np.isfinite(quantiles).all() and (np.diff(quantiles, axis=2) >= 0).all()),
    )


def loss_of(tasks: Sequence[Task], *, is_walk: bool = False) -> Floats:
    """Returns pinball losses in prices, shape (tasks, horizon)."""
    assert len(QUANTILES) == tasks[0].quantiles.shape[1]
    quantiles = np.stack([task.walk if is_walk else task.quantiles for task in tasks])
    return scores.pinball(quantiles, np.stack([task.actual for task in tasks]))


def overlap_of(style: Style) -> int:
    """Returns how many origins of the grid a forecast reaches over."""
    return -(-style.horizon // style.origin_steps)
