"""Prices of many series on one grid of dates."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farmgate.ai.styles import MONTHLY, Style

Floats = NDArray[np.float64]
_SATURDAY: Final = 5
_WEEK: Final = 7
_MONTHS: Final = 12
_DAYS_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True)
class History:
    """The prices of one series.

    Attributes:
        series_id: Symbol or series.
        category: Series of one category lend each other their variance.
        days: Dates, rising.
        prices: A price a date.
    """

    series_id: str
    category: str
    days: tuple[date, ...]
    prices: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Prices on a grid; what comes before a series' first usable price is NaN.

    Attributes:
        style: How they are forecast.
        days: Dates of the grid, rising.
        series: Names of the columns.
        categories: Category of each column.
        prices: Shape (dates, series), gaps bridged.
        starts: First usable row of each column; as many as there are dates when there is none.
        ends: Row of the newest price of each column; -1 when there is none.
    """

    style: Style
    days: tuple[date, ...]
    series: tuple[str, ...]
    categories: tuple[str, ...]
    prices: Floats
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def until(self, row: int) -> "Panel":
        """Returns the panel without what comes after a row."""
        ends = tuple(min(end, row) for end in self.ends)
        return Panel(
            self.style, self.days[: row + 1], self.series, self.categories,
            self.prices[: row + 1], self.starts, ends,
        )  # fmt: skip

    def sha256(self) -> str:
        """Returns the hash of all that a model learns from."""
        parts = [self.style.frequency, *map(date.isoformat, self.days), *self.series]
        digest = hashlib.sha256("\n".join([*parts, *self.categories]).encode())
        digest.update(np.ascontiguousarray(self.prices).tobytes())
        return digest.hexdigest()

    @property
    def year_steps(self) -> int:
        """Returns how many steps a year has."""
        span = (self.days[-1] - self.days[0]).days
        if self.style.frequency == MONTHLY or span < _DAYS_YEAR:
            return self.style.year_steps
        return round(_DAYS_YEAR * (len(self.days) - 1) / span)


def make_panel(histories: Sequence[History], style: Style) -> Panel:
    """Returns the panel of some histories, columns in the order of their names.

    A gap of at most `style.gap_max` steps is bridged by the price before it; after a longer one
    the series starts anew.
    """
    ordered = sorted(histories, key=lambda one: one.series_id)
    days = sorted({day for one in ordered for day in one.days})
    row_of = {day: row for row, day in enumerate(days)}
    prices = np.full((len(days), len(ordered)), np.nan)
    starts, ends = [], []
    for column, one in enumerate(ordered):
        rows = np.array([row_of[day] for day in one.days], dtype=np.int64)
        prices[rows, column] = one.prices
        start, end = _bridge(prices[:, column], rows, style.gap_max)
        starts.append(start)
        ends.append(end)
    return Panel(
        style, tuple(days), tuple(one.series_id for one in ordered),
        tuple(one.category for one in ordered), prices, tuple(starts), tuple(ends),
    )  # fmt: skip


def _bridge(column: Floats, rows: NDArray[np.int64], gap_max: int) -> tuple[int, int]:
    """Fills a column in place; returns its first usable row and the row of its newest price."""
    if len(rows) == 0:
        return len(column), -1
    breaks = np.flatnonzero(np.diff(rows) > gap_max + 1)
    start = int(rows[breaks[-1] + 1]) if len(breaks) else int(rows[0])
    end = int(rows[-1])
    last = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
    column[:] = column[last]
    column[:start] = np.nan
    return start, end


def days_after(days: Sequence[date], steps: int, frequency: str) -> list[date]:
    """Returns the dates of the next steps; without weekends when the last weeks had none."""
    last = days[-1]
    if frequency == MONTHLY:
        return [_month_after(last, step) for step in range(1, steps + 1)]
    week = days[-2 * _WEEK :]
    skips = all(day.weekday() < _SATURDAY for day in week)
    found: list[date] = []
    while len(found) < steps:
        last += timedelta(days=1)
        if not skips or last.weekday() < _SATURDAY:
            found.append(last)
    return found


def _month_after(day: date, months: int) -> date:
    month = day.year * _MONTHS + day.month - 1 + months
    return date(month // _MONTHS, month % _MONTHS + 1, 1)
