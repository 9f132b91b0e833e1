"""The ensemble: the equal mean of the members' log-price quantiles, at any date of a panel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from farmgate.ai import members
from farmgate.ai.boosters import Boosters, Model, train
from farmgate.ai.features import Features, make_features
from farmgate.ai.levels import Levels, make_levels
from farmgate.ai.panel import Floats, Panel
from farmgate.ai.states import States, make_states, season_paths
from farmgate.ai.styles import HISTORY_MIN, QUANTILES, STICKY_SHARE

# The names of the members, as models and explanations tell them.
HISTORICAL: Final = "A"
SCALED: Final = "B"
BOOSTED: Final = "C"


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known at each date; made once a panel.

    Attributes:
        states: Variances.
        features: What member C looks at.
        levels: Smoothed levels; None for daily prices.
        seasons: Expected changes from the season; None for daily prices.
    """

    states: States
    features: Features
    levels: Levels | None
    seasons: Floats | None

    @property
    def panel(self) -> Panel:
        """Returns the prices."""
        return self.states.panel


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is forecast at one origin.

    Attributes:
        row: The origin.
        quantiles: Price quantiles, shape (series, horizon, 7); NaN where nothing is said.
        members: Log-price quantiles by member; NaN where it does not speak.
        centre: Log-price centre of member B, shape (series, horizon).
        level: Log-price level of member B, shape (series).
        has_low_history: Series that only the category's variance speaks for.
        is_sticky: Series whose price seldom changes.
        is_positive: Series all of whose prices are above 0.
    """

    row: int
    quantiles: Floats
    members: dict[str, Floats] = field(default_factory=dict)
    centre: Floats = field(default_factory=lambda: np.empty(0))
    level: Floats = field(default_factory=lambda: np.empty(0))
    has_low_history: np.ndarray = field(default_factory=lambda: np.empty(0))
    is_sticky: np.ndarray = field(default_factory=lambda: np.empty(0))
    is_positive: np.ndarray = field(default_factory=lambda: np.empty(0))


def know(panel: Panel) -> Known:
    """Returns what is known at each date of a panel."""
    states = make_states(panel)
    features = make_features(states)
    if not panel.style.has_level:
        return Known(states, features, None, None)
    return Known(states, features, make_levels(states), season_paths(states))


def learners(known: Known, cutoff: int, wanted: Sequence[str] = ()) -> np.ndarray:
    """Returns the columns a model may learn from at a cut-off: enough prices, all above 0."""
    states = known.states
    is_usable = states.is_positive[cutoff] & (
        states.counts[cutoff] >= states.style.history_min + states.style.horizon
    )
    if wanted:
        is_usable &= np.isin(np.array(known.panel.series), wanted)
    return np.flatnonzero(is_usable)


def fit(
    known: Known, cutoff: int, wanted: Sequence[str] = (), tick: Callable[[], None] | None = None
) -> Boosters | None:
    """Returns member C, trained on what was known at a cut-off row."""
    columns = learners(known, cutoff, wanted)
    return train(known.features, cutoff, columns, tick) if len(columns) else None


def outlook(known: Known, row: int, model: Model | None) -> Outlook:
    """Returns the forecasts at a row; they depend on nothing that came after it.

    Args:
        known: What is known at each date.
        row: The origin.
        model: Member C; without it the others speak alone.
    """
    states, style = known.states, known.states.style
    count = states.counts[row]
    is_positive = states.is_positive[row]
    is_full = is_positive & (count >= style.history_min)
    is_low = is_positive & (count >= HISTORY_MIN) & ~is_full
    is_sticky = is_full & (_unchanged(states, row) > STICKY_SHARE)
    full = np.flatnonzero(is_full)
    shape = (len(count), style.horizon, len(QUANTILES))
    spoken = {name: np.full(shape, np.nan) for name in (HISTORICAL, SCALED, BOOSTED)}
    centre = members.centres(states, known.levels, known.seasons, row)
    width = members.widths(states, known.levels, known.seasons, row, full)
    deviation = _deviations(states, row)
    spoken[HISTORICAL][full] = members.historical(states, row)[full]
    spoken[SCALED][full] = members.scaled(centre, width, deviation)[full]
    spoken[SCALED][is_sticky] = np.nan
    if model is not None and len(full):
        spoken[BOOSTED][full] = model.quantiles(known.features, row, full)
    plain = np.repeat(states.log[row][:, None], style.horizon, axis=1)
    pooled = _category_deviations(known.panel, deviation, is_full, is_low)
    spoken[SCALED][is_low] = members.scaled(plain, width, pooled)[is_low]
    quantiles = np.full(shape, np.nan)
    anything = np.flatnonzero(is_full | is_low)
    quantiles[anything] = np.exp(_mean([one[anything] for one in spoken.values()]))
    for column in np.flatnonzero(~is_positive & (count >= HISTORY_MIN)):
        start = known.panel.starts[column]
        quantiles[column] = members.arithmetic(
            known.panel.prices[:, column], start, row, style.horizon, style.change_window
        )
    level = known.levels.at(row, row) if known.levels else states.log[row]
    return Outlook(row, quantiles, spoken, centre, level, is_low, is_sticky, is_positive)


def _mean(spoken: Sequence[Floats]) -> Floats:
    """Returns the mean over those members that speak, rising over the quantiles."""
    stacked = np.stack(spoken)
    speaks = ~np.isnan(stacked)
    total = np.where(speaks, stacked, 0.0).sum(axis=0)
    found: Floats = np.sort(total / speaks.sum(axis=0), axis=2)
    return found


def _unchanged(states: States, row: int) -> Floats:
    """Returns the share of steps without a change, of late."""
    first = max(0, row - states.style.change_window)
    change = states.change[first : row + 1]
    known = ~np.isnan(change)
    share: Floats = ((change == 0) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return share


def _deviations(states: States, row: int) -> Floats:
    steps = range(1, states.style.horizon + 1)
    return np.stack([states.deviation(row, step) for step in steps], axis=1)


def _category_deviations(
    panel: Panel, deviation: Floats, is_full: np.ndarray, is_low: np.ndarray
) -> Floats:
    """Returns, for series with a short history, the deviation of their category's others.

    Of all series where the category has none, and the series' own where there is no other at all.
    """
    found = deviation.copy()
    categories = np.array(panel.categories)
    for column in np.flatnonzero(is_low):
        others = is_full & (categories == categories[column])
        others = others if others.any() else is_full
        if others.any():
            found[column] = np.sqrt(np.mean(deviation[others] ** 2, axis=0))
    return found
