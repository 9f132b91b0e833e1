"""What the module keeps, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

# States of a model.
CANDIDATE: Final = "CANDIDATE"
CHAMPION: Final = "CHAMPION"
RETIRED: Final = "RETIRED"
REJECTED: Final = "REJECTED"
# States of a run; REJECTED is one of them, too.
QUEUED: Final = "QUEUED"
RUNNING: Final = "RUNNING"
SUCCEEDED: Final = "SUCCEEDED"
FAILED: Final = "FAILED"
CANCELLED: Final = "CANCELLED"
OPEN: Final = (QUEUED, RUNNING)
MICRO: Final = 10**6


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the registry.

    Attributes:
        metrics: Figures of its backtest.
        gate_reasons: Why it may not come into use by itself.
        is_fallback: Whether member C is left out, because the model did worse than a random walk.
    """

    id: str
    family: str
    version: str
    frequency: str
    recipe: str
    status: str
    train_start: str
    data_cutoff: str
    series_count: int
    row_count: int
    data_sha256: str
    artifact_sha256: str
    metrics: Mapping[str, Any]
    gate_reasons: tuple[str, ...]
    run_id: str
    created_at: datetime
    promoted_at: datetime | None
    is_fallback: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A training run."""

    id: str
    frequency: str
    symbols: tuple[str, ...]
    is_dry_run: bool
    reason: str
    state: str
    stage: str
    done: int
    total: int
    model_id: str
    error: str
    requested_by: str
    requested_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_cancel_requested: bool = False
    beat_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Returns whether it waits or is under way."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class Line:
    """A step of a run's progress."""

    id: int
    run_id: str
    stage: str
    done: int
    total: int
    line: str


@dataclass(frozen=True, slots=True)
class Point:
    """The forecast for one day.

    Attributes:
        day: YYYY-MM-DD.
        quantiles: Seven prices in millionths, rising.
        above: Probability of a price above the last one.
    """

    day: str
    quantiles: tuple[int, ...]
    above: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast as it was issued."""

    id: str
    series_id: str
    model_id: str
    frequency: str
    unit: str
    currency: str
    data_cutoff: str
    last_micro: int
    issued_at: datetime
    cautions: tuple[str, ...]
    points: tuple[Point, ...]
    explanation: Mapping[str, Any]
    walk_deviation: float
    naive_micro: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures of past forecasts at one distance.

    Attributes:
        step: Steps ahead.
        count: Forecasts.
        mape: Mean absolute error in per cent.
        rmse: Root of the mean squared error, as a share of the price at the origin.
        mase: Mean absolute error over the mean size of a past step.
        pinball: Pinball loss over that of a random walk.
        ratio_last: Mean absolute error over that of the last price.
        ratio_season: Mean absolute error over that of the price a year before; 0 for none.
        p_value: One-sided chance that the middle is no better than the last price.
        inside: Shares inside the 50, 80 and 95 % ranges.
        width_pct: Mean width of the 80 % range in per cent of the price at the origin.
    """

    step: int
    count: int
    mape: float
    rmse: float
    mase: float
    pinball: float
    ratio_last: float
    ratio_season: float
    p_value: float
    inside: tuple[float, float, float]
    width_pct: float
