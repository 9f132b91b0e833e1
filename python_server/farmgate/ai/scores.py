"""How good forecasts were: losses, ratios, coverage, and how sure that is. Pure arithmetic."""

from typing import Final

import numpy as np
from scipy import special

from farmgate.ai.panel import Floats
from farmgate.ai.styles import QUANTILES

_QUANTILES: Final = np.array(QUANTILES)
INTERVALS: Final = {50: (2, 4), 80: (1, 5), 95: (0, 6)}
# Claimed only beyond what random walks show by chance: mean less two deviations of eight sets.
SKILL_RATIO: Final = 0.985
SKILL_P: Final = 0.01
_PINBALL_RATIO: Final = 0.995
_COVERAGE_80: Final = (0.74, 0.86)
_COVERAGE_95: Final = (0.92, 0.98)
NO_SKILL: Final = "NO_SKILL"
INTERVALS_ONLY: Final = "INTERVALS_ONLY"
POINT_SKILL: Final = "POINT_SKILL"
_ORIGINS_MIN: Final = 8


def pinball(quantiles: Floats, actual: Floats) -> Floats:
    """Returns the mean pinball loss over the quantiles, which are the last axis."""
    error = actual[..., None] - quantiles
    loss = np.maximum(_QUANTILES * error, (_QUANTILES - 1) * error)
    found: Floats = loss.mean(axis=-1)
    return found


def coverage(quantiles: Floats, actual: Floats, percent: int) -> float:
    """Returns the share of actual prices inside an interval; NaN when there are none."""
    if actual.size == 0:
        return float("nan")
    low, high = INTERVALS[percent]
    inside = (actual >= quantiles[..., low]) & (actual <= quantiles[..., high])
    return float(inside.mean())


def diebold_mariano(differences: Floats, overlap: int) -> tuple[float, float]:
    """Returns the statistic and the one-sided chance that the first is no better.

    Args:
        differences: Loss of the first less loss of the second, one an origin, oldest first.
        overlap: Origins that a forecast reaches over, whose errors are correlated.

    Source: Diebold and Mariano (1995), with the correction of Harvey, Leybourne and Newbold (1997).
    """
    count = len(differences)
    if count < _ORIGINS_MIN:
        return 0.0, 1.0
    centred = differences - differences.mean()
    variance = float(centred @ centred) / count
    for lag in range(1, min(overlap, count - 1)):
        weight = 1 - lag / overlap
        variance += 2 * weight * float(centred[lag:] @ centred[:-lag]) / count
    if variance <= 0:
        return 0.0, 1.0
    reach = max(overlap, 1)
    correction = (count + 1 - 2 * reach + reach * (reach - 1) / count) / count
    statistic = float(differences.mean() / np.sqrt(variance / count))
    statistic *= float(np.sqrt(max(correction, 0.0)))
    return statistic, float(special.stdtr(count - 1, statistic))


def kupiec(inside: float, count: int, level: float) -> float:
    """Returns the chance of a coverage this far off its level (Kupiec 1995)."""
    if count == 0:
        return 1.0
    hits = round(inside * count)

    def likelihood(rate: float) -> float:
        rate = min(max(rate, 1e-12), 1 - 1e-12)
        return float(hits * np.log(rate) + (count - hits) * np.log(1 - rate))

    ratio = 2 * (likelihood(hits / count) - likelihood(level))
    return float(special.chdtrc(1, max(ratio, 0.0)))


def verdict(
    *, mae_ratio: float, pinball_ratio: float, p_value: float, inside_80: float, inside_95: float
) -> str:
    """Returns what past forecasts were worth; skill is claimed beyond chance only."""
    if p_value < SKILL_P and mae_ratio < SKILL_RATIO:
        return POINT_SKILL
    is_calibrated = (
        _COVERAGE_80[0] <= inside_80 <= _COVERAGE_80[1]
        and _COVERAGE_95[0] <= inside_95 <= _COVERAGE_95[1]
    )
    return INTERVALS_ONLY if is_calibrated and pinball_ratio <= _PINBALL_RATIO else NO_SKILL


def ratio(first: float, second: float) -> float:
    """Returns first over second; 1 when both are nothing, as of a price that never moves."""
    if second > 0:
        return first / second
    return 1.0 if first == 0 else float("inf")
