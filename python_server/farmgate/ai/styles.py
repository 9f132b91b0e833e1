"""What differs between daily and monthly prices.

Source of the figures: rolling-origin measurements on futures, food prices and World Bank series.
"""

from dataclasses import dataclass
from typing import Final

QUANTILES: Final = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
MEDIAN: Final = QUANTILES.index(0.5)
DAILY: Final = "D"
MONTHLY: Final = "M"
# Below this nothing is said at all.
HISTORY_MIN: Final = 10
# A price that is the same on more than this share of days is sticky: member B is left out.
STICKY_SHARE: Final = 0.3
# Smallest standard deviation of a step in log price; a constant price has none.
DEVIATION_MIN: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Style:
    """How prices of one frequency are forecast.

    Attributes:
        frequency: "D" or "M".
        horizon: Steps ahead of the last point.
        decay: Of the exponential variance, a step.
        level_window: Steps of the long-run variance.
        rho: How slowly the variance goes back to the long run, a step.
        change_window: Steps whose changes member A looks at.
        width_window: Steps whose errors member B looks at.
        width_stride: Of them every so many.
        discount: Weight of an error a step older, for the choice of the level's gain.
        has_level: Whether member B smooths the level and adds the season.
        year_steps: Steps a year, when the dates do not tell.
        momentum_lags: Steps of the momentum features.
        mean_windows: Steps of the means whose distance is a feature.
        history_min: Prices below which only member B with the category's variance speaks.
        gap_max: Missing steps that are bridged by the price before.
        stale_days: Days after which the newest price is old.
        origin_count: Origins of a backtest.
        origin_steps: Steps between them.
        train_window: Steps that member C learns from.
    """

    frequency: str
    horizon: int
    decay: float
    level_window: int
    rho: float
    change_window: int
    width_window: int
    width_stride: int
    discount: float
    has_level: bool
    year_steps: int
    momentum_lags: tuple[int, ...]
    mean_windows: tuple[int, ...]
    history_min: int
    gap_max: int
    stale_days: int
    origin_count: int
    origin_steps: int
    train_window: int


STYLES: Final = {
    DAILY: Style(
        frequency=DAILY, horizon=30, decay=0.97, level_window=1_000, rho=0.985,
        change_window=1_000, width_window=2_500, width_stride=3, discount=0.995, has_level=False,
        year_steps=261, momentum_lags=(1, 5, 20, 60, 250), mean_windows=(20, 250, 750),
        history_min=60, gap_max=5, stale_days=10, origin_count=16, origin_steps=20,
        train_window=2_500,
    ),
    MONTHLY: Style(
        frequency=MONTHLY, horizon=12, decay=0.90, level_window=120, rho=0.85, change_window=240,
        width_window=240, width_stride=1, discount=0.99, has_level=True, year_steps=12,
        momentum_lags=(1, 2, 3, 6, 12, 24), mean_windows=(12, 36, 60), history_min=24, gap_max=2,
        stale_days=75, origin_count=24, origin_steps=3, train_window=480,
    ),
}  # fmt: skip
