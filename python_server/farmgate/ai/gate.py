"""Whether a challenger may take the place of the model in use. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from farmgate.ai import scores
from farmgate.ai.backtest import Summary

ORIGINS_MIN: Final = 12
PINBALL_RATIO: Final = 0.995
P_VALUE: Final = 0.10
GROUP_RATIO: Final = 1.03
MAE_RATIO: Final = 1.01
COVERAGE_80: Final = (0.74, 0.86)
COVERAGE_95: Final = (0.92, 0.98)
# The model in use has failed beyond these.
FAILED_COVERAGE_95: Final = 0.90
FAILED_PINBALL: Final = 1.02

# Loss of each (origin, series), relative to the price.
Losses = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger against the model in use, at the origins and series both know.

    Attributes:
        origin_count: Origins.
        ratio: Pinball loss of the challenger over that of the model in use.
        p_value: One-sided chance that the challenger is no better.
        worst_group: Category in which the challenger does worst.
        worst_ratio: Its ratio there.
    """

    origin_count: int
    ratio: float
    p_value: float
    worst_group: str
    worst_ratio: float


def compare(
    challenger: Losses, champion: Losses, groups: Mapping[str, str], overlap: int
) -> Comparison | None:
    """Returns how two models compare, or None where they have nothing in common.

    Args:
        challenger: Its losses.
        champion: Losses of the model in use.
        groups: Category of each series.
        overlap: Origins that a forecast reaches over.
    """
    shared = sorted(set(challenger) & set(champion))
    if not shared:
        return None
    first = np.array([challenger[key] for key in shared])
    second = np.array([champion[key] for key in shared])
    dates = np.array([origin for origin, _ in shared])
    kinds = np.array([groups.get(series, "") for _, series in shared])
    days = np.unique(dates)
    differences = np.array([(first - second)[dates == day].mean() for day in days])
    _, p_value = scores.diebold_mariano(differences, overlap)
    ratios = {}
    for kind in np.unique(kinds):
        inside = kinds == kind
        ratios[str(kind)] = scores.ratio(float(first[inside].sum()), float(second[inside].sum()))
    worst = max(ratios, key=lambda kind: ratios[kind])
    pooled = scores.ratio(float(first.sum()), float(second.sum()))
    return Comparison(len(days), pooled, p_value, worst, ratios[worst])


def faults(own: Summary | None, against: Comparison | None, *, has_champion: bool) -> list[str]:
    """Returns why a challenger may not come into use; empty when it may.

    Args:
        own: Figures of the challenger's backtest.
        against: How it compares to the model in use.
        has_champion: Whether there is a model in use.
    """
    if own is None:
        return ["There is too little history for a backtest."]
    found = []
    if own.origin_count < ORIGINS_MIN:
        found.append(f"The backtest has {own.origin_count} origins, not {ORIGINS_MIN}.")
    if not own.is_sound:
        found.append("Some quantiles are not finite or not in order.")
    if not COVERAGE_80[0] <= own.inside_80 <= COVERAGE_80[1]:
        found.append(f"The 80 % range holds {own.inside_80:.3f} of prices.")
    if not COVERAGE_95[0] <= own.inside_95 <= COVERAGE_95[1]:
        found.append(f"The 95 % range holds {own.inside_95:.3f} of prices.")
    if own.mae_ratio > MAE_RATIO:
        found.append(f"The mean error is {own.mae_ratio:.3f} of that of the last price.")
    return found + (_against(against) if has_champion else [])


def _against(against: Comparison | None) -> list[str]:
    if against is None or against.origin_count < ORIGINS_MIN:
        count = against.origin_count if against else 0
        return [f"It shares {count} origins with the model in use, not {ORIGINS_MIN}."]
    found = []
    if against.ratio > PINBALL_RATIO:
        found.append(f"Its loss is {against.ratio:.3f} of that of the model in use.")
    if against.p_value >= P_VALUE:
        found.append(f"The chance that it is no better is {against.p_value:.2f}.")
    if against.worst_ratio > GROUP_RATIO:
        found.append(f"In {against.worst_group} its loss is {against.worst_ratio:.3f} of that.")
    return found


def has_failed(*, origin_count: int, inside_95: float, pinball_ratio: float) -> bool:
    """Returns whether the model in use is worse than none, over its newest resolved origins."""
    return origin_count >= ORIGINS_MIN and (
        inside_95 < FAILED_COVERAGE_95 or pinball_ratio > FAILED_PINBALL
    )
