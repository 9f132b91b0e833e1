"""Simulated prices for tests of forecasts."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from farmgate.ai.panel import History, Panel, make_panel
from farmgate.ai.styles import DAILY, MONTHLY, STYLES


def days_of(frequency: str, count: int) -> tuple[date, ...]:
    """Business days from 2018, or months from 1990."""
    if frequency == MONTHLY:
        return tuple(date(1990 + one // 12, one % 12 + 1, 1) for one in range(count))
    found: list[date] = []
    day = date(2018, 1, 1)
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return tuple(found)


def histories(frequency: str, *, series: int, count: int, seed: int = 3) -> list[History]:
    """Random walks with a common part."""
    random = np.random.default_rng(seed)
    scale = 0.04 if frequency == MONTHLY else 0.01
    shared = random.standard_t(5, count) * scale / 2
    days = days_of(frequency, count)
    found = []
    for number in range(series):
        steps = shared + random.standard_t(5, count) * scale
        prices = tuple(float(one) for one in 100 * np.exp(np.cumsum(steps)))
        found.append(History(f"walk{number:02d}", "AB"[number % 2], days, prices))
    return found


def panel_of(given: Sequence[History], frequency: str = DAILY) -> Panel:
    return make_panel(given, STYLES[frequency])
