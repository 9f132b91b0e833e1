"""Settlement prices and the price limits of the next day. Pure; prices in ticks.

The mean of 45 settlements, 7 % and the factor 1.5 are CME Group's rules of variable limits for
grains.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

VWAP: Final = "1"
LAST: Final = "2"
PRIOR: Final = "3"
MEAN_DAYS: Final = 45
# Limits are whole multiples of so many ticks: five cents of grain.
INCREMENT_TICKS: Final = 20
_INITIAL: Final = Fraction(7, 100)
_EXPANSION: Final = Fraction(3, 2)
_HALF: Final = Fraction(1, 2)


class Settlement(NamedTuple):
    """A settlement price and how it was found."""

    price_ticks: int
    tier: str


class Quote(NamedTuple):
    """Best bid and ask, None where there is none."""

    bid_ticks: int | None
    ask_ticks: int | None


class Limits(NamedTuple):
    """How far a day's prices may be from the settlement before."""

    initial_ticks: int
    expanded_ticks: int


def settle(
    window: Sequence[tuple[int, int]], last_ticks: int | None, quote: Quote, prior_ticks: int | None
) -> Settlement | None:
    """Returns the settlement price, None when nothing tells it.

    Args:
        window: Price and lots of the trades of the closing window.
        last_ticks: Price of the day's last trade, None without one.
        quote: Best bid and ask at the close.
        prior_ticks: Settlement price of the day before, or what stands for it.
    """
    lots = sum(quantity for _, quantity in window)
    if lots:
        vwap = Fraction(sum(price * quantity for price, quantity in window), lots)
        return Settlement(nearest(vwap, prior_ticks), VWAP)
    if last_ticks is not None:
        return Settlement(clamped(last_ticks, quote), LAST)
    if prior_ticks is not None:
        return Settlement(clamped(prior_ticks, quote), PRIOR)
    return None


def nearest(price: Fraction, prior_ticks: int | None) -> int:
    """Returns the nearest tick; between two, the one closer to the price before."""
    below = price.numerator // price.denominator
    rest = price - below
    if rest == _HALF:
        return below if prior_ticks is not None and prior_ticks <= below else below + 1
    return below + (rest > _HALF)


def clamped(price_ticks: int, quote: Quote) -> int:
    """Returns the price, moved to the bid when below it and to the ask when above."""
    if quote.bid_ticks is not None and price_ticks < quote.bid_ticks:
        return quote.bid_ticks
    if quote.ask_ticks is not None and price_ticks > quote.ask_ticks:
        return quote.ask_ticks
    return price_ticks


def by_spread(lead_ticks: int, prior_ticks: int, prior_lead_ticks: int) -> int:
    """Returns where a forward stands by the one that leads and their difference the day before."""
    return max(1, lead_ticks + prior_ticks - prior_lead_ticks)


def limits(settlements_ticks: Sequence[int], increment_ticks: int = INCREMENT_TICKS) -> Limits:
    """Returns the limits after the last 45 settlements, or as many as there are, at least one."""
    newest = settlements_ticks[-MEAN_DAYS:]
    mean = Fraction(sum(newest), len(newest))
    steps = _INITIAL * mean / increment_ticks + _HALF
    initial = increment_ticks * max(1, steps.numerator // steps.denominator)
    wide = _EXPANSION * initial / increment_ticks
    return Limits(initial, increment_ticks * -(-wide.numerator // wide.denominator))


def hit(price_ticks: int, low_ticks: int, high_ticks: int) -> str:
    """Returns which limit a price is at: UP, DOWN or NONE."""
    if price_ticks >= high_ticks:
        return "UP"
    return "DOWN" if price_ticks <= low_ticks else "NONE"
