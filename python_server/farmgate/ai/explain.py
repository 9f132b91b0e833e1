"""Why a forecast is as it is: what each member adds to the median, and what makes the range."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from farmgate.ai.boosters import Model
from farmgate.ai.ensemble import BOOSTED, SCALED, Known, Outlook
from farmgate.ai.features import SEASON, names_and_groups
from farmgate.ai.panel import Floats
from farmgate.ai.states import season_profile

LEVEL: Final = "smoothed_level"
MEAN: Final = "model_mean"
_MONTHS: Final = 12
_DIGITS: Final = 6
# Effect in log price and value of the strongest feature, by group.
Effects = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Reasons:
    """What explanations of one origin are made of.

    Attributes:
        contributions: Of the features in log price, shape (series, horizon, features + 1); None
            when member C does not speak.
        matrix: The features themselves, shape (series, horizon, features).
    """

    contributions: Floats | None
    matrix: Floats | None


def reasons_at(known: Known, found: Outlook, model: Model | None) -> Reasons:
    """Returns the contributions of member C at an origin, zero for series it does not speak for."""
    if model is None:
        return Reasons(None, None)
    speaks = np.flatnonzero(~np.isnan(found.members[BOOSTED][:, 0, 0]))
    horizon = known.panel.style.horizon
    width = len(names_and_groups(known.panel.style))
    contributions = np.zeros((len(known.panel.series), horizon, width + 1))
    matrix = np.full((len(known.panel.series), horizon, width), np.nan)
    if len(speaks):
        contributions[speaks] = model.contributions(known.features, found.row, speaks)
        steps = np.tile(np.arange(1, horizon + 1), len(speaks))
        rows = np.full(len(steps), found.row)
        features = known.features.rows(rows, np.repeat(speaks, horizon), steps)
        matrix[speaks] = features.reshape(len(speaks), horizon, width)
    return Reasons(contributions, matrix)


def explanation(known: Known, found: Outlook, reasons: Reasons, column: int) -> dict[str, Any]:
    """Returns the explanation of one series' forecast, as it is kept.

    `steps` holds, for each distance, pairs of a group and its effect in log price and the value of
    the group's strongest feature; what they leave open is told when they are read.
    """
    states, style, row = known.states, known.panel.style, found.row
    year = known.panel.year_steps
    recent, long_run = states.recent[row, column], states.long_run[row, column]
    speaking = [name for name, one in found.members.items() if not np.isnan(one[column, 0, 0])]
    share = 1 / len(speaking) if speaking else 0.0
    steps = []
    for step in range(style.horizon):
        effects = _boosted(known, reasons, column, step, share if BOOSTED in speaking else 0.0)
        if SCALED in speaking:
            _add_scaled(known, found, column, step, share, effects)
        steps.append(effects)
    return {
        "members": speaking,
        "recent_volatility": _rounded(np.sqrt(recent * year)),
        "long_run_volatility": _rounded(np.sqrt(long_run * year)),
        "season": [_rounded(one) for one in month_changes(known, row, column)],
        "steps": [
            {group: [_rounded(effect), _rounded(value)] for group, (effect, value) in one.items()}
            for one in steps
        ],
    }


def _add_scaled(
    known: Known, found: Outlook, column: int, step: int, share: float, effects: Effects
) -> None:
    """Adds what member B's level and season do."""
    if known.levels is None or known.seasons is None:
        return
    gap = float(found.level[column] - known.states.log[found.row, column])
    effects[LEVEL] = (share * gap, gap)
    effect, value = effects.get(SEASON, (0.0, 0.0))
    effects[SEASON] = (effect + share * float(known.seasons[found.row, step, column]), value)


def _boosted(known: Known, reasons: Reasons, column: int, step: int, share: float) -> Effects:
    """Returns what the groups of features add through member C."""
    if not share or reasons.contributions is None or reasons.matrix is None:
        return {}
    parts = reasons.contributions[column, step]
    values = reasons.matrix[column, step]
    found: Effects = {}
    strongest: dict[str, float] = {}
    for index, (_, group) in enumerate(names_and_groups(known.panel.style)):
        effect, value = found.get(group, (0.0, 0.0))
        part = float(parts[index])
        if abs(part) >= strongest.get(group, 0.0):
            strongest[group] = abs(part)
            value = float(np.nan_to_num(values[index]))
        found[group] = (effect + share * part, value)
    found[MEAN] = (share * float(parts[-1]), 0.0)
    return found


def month_changes(known: Known, row: int, column: int) -> list[float]:
    """Returns the typical change of each month in per cent, from January."""
    change = known.states.change[: row + 1, column]
    total, count, squares = np.zeros((_MONTHS, 1)), np.zeros((_MONTHS, 1)), np.zeros(1)
    sums: dict[tuple[int, int], float] = {}
    for day, one in zip(known.panel.days[: row + 1], change, strict=True):
        if not np.isnan(one):
            key = day.year, day.month
            sums[key] = sums.get(key, 0.0) + float(one)
    for (_, month), one in sums.items():
        total[month - 1] += one
        count[month - 1] += 1
        squares += one**2
    profile = season_profile(total, count, squares)[:, 0]
    return [float(100 * np.expm1(one)) for one in profile]


def _rounded(value: float) -> float:
    """Returns a number with as many digits as say something; nothing for what is not known."""
    return float(f"{float(np.nan_to_num(value)):.{_DIGITS}g}")
