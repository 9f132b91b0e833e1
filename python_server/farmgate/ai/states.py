"""What is known of each series at each date: variance, level, season. Each row looks back only.

Everything is computed in one pass over the dates, so that a forecast made at any of them is the
same whether later prices are there or not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from farmgate.ai.panel import Floats, Panel
from farmgate.ai.styles import DEVIATION_MIN, MONTHLY, Style

# A single shock moves the variance by at most so many times itself.
_SHOCK_MAX: Final = 25.0
# Steps until the exponential variance stands on its own.
_WARM_UP: Final = 20
_MONTHS: Final = 12


@dataclass(frozen=True, slots=True)
class States:
    """Arrays of shape (dates, series); rows before a series' start are NaN.

    Attributes:
        panel: The prices.
        log: Logarithms of prices; NaN for series with prices that are not above 0.
        change: Change of `log` since the row before.
        recent: Exponential variance of a step.
        long_run: Rolling variance of a step.
        counts: Prices so far.
        is_positive: Whether all prices so far are above 0.
    """

    panel: Panel
    log: Floats
    change: Floats
    recent: Floats
    long_run: Floats
    counts: np.ndarray
    is_positive: np.ndarray

    @property
    def style(self) -> Style:
        """Returns how the prices are forecast."""
        return self.panel.style

    def deviation(self, row: int | slice, steps: int) -> Floats:
        """Returns the standard deviation of the log change over some steps, at rows."""
        weight = recent_weight(self.style, steps)
        variance = weight * self.recent[row] + (1 - weight) * self.long_run[row]
        deviation: Floats = np.sqrt(steps * variance)
        return deviation


def recent_weight(style: Style, steps: int) -> float:
    """Returns how much of the variance over some steps is that of late."""
    return (1 - style.rho**steps) / (steps * (1 - style.rho))


def make_states(panel: Panel) -> States:
    """Returns the states of a panel."""
    prices = panel.prices
    known = ~np.isnan(prices)
    counts = np.cumsum(known, axis=0)
    is_positive = np.logical_and.accumulate(~known | (prices > 0), axis=0)
    log = np.full_like(prices, np.nan)
    np.log(prices, out=log, where=known & is_positive)
    change = np.full_like(log, np.nan)
    change[1:] = log[1:] - log[:-1]
    squared = np.where(np.isnan(change), 0.0, change**2)
    seen = np.cumsum(~np.isnan(change), axis=0)
    return States(
        panel, log, change, _recent(squared, seen, panel.style.decay),
        _long_run(squared, seen, panel.style.level_window), counts, is_positive,
    )  # fmt: skip


def _recent(squared: Floats, seen: np.ndarray, decay: float) -> Floats:
    found = np.full_like(squared, np.nan)
    value = np.zeros(squared.shape[1])
    for row in range(len(squared)):
        count = seen[row]
        plain = value + (squared[row] - value) / np.maximum(count, 1)
        capped = np.minimum(squared[row], _SHOCK_MAX * np.maximum(value, DEVIATION_MIN**2))
        value = np.where(count <= _WARM_UP, plain, decay * value + (1 - decay) * capped)
        value = np.where(count == 0, 0.0, value)
        found[row] = np.where(count == 0, np.nan, value)
    return found


def _long_run(squared: Floats, seen: np.ndarray, window: int) -> Floats:
    total = np.cumsum(squared, axis=0)
    rolling = total.copy()
    rolling[window:] -= total[:-window]
    count = np.minimum(seen, window)
    found: Floats = np.where(count > 0, np.maximum(rolling, 0.0) / np.maximum(count, 1), np.nan)
    return found


def season_paths(states: States) -> Floats:
    """Returns the expected log change from the season, shape (dates, horizon, series).

    Mean changes of months of the year so far, less their mean, shrunk towards nothing as James and
    Stein (1961) do, and added up over the steps ahead.
    """
    panel, style = states.panel, states.style
    assert style.frequency == MONTHLY
    months = np.array([day.month - 1 for day in panel.days])
    change = np.where(np.isnan(states.change), 0.0, states.change)
    known = ~np.isnan(states.change)
    shape = (_MONTHS, change.shape[1])
    total, count, squares = np.zeros(shape), np.zeros(shape), np.zeros(change.shape[1])
    found = np.zeros((len(months), style.horizon, change.shape[1]))
    ahead = np.arange(1, style.horizon + 1)
    for row, month in enumerate(months):
        total[month] += change[row]
        count[month] += known[row]
        squares += change[row] ** 2
        profile = season_profile(total, count, squares)
        found[row] = np.cumsum(profile[(month + ahead) % _MONTHS], axis=0)
    return found


def season_profile(total: Floats, count: Floats, squares: Floats) -> Floats:
    """Returns the shrunk mean change of each month, shape (12, series).

    Args:
        total: Sum of changes, shape (12, series).
        count: Number of changes, shape (12, series).
        squares: Sum of squared changes, shape (series).
    """
    mean = total / np.maximum(count, 1)
    mean -= mean.mean(axis=0)
    number = count.sum(axis=0)
    years = number / _MONTHS
    residual = squares / np.maximum(number, 1)
    size = np.mean(mean**2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = 1.0 - (residual / np.maximum(years, 1)) / size
    shrink = np.where((size > 0) & (years >= 2), np.clip(shrink, 0.0, 1.0), 0.0)  # noqa: PLR2004 - One year is no season.
    profile: Floats = mean * shrink
    return profile
