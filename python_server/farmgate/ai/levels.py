"""Smoothed levels of monthly prices, and the gain that fits them best.

Monthly prices are averages of days; the averaging makes a gain above 1 right (Working 1960), so
the grid goes beyond 1.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from farmgate.ai.panel import Floats
from farmgate.ai.states import States

GAINS: Final = np.arange(1, 31) * 0.05
_PLAIN: Final = 19  # The gain 1: the level is the last price.
_ERRORS_MIN: Final = 12


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels for every gain.

    Attributes:
        values: Shape (gains, dates, series).
        best: Index of the gain that fitted best until each date.
    """

    values: Floats
    best: np.ndarray

    def at(self, row: int | slice, origin: int) -> Floats:
        """Returns the levels at rows, by the gain that was best at an origin."""
        found: Floats = self.values[self.best[origin], row]
        return found


def make_levels(states: States) -> Levels:
    """Returns the levels: simple exponential smoothing, one gain for all series at a date."""
    log, discount = states.log, states.style.discount
    count, width = log.shape
    values = np.full((len(GAINS), count, width), np.nan)
    losses = np.zeros((len(GAINS), width))
    number = np.zeros(width)
    best = np.full(count, _PLAIN)
    level = np.full((len(GAINS), width), np.nan)
    gains = GAINS[:, None]
    for row in range(count):
        price = log[row]
        error = price - level
        known = ~np.isnan(error)
        losses = discount * losses + np.where(known, error, 0.0) ** 2
        number += known[0]
        level = np.where(np.isnan(level), price, level + gains * np.where(known, error, 0.0))
        level = np.where(np.isnan(price), np.nan, level)
        values[:, row] = level
        usable = (number >= _ERRORS_MIN) & (losses[_PLAIN] > 0)
        if usable.any():
            ratio = losses[:, usable] / losses[_PLAIN, usable]
            best[row] = int(np.argmin(ratio.mean(axis=1)))
    return Levels(values, best)
