"""The two tasks of the worker: train and judge a model, or make the forecasts of today."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from farmgate.ai import artifact, backtest, drift, gate, scores
from farmgate.ai.backtest import Task
from farmgate.ai.boosters import Boosters, Model
from farmgate.ai.distribution import probability
from farmgate.ai.ensemble import Known, fit, know, learners, outlook
from farmgate.ai.explain import explanation, reasons_at
from farmgate.ai.features import names_and_groups
from farmgate.ai.panel import History, Panel, days_after, make_panel
from farmgate.ai.styles import QUANTILES, STYLES
from farmgate.ai.worker import ARTIFACT, CHAMPION

# Prices are told with so many digits.
PRICE_DIGITS: Final = 6
# Steps whose features tell how they are spread of late.
_LATE_STEPS: Final = 60


class Tell(Protocol):
    """Says how far the work is."""

    def __call__(self, stage: str, done: int, total: int, line: str = "") -> None:
        """Tells a stage, how much of it is done, and a line for the log."""


def panel_of(task: Mapping[str, Any], prices: Path) -> Panel:
    """Returns the panel of a task."""
    with np.load(prices, allow_pickle=False) as kept:
        histories = [
            History(
                one["series_id"], one["category"],
                tuple(date.fromordinal(int(day)) for day in kept[f"days_{index}"]),
                tuple(float(price) for price in kept[f"prices_{index}"]),
            )
            for index, one in enumerate(task["series"])
        ]  # fmt: skip
    return make_panel(histories, STYLES[task["frequency"]])


def train_task(task: Mapping[str, Any], panel: Panel, folder: Path, tell: Tell) -> dict[str, Any]:
    """Trains a model, judges it at past dates and against the model in use.

    Args:
        task: What is asked for.
        panel: The prices.
        folder: Where the model in use lies, and the new one goes.
        tell: Says how far the work is.
    """
    tell("PREPARE", 0, 1, f"{len(panel.series)} series, {len(panel.days)} dates")
    known = know(panel)
    wanted = task.get("wanted", [])
    rows = backtest.origins(panel, panel.style.origin_count)
    tell("BACKTEST", 0, len(rows), f"{len(rows)} origins")
    counter = _Counter(tell, "BACKTEST", len(rows))
    made = backtest.run(known, rows, wanted, counter.tick)
    summary = backtest.summarise(made, backtest.overlap_of(panel.style))
    tell("TRAIN", 0, len(QUANTILES), _words(summary))
    last = len(panel.days) - 1
    boosters = fit(known, last, wanted, _Counter(tell, "TRAIN", len(QUANTILES)).tick)
    packed = artifact.pack(panel, boosters, _profile(known, boosters))
    (folder / ARTIFACT).write_bytes(packed.data)
    tell("JUDGE", 0, 1)
    against = _comparison(task, known, rows, made, folder)
    reasons = gate.faults(summary, against, has_champion=bool(task.get("champion")))
    tell("JUDGE", 1, 1, " ".join(reasons) or "It passes the gate.")
    return {
        "frequency": panel.style.frequency,
        "train_start": panel.days[0].isoformat(),
        "data_cutoff": panel.days[-1].isoformat(),
        "series_count": len(learners(known, last, wanted)),
        "row_count": boosters.row_count if boosters else 0,
        "data_sha256": panel.sha256(),
        "artifact_sha256": packed.sha256,
        "summary": asdict(summary) | {"verdict": summary.verdict} if summary else None,
        "against": asdict(against) if against else None,
        "reasons": reasons,
        "outcomes": [row for one in made for row in _outcomes(panel, one)],
    }


class _Counter:
    """Counts the parts of a stage."""

    def __init__(self, tell: Tell, stage: str, total: int) -> None:
        self._tell = tell
        self._stage = stage
        self._total = total
        self._done = 0

    def tick(self) -> None:
        """Says that another part is done."""
        self._done += 1
        self._tell(self._stage, self._done, self._total)


def _words(summary: backtest.Summary | None) -> str:
    if summary is None:
        return "too little history for a backtest"
    return (
        f"backtest: pinball {summary.pinball_ratio:.3f} and error {summary.mae_ratio:.3f} of a "
        f"random walk's, 80 % range {summary.inside_80:.3f}, 95 % range {summary.inside_95:.3f}"
    )


def _comparison(
    task: Mapping[str, Any], known: Known, rows: list[int], made: list[Task], folder: Path
) -> gate.Comparison | None:
    """Returns how the new model does against the one in use; both out of sample.

    At origins before its cut-off the model in use is judged by its own backtest, which is kept;
    later ones it never saw, so it is asked itself.
    """
    champion = task.get("champion")
    if not champion:
        return None
    panel = known.panel
    losses = {(origin, series): loss for origin, series, loss in champion["losses"]}
    late = [row for row in rows if panel.days[row].isoformat() >= champion["data_cutoff"]]
    if late:
        data = (folder / CHAMPION).read_bytes()
        texts = artifact.unpack(data, champion["artifact_sha256"])["boosters"]
        model = Model(texts) if texts else None
        asked = [one for row in late for one in backtest.tasks_at(known, row, model)]
        losses |= _losses(panel, asked)
    groups = dict(zip(panel.series, panel.categories, strict=True))
    return gate.compare(_losses(panel, made), losses, groups, backtest.overlap_of(panel.style))


def _losses(panel: Panel, made: list[Task]) -> dict[tuple[str, str], float]:
    usable = [one for one in made if one.last > 0]
    if not usable:
        return {}
    loss = backtest.loss_of(usable).mean(axis=1)
    return {
        (panel.days[one.origin].isoformat(), one.series_id): float(value / one.last)
        for one, value in zip(usable, loss, strict=True)
    }


def _outcomes(panel: Panel, one: Task) -> list[list[Any]]:
    """Returns a row for each distance: what was said, what came, and the baselines."""
    walk = scores.pinball(one.walk, one.actual)
    return [
        [
            one.series_id, panel.days[one.origin].isoformat(), step + 1,
            panel.days[one.origin + step + 1].isoformat(), one.last, float(one.actual[step]),
            None if math.isnan(one.season[step]) else float(one.season[step]), one.naive,
            float(walk[step]), [rounded(float(value)) for value in one.quantiles[step]],
        ]
        for step in range(len(one.actual))
    ]  # fmt: skip


def _profile(known: Known, boosters: Boosters | None) -> dict[str, Any]:
    """Returns how each feature was spread in training."""
    if boosters is None:
        return {}
    names = names_and_groups(known.panel.style)
    base = known.features.base.reshape(-1, known.features.base.shape[2])
    return {names[index][0]: drift.spread(base[:, index]) for index in range(base.shape[1])}


def issue_task(task: Mapping[str, Any], panel: Panel, folder: Path, tell: Tell) -> dict[str, Any]:
    """Makes the forecasts of the newest date.

    Args:
        task: What is asked for.
        panel: The prices.
        folder: Where the model in use lies.
        tell: Says how far the work is.
    """
    tell("FORECAST", 0, len(panel.series))
    champion = task["champion"]
    document = artifact.unpack((folder / CHAMPION).read_bytes(), champion["artifact_sha256"])
    texts = document["boosters"] if task["uses_boosters"] else []
    known = know(panel)
    row = len(panel.days) - 1
    model = Model(texts) if texts else None
    found = outlook(known, row, model)
    reasons = reasons_at(known, found, model)
    targets = days_after(panel.days, panel.style.horizon, panel.style.frequency)
    walk = backtest.walk_deviation(known, row)
    forecasts = []
    for column, name in enumerate(panel.series):
        quantiles = found.quantiles[column]
        if panel.ends[column] < 0 or np.isnan(quantiles[0, 0]):
            continue
        last = float(panel.prices[row, column])
        cutoff = panel.days[panel.ends[column]]
        cautions = []
        if found.has_low_history[column]:
            cautions.append("LOW_HISTORY")
        if (panel.days[-1] - cutoff).days > panel.style.stale_days:
            cautions.append("STALE_DATA")
        if found.is_sticky[column]:
            cautions.append("STICKY")
        if not found.is_positive[column]:
            cautions.append("NEGATIVE_PRICE")
        forecasts.append(
            {
                "series_id": name,
                "data_cutoff": cutoff.isoformat(),
                "last": rounded(last),
                "naive": _naive(panel, column),
                "walk": rounded(float(walk[column])),
                "cautions": cautions,
                "points": [
                    {
                        "day": day.isoformat(),
                        "quantiles": [rounded(float(value)) for value in quantiles[step]],
                        "above": round(
                            1 - probability(QUANTILES, quantiles[step].tolist(), last), 4
                        ),
                    }
                    for step, day in enumerate(targets)
                ],
                "explanation": explanation(known, found, reasons, column),
            }
        )
    tell("FORECAST", len(panel.series), len(panel.series))
    return {"forecasts": forecasts, "drift": _drift(known, document.get("profile", {}))}


def _naive(panel: Panel, column: int) -> float:
    start = panel.starts[column]
    steps = np.abs(np.diff(panel.prices[start:, column]))
    return float(steps.mean()) if len(steps) else 0.0


def _drift(known: Known, profile: Mapping[str, Any]) -> dict[str, float]:
    """Returns how far each feature has moved since training."""
    late = known.features.base[-_LATE_STEPS:]
    names = names_and_groups(known.panel.style)
    flat = late.reshape(-1, late.shape[2])
    return {
        name: drift.psi(flat[:, index], profile[name])
        for index, (name, _) in enumerate(names)
        if name in profile and not name.startswith("market_")
    }


def rounded(price: float) -> float:
    """Returns a price with as many digits as are told."""
    return float(f"{price:.{PRICE_DIGITS}g}")
