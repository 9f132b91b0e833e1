"""Members A and B of the ensemble: log-price quantiles at an origin, shape (series, horizon, 7)."""

from typing import Final

import numpy as np

from farmgate.ai.levels import Levels
from farmgate.ai.panel import Floats
from farmgate.ai.states import States
from farmgate.ai.styles import DEVIATION_MIN, MEDIAN, QUANTILES

_QUANTILES: Final = np.array(QUANTILES)
# Fewer changes than this say nothing about their own tails.
_CHANGES_MIN: Final = 20
_SMOOTHING: Final = 2
# Quantiles farther out are those of a tail.
_TAIL: Final = 0.2
# Errors that the outer quantiles of a width need.
_ERRORS_MIN: Final = 200
# Quantiles of the standard normal distribution, for a width nobody has seen errors of.
_NORMAL: Final = np.array([-1.959964, -1.281552, -0.674490, 0.0, 0.674490, 1.281552, 1.959964])


def historical(states: States, row: int) -> Floats:
    """Returns member A: quantiles of past changes, moved so that their median is nothing."""
    style = states.style
    first = max(0, row - style.change_window)
    window = states.log[first : row + 1]
    found = np.full((window.shape[1], style.horizon, len(QUANTILES)), np.nan)
    for step in range(1, style.horizon + 1):
        changes = window[step:] - window[:-step] if step < len(window) else window[:0]
        found[:, step - 1] = _column_quantiles(changes).T
    # Where a history is too short for a distance, the last that was seen is stretched.
    for step in range(1, style.horizon):
        missing = np.isnan(found[:, step, 0])
        found[missing, step] = found[missing, step - 1] * np.sqrt((step + 1) / step)
    shifted: Floats = found - found[:, :, MEDIAN : MEDIAN + 1] + states.log[row][:, None, None]
    return shifted


def _column_quantiles(changes: Floats) -> Floats:
    """Returns 7 quantiles a column, NaN where there are too few; columns start with NaN."""
    found = np.full((len(QUANTILES), changes.shape[1]), np.nan)
    counts = np.sum(~np.isnan(changes), axis=0)
    for count in np.unique(counts[counts >= _CHANGES_MIN]):
        columns = np.flatnonzero(counts == count)
        found[:, columns] = np.quantile(changes[len(changes) - count :, columns], QUANTILES, axis=0)
    return found


def centres(states: States, levels: Levels | None, seasons: Floats | None, row: int) -> Floats:
    """Returns the centres of member B at a row, shape (series, horizon)."""
    if levels is None or seasons is None:
        return np.repeat(states.log[row][:, None], states.style.horizon, axis=1)
    centre: Floats = levels.at(row, row)[:, None] + seasons[row].T
    return centre


def widths(
    states: States, levels: Levels | None, seasons: Floats | None, row: int, columns: np.ndarray
) -> Floats:
    """Returns the quantiles of member B's scaled past errors, shape (horizon, 7).

    Only errors that were known at the row count; all series share them.
    """
    style = states.style
    found = np.empty((style.horizon, len(QUANTILES)))
    first = max(0, row - style.width_window)
    for step in range(1, style.horizon + 1):
        rows = np.arange(first, row - step + 1, style.width_stride)
        actual = states.log[rows + step][:, columns]
        if levels is None or seasons is None:
            centre = states.log[rows][:, columns]
        else:
            level = levels.values[levels.best[row], rows][:, columns]
            centre = level + seasons[rows, step - 1][:, columns]
        weight = _deviations(states, rows, step)[:, columns]
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = (actual - centre) / weight
        known = scaled[np.isfinite(scaled) & (weight > DEVIATION_MIN)]
        found[step - 1] = _conformal(known)
    symmetric = (found - found[:, ::-1]) / 2
    return _smooth(symmetric)


def _deviations(states: States, rows: np.ndarray, step: int) -> Floats:
    # Rows are evenly spaced, and a slice is a view.
    if len(rows) == 0:
        return states.recent[:0]
    stride = int(rows[1] - rows[0]) if len(rows) > 1 else 1
    return states.deviation(slice(int(rows[0]), int(rows[-1]) + 1, stride), step)


def _conformal(values: Floats) -> Floats:
    """Returns 7 quantiles; the outer ones by the index that split conformal prediction takes."""
    count = len(values)
    if count < _ERRORS_MIN:
        return _NORMAL
    ordered = np.sort(values)
    upper, lower = np.ceil((count + 1) * _QUANTILES), np.floor((count + 1) * _QUANTILES)
    ranks = np.where(np.arange(len(_QUANTILES)) > MEDIAN, upper, lower)
    inner: Floats = np.quantile(ordered, QUANTILES)
    outer = ordered[np.clip(ranks.astype(np.int64) - 1, 0, count - 1)]
    is_outer = (_QUANTILES < _TAIL) | (_QUANTILES > 1 - _TAIL)
    found: Floats = np.where(is_outer, outer, inner)
    return found


def _smooth(widths_by_step: Floats) -> Floats:
    """Returns means over five neighbouring steps, fewer at the ends."""
    count = len(widths_by_step)
    return np.array(
        [
            widths_by_step[max(0, step - _SMOOTHING) : min(count, step + _SMOOTHING + 1)].mean(
                axis=0
            )
            for step in range(count)
        ]
    )


def scaled(centre: Floats, width: Floats, deviation: Floats) -> Floats:
    """Returns member B: centre and scaled width.

    Args:
        centre: Shape (series, horizon).
        width: Shape (horizon, 7).
        deviation: Standard deviation over each distance, shape (series, horizon).
    """
    found: Floats = centre[:, :, None] + deviation[:, :, None] * width[None]
    return found


def arithmetic(prices: Floats, start: int, row: int, horizon: int, window: int) -> Floats:
    """Returns price quantiles of a series whose prices need not be above 0, shape (horizon, 7).

    The last price, and changes as they were, moved so that their median is nothing.
    """
    seen = prices[max(start, row - window) : row + 1]
    found = np.zeros((horizon, len(QUANTILES)))
    for step in range(1, horizon + 1):
        changes = seen[step:] - seen[:-step] if step < len(seen) else seen[:0]
        if len(changes) >= _CHANGES_MIN:
            quantiles = np.quantile(changes, QUANTILES)
            found[step - 1] = quantiles - quantiles[MEDIAN]
        elif step > 1:
            found[step - 1] = found[step - 2] * np.sqrt(step / (step - 1))
        else:
            changes = np.diff(seen)
            spread = float(np.std(changes)) if len(changes) > 1 else 0.0
            found[step - 1] = spread * _NORMAL
    shifted: Floats = found + prices[row]
    return shifted
