"""The distribution between and beyond the seven quantiles of a forecast. Pure.

Between two quantiles the normal score is a straight line of the price; beyond the outermost the
line of the last two goes on.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()


def probability(levels: Sequence[float], quantiles: Sequence[float], price: float) -> float:
    """Returns the probability of a price not above one.

    Args:
        levels: Probabilities of the quantiles, rising.
        quantiles: Prices, rising; equal ones are allowed.
        price: The price.
    """
    points = _distinct(levels, quantiles)
    if len(points) == 1:
        return float(price >= points[0][1])
    low, high = points[0], points[1]
    for first, second in pairwise(points):
        low, high = first, second
        if price <= second[1]:
            break
    slope = (high[0] - low[0]) / (high[1] - low[1])
    return _NORMAL.cdf(low[0] + (price - low[1]) * slope)


def quantile(levels: Sequence[float], quantiles: Sequence[float], level: float) -> float:
    """Returns the price at another probability between 0 and 1."""
    points = _distinct(levels, quantiles)
    if len(points) == 1:
        return points[0][1]
    score = _NORMAL.inv_cdf(level)
    low, high = points[0], points[1]
    for first, second in pairwise(points):
        low, high = first, second
        if score <= second[0]:
            break
    return low[1] + (score - low[0]) * (high[1] - low[1]) / (high[0] - low[0])


def mean(levels: Sequence[float], quantiles: Sequence[float]) -> float:
    """Returns the mean price, by the quantiles at the middles of twenty equal shares."""
    shares = 20
    middles = [(index + 0.5) / shares for index in range(shares)]
    return sum(quantile(levels, quantiles, one) for one in middles) / shares


def _distinct(levels: Sequence[float], quantiles: Sequence[float]) -> list[tuple[float, float]]:
    """Returns normal scores and prices; of equal prices the highest score counts."""
    found: dict[float, float] = {}
    for level, price in zip(levels, quantiles, strict=True):
        found[price] = _NORMAL.inv_cdf(level)
    return [(score, price) for price, score in found.items()]
