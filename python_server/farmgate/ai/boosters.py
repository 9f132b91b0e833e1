"""Member C: seven gradient boosters, a quantile each, shared by all series.

LightGBM takes 0.8 s and 118 MB to import, so it is imported when a model is trained or asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from farmgate.ai.features import Features, deviations, names_and_groups
from farmgate.ai.panel import Floats
from farmgate.ai.styles import DEVIATION_MIN, MEDIAN, QUANTILES

ROUNDS: Final = 60
ROWS_MAX: Final = 40_000
SEED: Final = 7
_LEAF_ROWS_MIN: Final = 100
# Below this a model would learn noise; the other members speak alone.
_ROWS_MIN: Final = 1_000
_PARAMETERS: Final[dict[str, Any]] = {
    "objective": "quantile", "learning_rate": 0.05, "num_leaves": 6, "lambda_l2": 20,
    "feature_fraction": 0.5, "bagging_fraction": 0.5, "bagging_freq": 1, "max_bin": 63,
    "seed": SEED, "deterministic": True, "force_row_wise": True, "num_threads": 1,
    "verbosity": -1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Boosters:
    """Trained boosters.

    Attributes:
        texts: Their text form, one a quantile.
        row_count: Rows they learned from.
    """

    texts: tuple[str, ...]
    row_count: int


def parameters(row_count: int) -> dict[str, Any]:
    """Returns LightGBM's parameters for so many rows, without the quantile."""
    return _PARAMETERS | {"min_data_in_leaf": max(_LEAF_ROWS_MIN, row_count // 100)}


def train(
    features: Features, cutoff: int, columns: np.ndarray, tick: Callable[[], None] | None = None
) -> Boosters | None:
    """Returns boosters that know nothing of what came after the cut-off row.

    Args:
        features: Features of all dates.
        cutoff: Row of the last price that may be learned from.
        columns: Series to learn from.
        tick: Called after each booster.

    Returns None when there are too few rows.
    """
    import lightgbm  # noqa: PLC0415 - See the module's head.

    rows, series, steps = _sample(features, cutoff, columns)
    if len(rows) < _ROWS_MIN:
        return None
    log = features.states.log
    target = (log[rows + steps, series] - log[rows, series]) / deviations(
        features.states, rows, series, steps
    )
    matrix = features.rows(rows, series, steps)
    names = [name for name, _ in names_and_groups(features.states.style)]
    given = parameters(len(rows))
    data = lightgbm.Dataset(
        matrix, target, feature_name=names, free_raw_data=False,
        params={"max_bin": given["max_bin"], "verbosity": -1, "num_threads": 1},
    )  # fmt: skip
    texts = []
    for quantile in QUANTILES:
        booster = lightgbm.train(given | {"alpha": quantile}, data, num_boost_round=ROUNDS)
        texts.append(booster.model_to_string())
        if tick:
            tick()
    return Boosters(tuple(texts), len(rows))


def _sample(
    features: Features, cutoff: int, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns dates, series and distances to learn from, spread evenly when there are too many."""
    states = features.states
    style = states.style
    first = max(0, cutoff - style.train_window)
    rows = np.arange(first, cutoff)
    steps = np.arange(1, style.horizon + 1)
    grid_rows, grid_columns = np.meshgrid(rows, columns, indexing="ij")
    is_usable = (states.counts[grid_rows, grid_columns] >= style.history_min) & (
        states.long_run[grid_rows, grid_columns] > DEVIATION_MIN**2
    )
    is_usable &= states.is_positive[cutoff, grid_columns]
    usable_rows, usable_columns = grid_rows[is_usable], grid_columns[is_usable]
    total = len(usable_rows) * len(steps)
    chosen = np.arange(total)
    if total > ROWS_MAX:
        random = np.random.Generator(np.random.PCG64(SEED))
        chosen = np.sort(random.choice(total, ROWS_MAX, replace=False))
    place, ahead = chosen // len(steps), steps[chosen % len(steps)]
    found_rows, found_columns = usable_rows[place], usable_columns[place]
    is_resolved = found_rows + ahead <= cutoff
    return found_rows[is_resolved], found_columns[is_resolved], ahead[is_resolved]


class Model:
    """Boosters that can be asked.

    Args:
        texts: Their text form, one a quantile.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import lightgbm  # noqa: PLC0415 - See the module's head.

        assert len(texts) == len(QUANTILES)
        self._boosters = [lightgbm.Booster(model_str=text) for text in texts]

    def quantiles(self, features: Features, row: int, columns: np.ndarray) -> Floats:
        """Returns member C at an origin: log-price quantiles, shape (series, horizon, 7)."""
        rows, series, steps = _grid(features, row, columns)
        matrix = features.rows(rows, series, steps)
        scaled = np.stack([self._ask(booster, matrix) for booster in self._boosters], axis=1)
        scaled.sort(axis=1)
        spread = deviations(features.states, rows, series, steps)
        # What stands still is expected to stand still.
        spread = np.where(spread > DEVIATION_MIN, spread, 0.0)
        log = features.states.log[rows, series][:, None] + scaled * spread[:, None]
        shaped: Floats = log.reshape(len(columns), -1, len(QUANTILES))
        return shaped

    def contributions(self, features: Features, row: int, columns: np.ndarray) -> Floats:
        """Returns what each feature adds to the median, in log price.

        Shape (series, horizon, features + 1); the last is the model's own mean.
        """
        rows, series, steps = _grid(features, row, columns)
        matrix = features.rows(rows, series, steps)
        found = self._boosters[MEDIAN].predict(matrix, pred_contrib=True, num_threads=1)
        spread = deviations(features.states, rows, series, steps)
        spread = np.where(spread > DEVIATION_MIN, spread, 0.0)
        log: Floats = np.asarray(found) * spread[:, None]
        return log.reshape(len(columns), features.states.style.horizon, -1)

    @staticmethod
    def _ask(booster: Any, matrix: Floats) -> Floats:
        found: Floats = np.asarray(booster.predict(matrix, num_threads=1))
        return found


def _grid(
    features: Features, row: int, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    horizon = features.states.style.horizon
    series = np.repeat(columns, horizon)
    steps = np.tile(np.arange(1, horizon + 1), len(columns))
    return np.full(len(series), row), series, steps
