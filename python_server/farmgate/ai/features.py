"""What member C looks at, scaled by each series' own deviation: all series share a model."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from farmgate.ai.panel import Floats, days_after
from farmgate.ai.states import States
from farmgate.ai.styles import DEVIATION_MIN, Style

_ANALOGUE_YEARS: Final = 5
_DAYS_YEAR: Final = 365.25
# Group of each feature, as explanations name it.
MOMENTUM: Final = "momentum"
MARKET: Final = "market_momentum"
DISTANCE: Final = "distance_from_mean"
VOLATILITY: Final = "volatility"
HORIZON: Final = "horizon"
SEASON: Final = "season"


def names_and_groups(style: Style) -> list[tuple[str, str]]:
    """Returns the name and the group of each feature, in their order."""
    return [
        *((f"momentum_{lag}", MOMENTUM) for lag in style.momentum_lags),
        *((f"market_momentum_{lag}", MARKET) for lag in style.momentum_lags),
        *((f"distance_{window}", DISTANCE) for window in style.mean_windows),
        ("volatility_ratio", VOLATILITY),
        ("horizon", HORIZON),
        ("season_sin", SEASON),
        ("season_cos", SEASON),
        ("season_analogue", SEASON),
    ]


@dataclass(frozen=True, slots=True)
class Features:
    """Features of every date and series.

    Attributes:
        states: The states they come from.
        base: Those that are the same for every distance, shape (dates, series, features).
        angles: Angle of the year of each date, and of those that follow the last.
        year_steps: Steps a year.
    """

    states: States
    base: Floats
    angles: Floats
    year_steps: int

    def rows(self, rows: np.ndarray, columns: np.ndarray, steps: np.ndarray) -> Floats:
        """Returns the features of some dates, series and distances, shape (count, features)."""
        base = self.base[rows, columns]
        angle = self.angles[rows + steps]
        analogue = self._analogue(rows, columns, steps)
        ahead = (steps.astype(np.float64), np.sin(angle), np.cos(angle), analogue)
        found: Floats = np.column_stack([base, *ahead])
        return found

    def _analogue(self, rows: np.ndarray, columns: np.ndarray, steps: np.ndarray) -> Floats:
        """Returns the mean change over the same distance at the same date of the last years."""
        log = self.states.log
        total, count = np.zeros(len(rows)), np.zeros(len(rows))
        for year in range(1, _ANALOGUE_YEARS + 1):
            before = rows - year * self.year_steps
            is_there = before >= 0
            start = np.maximum(before, 0)
            change = log[start + steps * is_there, columns] - log[start, columns]
            is_known = is_there & ~np.isnan(change)
            total += np.where(is_known, change, 0.0)
            count += is_known
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = total / count / deviations(self.states, rows, columns, steps)
        return found


def deviations(states: States, rows: np.ndarray, columns: np.ndarray, steps: np.ndarray) -> Floats:
    """Returns the standard deviation over a distance, an element each."""
    style = states.style
    weight = (1 - style.rho**steps) / (steps * (1 - style.rho))
    variance = weight * states.recent[rows, columns]
    variance = variance + (1 - weight) * states.long_run[rows, columns]
    found: Floats = np.maximum(np.sqrt(steps * variance), DEVIATION_MIN)
    return found


def make_features(states: States) -> Features:
    """Returns the features of all dates."""
    style, panel = states.style, states.panel
    momentum = [_scaled(states, _lagged(states.log, lag), lag) for lag in style.momentum_lags]
    market = [_across(one) for one in momentum]
    distance = [
        _scaled(states, states.log - _rolling_mean(states.log, window), window)
        for window in style.mean_windows
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(states.recent / states.long_run)
    base = np.stack([*momentum, *market, *distance, ratio], axis=2)
    base[~np.isfinite(base)] = np.nan
    days = [*panel.days, *days_after(panel.days, style.horizon, style.frequency)]
    angles = np.array([_angle(day) for day in days])
    return Features(states, base, angles, panel.year_steps)


def _lagged(log: Floats, lag: int) -> Floats:
    found = np.full_like(log, np.nan)
    found[lag:] = log[lag:] - log[:-lag]
    return found


def _scaled(states: States, change: Floats, steps: int) -> Floats:
    deviation = np.maximum(states.deviation(slice(None), steps), DEVIATION_MIN)
    found: Floats = change / deviation
    return found


def _across(values: Floats) -> Floats:
    """Returns the mean over the series, in every column."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
    found: Floats = np.repeat(mean[:, None], values.shape[1], axis=1)
    return found


def _rolling_mean(log: Floats, window: int) -> Floats:
    """Returns the mean of the last prices, NaN until the window is full."""
    known = ~np.isnan(log)
    total = np.cumsum(np.where(known, log, 0.0), axis=0)
    count = np.cumsum(known, axis=0)
    rolling, number = total.copy(), count.copy()
    rolling[window:] -= total[:-window]
    number[window:] -= count[:-window]
    found: Floats = np.where(number >= window, rolling / window, np.nan)
    return found


def _angle(day: date) -> float:
    return float(2 * np.pi * day.timetuple().tm_yday / _DAYS_YEAR)
