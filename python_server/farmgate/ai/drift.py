"""Whether prices or forecasts have moved away from what a model was made for. Pure.

A finding asks for a retraining. It never brings a model into use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from farmgate.ai import scores

PSI_MAX: Final = 0.25
P_VALUE: Final = 0.01
# Sum of excess losses, in standard deviations, beyond which the loss has changed (Page 1954).
CUSUM_MAX: Final = 5.0
_CUSUM_SLACK: Final = 0.5
_ORIGINS_MIN: Final = 12
_ROWS_MIN: Final = 100
_BINS: Final = 10
_SHARE_MIN: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Live:
    """What came of issued forecasts, one an origin, oldest first.

    Attributes:
        losses: Mean pinball loss less that of a random walk, relative to the price.
        inside_80: Share inside the 80 % range.
        inside_95: Share inside the 95 % range.
        transform: Counts of prices in each of the eight parts between the quantiles.
    """

    losses: Sequence[float]
    inside_80: Sequence[float]
    inside_95: Sequence[float]
    transform: Sequence[int]


def findings(live: Live, profile: Mapping[str, float]) -> list[str]:
    """Returns what has drifted, in words; empty when nothing has.

    Args:
        live: What came of issued forecasts.
        profile: Population stability index of each feature.
    """
    found = [
        f"Feature {name} is spread otherwise than in training (PSI {value:.2f})."
        for name, value in sorted(profile.items())
        if value > PSI_MAX
    ]
    count = len(live.losses)
    if count < _ORIGINS_MIN:
        return found
    peak = cusum(live.losses)
    if peak > CUSUM_MAX:
        found.append(f"The loss against a random walk has risen (CUSUM {peak:.1f}).")
    for level, inside in ((0.80, live.inside_80), (0.95, live.inside_95)):
        share = float(np.mean(inside))
        # Prices of one day move together, so an origin counts once.
        if scores.kupiec(share, count, level) < P_VALUE:
            found.append(f"The {level:.0%} range holds {share:.3f} of prices.")
    if transform_p(live.transform, count) < P_VALUE:
        found.append("Prices fall unevenly between the quantiles.")
    return found


def cusum(losses: Sequence[float]) -> float:
    """Returns the greatest sum of losses above their first half's mean, in its deviations."""
    half = len(losses) // 2
    base = np.asarray(losses[:half], dtype=np.float64)
    spread = float(base.std())
    if half < 2 or spread == 0:  # noqa: PLR2004 - One value has no spread.
        return 0.0
    total = peak = 0.0
    for loss in losses[half:]:
        total = max(0.0, total + (loss - float(base.mean())) / spread - _CUSUM_SLACK)
        peak = max(peak, total)
    return peak


def transform_p(counts: Sequence[int], origin_count: int) -> float:
    """Returns the chance of such a spread over the parts between the quantiles (chi squared).

    The counts are scaled down to the number of origins, as the prices of one day move together.
    """
    levels = np.array([0.0, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 1.0])
    expected = np.diff(levels)
    total = sum(counts)
    if not total:
        return 1.0
    share = np.asarray(counts, dtype=np.float64) / total
    statistic = origin_count * float(((share - expected) ** 2 / expected).sum())
    return float(special.chdtrc(len(expected) - 1, statistic))


def spread(values: np.ndarray) -> dict[str, list[float]]:
    """Returns the inner deciles of a feature and the shares between them, for a later `psi`."""
    known = values[np.isfinite(values)]
    if len(known) < _ROWS_MIN:
        return {}
    edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS))
    return {"edges": edges.tolist(), "shares": _shares(known, edges).tolist()}


def psi(values: np.ndarray, spread_before: Mapping[str, Sequence[float]]) -> float:
    """Returns the population stability index of a feature against its spread in training."""
    known = values[np.isfinite(values)]
    if len(known) < _ROWS_MIN or not spread_before:
        return 0.0
    before = np.maximum(np.asarray(spread_before["shares"]), _SHARE_MIN)
    now = np.maximum(_shares(known, np.asarray(spread_before["edges"])), _SHARE_MIN)
    return float(((now - before) * np.log(now / before)).sum())


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return counts / len(values)
