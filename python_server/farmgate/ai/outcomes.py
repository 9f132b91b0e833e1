"""What came of a forecast, as rows. Pure; all errors are shares of the price at the origin."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import exp, sqrt
from typing import Any, Final

from farmgate.ai.styles import QUANTILES
from farmgate.ai.values import MICRO

_NORMAL: Final = (-1.959964, -1.281552, -0.674490, 0.0, 0.674490, 1.281552, 1.959964)
_MEDIAN: Final = 3
_OUTER: Final = {"inside_50": (2, 4), "inside_80": (1, 5), "inside_95": (0, 6)}


def row(
    *, quantiles: Sequence[int], last: int, actual: int, season: int | None, naive: int,
    pinball_walk: float,
) -> dict[str, Any]:  # fmt: skip
    """Returns the figures of one forecast for one day.

    Args:
        quantiles: The seven prices that were told, in millionths.
        last: Price at the origin, not 0.
        actual: Price that came.
        season: Price a year before the target; None when there was none.
        naive: Mean size of a past step.
        pinball_walk: Pinball loss of the random walk, as a share.
    """
    size = abs(last)
    found: dict[str, Any] = {
        "last_micro": last,
        "actual_micro": actual,
        "quantiles": json.dumps(list(quantiles), separators=(",", ":")),
        "error": abs(actual - quantiles[_MEDIAN]) / size,
        "error_last": abs(actual - last) / size,
        "error_season": None if season is None else abs(actual - season) / size,
        "naive": naive / size,
        "pinball": loss([one / size for one in quantiles], actual / size),
        "pinball_walk": pinball_walk,
        "width_80": (quantiles[5] - quantiles[1]) / size,
        "part": bisect_left(quantiles, actual),
    }
    for name, (low, high) in _OUTER.items():
        found[name] = int(quantiles[low] <= actual <= quantiles[high])
    return found


def loss(quantiles: Sequence[float], actual: float) -> float:
    """Returns the mean pinball loss over the seven quantiles."""
    total = 0.0
    for level, value in zip(QUANTILES, quantiles, strict=True):
        error = actual - value
        total += max(level * error, (level - 1) * error)
    return total / len(QUANTILES)


def walk_loss(*, last: int, actual: int, deviation: float, step: int) -> float:
    """Returns the pinball loss of a random walk in log price, as a share of the last price.

    For a price that is not above 0, the last price itself is its every quantile.
    """
    if last <= 0:
        return loss([last / abs(last)] * len(QUANTILES), actual / abs(last))
    spread = deviation * sqrt(step)
    return loss([exp(one * spread) for one in _NORMAL], actual / last)


def of_backtest(told: Sequence[Any], model_id: str) -> dict[str, Any] | None:
    """Returns the row of what the worker tells of a backtest; None where a share makes no sense.

    Args:
        told: Series, origin, step, target, last, actual, season, naive, loss of the walk, and the
            quantiles, in prices.
        model_id: The model.
    """
    series, origin, step, target, last, actual, season, naive, walk, quantiles = told
    if micro(last) == 0:
        return None
    figures = row(
        quantiles=[micro(one) for one in quantiles],
        last=micro(last),
        actual=micro(actual),
        season=None if season is None else micro(season),
        naive=micro(naive),
        pinball_walk=walk / abs(last),
    )
    where: Mapping[str, Any] = {
        "model_id": model_id, "forecast_id": "", "series_id": series, "step": step,
        "origin_day": origin, "target_day": target,
    }  # fmt: skip
    return {**where, **figures}


def micro(price: float) -> int:
    """Returns a price in millionths."""
    return round(price * MICRO)
