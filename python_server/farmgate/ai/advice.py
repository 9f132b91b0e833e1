"""When to sell: what storing costs, against what the forecast allows to hope for. Pure.

Where past forecasts had no skill over the last price, the expected price is the last price: then
storing pays only what it costs, and the advice says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from farmgate.ai.distribution import mean, probability, quantile
from farmgate.ai.styles import QUANTILES

SELL_NOW: Final = "SELL_NOW"
STORE: Final = "STORE"
SPLIT: Final = "SPLIT"
_MONTH_DAYS: Final = 365.25 / 12
_YEAR_DAYS: Final = 365.0
_OPTIONS_MAX: Final = 6
_GAIN_MIN: Final = 0.02
_CHANCE_STORE: Final = 0.60
_CHANCE_SPLIT: Final = 0.50
_LOW: Final = 0.1
_HIGH: Final = 0.9


@dataclass(frozen=True, slots=True)
class Costs:
    """What storing costs.

    Attributes:
        storage_month: A unit and month.
        interest_pct_year: Per cent of the value a year.
    """

    storage_month: float
    interest_pct_year: float

    def until(self, days: int, price: float) -> float:
        """Returns the cost of keeping a unit for some days."""
        interest = abs(price) * self.interest_pct_year / 100 * days / _YEAR_DAYS
        return self.storage_month * days / _MONTH_DAYS + interest


@dataclass(frozen=True, slots=True)
class Option:
    """A day to sell on; prices a unit, costs taken off."""

    day: date
    expected: float
    low: float
    high: float
    better: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do.

    Attributes:
        action: SELL_NOW, STORE or SPLIT.
        sell_now_pct: Part to sell now.
        options: Days to sell on, today first.
        text: In words.
    """

    action: str
    sell_now_pct: int
    options: Sequence[Option]
    text: str


def advise(
    points: Sequence[tuple[date, Sequence[float]]], *, today: date, last: float, costs: Costs,
    has_skill: bool, sure_price: float | None,
) -> Advice:  # fmt: skip
    """Returns the advice.

    Args:
        points: Days and seven quantiles, soonest first.
        today: Day of the last price.
        last: The last price.
        costs: What storing costs.
        has_skill: Whether the middle of past forecasts was better than the last price.
        sure_price: Price the owner can't do without; None for none.
    """
    now = Option(today, last, last, last, 0.0)
    shown = _spread(points)
    later = [
        _option(day, quantiles, today, last, costs, has_skill=has_skill) for day, quantiles in shown
    ]
    options = [now, *later]
    if not later:
        return Advice(SELL_NOW, 100, options, "No day to wait for is within reach. Sell now.")
    best = max(later, key=lambda one: one.expected)
    gain = (best.expected - last) / abs(last) if last else 0.0
    why = (
        f"Waiting until {best.day.isoformat()} is expected to bring {best.expected:.6g} a unit "
        f"after costs, against {last:.6g} now ({gain:+.1%}); the chance to do better is "
        f"{best.better:.0%}."
    )
    if not has_skill:
        why += " Past forecasts had no skill over the last price, so it is the expected one."
    is_at_risk = sure_price is not None and last >= sure_price > best.low
    if is_at_risk:
        why += " One time in ten the price you can't do without would be missed."
    if gain >= _GAIN_MIN and best.better >= _CHANCE_STORE and not is_at_risk:
        return Advice(STORE, 0, options, f"Store. {why}")
    may_split = gain > 0 and best.better >= _CHANCE_SPLIT
    if may_split or (gain >= _GAIN_MIN and is_at_risk):
        return Advice(SPLIT, 50, options, f"Sell half now. {why}")
    return Advice(SELL_NOW, 100, options, f"Sell now. {why}")


def _spread(
    points: Sequence[tuple[date, Sequence[float]]],
) -> list[tuple[date, Sequence[float]]]:
    """Returns a few days, evenly spread, the last among them."""
    count = min(len(points), _OPTIONS_MAX)
    return [points[round((index + 1) * len(points) / count) - 1] for index in range(count)]


def _option(
    day: date,
    quantiles: Sequence[float],
    today: date,
    last: float,
    costs: Costs,
    *,
    has_skill: bool,
) -> Option:
    cost = costs.until((day - today).days, last)
    expected = mean(QUANTILES, quantiles) if has_skill else last
    return Option(
        day,
        expected - cost,
        quantile(QUANTILES, quantiles, _LOW) - cost,
        quantile(QUANTILES, quantiles, _HIGH) - cost,
        1 - probability(QUANTILES, quantiles, last + cost),
    )
