"""Forecasts against a random walk, the season before, and public rivals, at rolling origins.

Prices: the folder FARMGATE_PRICES_DIR, or ../shared/data/prices beside the project; both hold
`wb_pinksheet_monthly.csv` and `wb_pinksheet_meta.csv`. Rivals need the group `bench`.
"""

import argparse
import csv
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from farmgate.ai import backtest, gate, scores
from farmgate.ai.backtest import Summary, Task, summarise
from farmgate.ai.boosters import Model
from farmgate.ai.ensemble import fit, know
from farmgate.ai.panel import History, Panel, make_panel
from farmgate.ai.styles import DAILY, MONTHLY, STYLES

ROOT = Path(__file__).parents[1]
HORIZON = 12
# Every half year: the origins reach over two of each other's forecasts.
OVERLAP = 2
LEVELS = (50, 80, 95)
REQUIRED = {
    "pinball_ratio": (0.0, 0.960), "mae_ratio": (0.0, 0.985), "season_ratio": (0.0, 0.720),
    "inside_80": (0.75, 0.84), "inside_95": (0.92, 0.97),
}  # fmt: skip


def world_bank(folder: Path) -> Panel:
    """The agricultural series that are complete."""
    with (folder / "wb_pinksheet_meta.csv").open(encoding="utf-8", newline="") as file:
        meta = list(csv.DictReader(file))
    with (folder / "wb_pinksheet_monthly.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [one["series"] for one in meta if one["kind"] == "agri" and int(one["n"]) == len(rows)]
    days = tuple(date.fromisoformat(row["date"]) for row in rows)
    return make_panel(
        [History(name, "AGRI", days, tuple(float(row[name]) for row in rows)) for name in names],
        STYLES[MONTHLY],
    )


def random_walks(seed: int, *, count: int = 24, months: int = 437) -> Panel:
    """Series without anything to find: fat-tailed steps with a common part."""
    random = np.random.default_rng(seed)
    shared = random.standard_t(5, months) * 0.02
    days = [date(1990 + month // 12, month % 12 + 1, 1) for month in range(months)]
    histories = []
    for number in range(count):
        steps = shared + random.standard_t(5, months) * 0.04
        prices = 100 * np.exp(np.cumsum(steps))
        histories.append(History(f"walk{number:02d}", "WALK", tuple(days), tuple(prices)))
    return make_panel(histories, STYLES[MONTHLY])


def half_years(panel: Panel) -> list[int]:
    """Origins every 6 months from 2006 to 2025 with 12 months after them."""
    return [
        row
        for row, day in enumerate(panel.days)
        if day.month in {1, 7} and date(2006, 1, 1) <= day <= date(2025, 1, 1)
    ]


def run(panel: Panel, origins: Sequence[int]) -> list[Task]:
    """Member C is trained anew at every origin."""
    known = know(panel)
    made: list[Task] = []
    for row in origins:
        boosters = fit(known, row)
        made += backtest.tasks_at(known, row, Model(boosters.texts) if boosters else None)
    return made


def rival(name: str, panel: Panel, made: Sequence[Task]) -> list[Task]:
    """The same tasks, by a model of statsforecast."""
    # Beside the project's own packages and after them: the product does not know it.
    sys.path.append(str(ROOT / ".venv/bench"))
    rivals = importlib.import_module("statsforecast.models")
    column = {series: index for index, series in enumerate(panel.series)}
    found = []
    for task in made:
        seen = np.log(panel.prices[: task.origin + 1, column[task.series_id]])
        model = getattr(rivals, name)(season_length=12)
        told = model.forecast(y=seen, h=HORIZON, level=list(LEVELS))
        low = [np.asarray(told[f"lo-{level}"]) for level in reversed(LEVELS)]
        high = [np.asarray(told[f"hi-{level}"]) for level in LEVELS]
        quantiles = np.exp(np.sort(np.stack([*low, np.asarray(told["mean"]), *high], axis=1)))
        found.append(
            Task(
                task.series_id, task.origin, task.last, quantiles, task.walk, task.season,
                task.actual, task.naive,
            )
        )  # fmt: skip
    return found


def by_year(panel: Panel, made: Sequence[Task]) -> dict[str, float]:
    """Coverage of the 80 % range by the year of the origin: it is marginal, not conditional."""
    found: dict[str, float] = {}
    for year in sorted({panel.days[task.origin].year for task in made}):
        those = [task for task in made if panel.days[task.origin].year == year]
        quantiles = np.stack([task.quantiles for task in those])
        actual = np.stack([task.actual for task in those])
        found[str(year)] = round(scores.coverage(quantiles, actual, 80), 3)
    return found


def figures(summary: Summary | None) -> dict[str, Any]:
    """The figures as the last line tells them."""
    assert summary is not None
    names = (*REQUIRED, "inside_50", "p_value", "count", "origin_count")
    return {name: round(float(getattr(summary, name)), 4) for name in names} | {
        "verdict": summary.verdict
    }


def budget(series: int, days: int) -> dict[str, float]:
    """Backtest, training and today's forecasts of many daily series: CPU and memory."""
    random = np.random.default_rng(7)
    dates: list[date] = []
    day = date(2016, 1, 4)
    while len(dates) < days:
        if day.weekday() < 5:
            dates.append(day)
        day += timedelta(days=1)
    shared = random.standard_t(5, days) * 0.006
    histories = [
        History(
            f"day{number:03d}", "ABC"[number % 3], tuple(dates),
            tuple(100 * np.exp(np.cumsum(shared + random.standard_t(5, days) * 0.01))),
        )
        for number in range(series)
    ]  # fmt: skip
    started = time.process_time()
    panel = make_panel(histories, STYLES[DAILY])
    known = know(panel)
    made = backtest.run(known, backtest.origins(panel, panel.style.origin_count))
    summary = summarise(made, backtest.overlap_of(panel.style))
    boosters = fit(known, days - 1)
    assert boosters is not None
    backtest.tasks_at(known, days - panel.style.horizon - 1, Model(boosters.texts))
    spent = time.process_time() - started
    return {
        "cpu_s": round(spent, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "faults": len(gate.faults(summary, None, has_champion=False)),
    }


def table(name: str, row: dict[str, Any]) -> None:
    """One line for a reader."""
    shown = "  ".join(f"{row[key]:>8.3f}" for key in REQUIRED)
    print(f"{name:<16}{shown}  {row['verdict']}", flush=True)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("FARMGATE_PRICES_DIR", str(ROOT.parent / "shared/data/prices"))
    parser.add_argument("--prices", type=Path, default=Path(default))
    parser.add_argument("--walks", type=int, default=8, help="sets of random walks")
    parser.add_argument("--rivals", default="", help="comma-separated, such as AutoTheta,AutoETS")
    parser.add_argument("--series", type=int, default=200, help="daily series of the budget")
    parser.add_argument("--days", type=int, default=2_520)
    options = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "forecast", "required": REQUIRED}
    # First, before anything else has taken memory.
    result["budget"] = budget(options.series, options.days)
    print(f"budget: {result['budget']}", flush=True)
    panel = world_bank(options.prices)
    made, spent = timed(lambda: run(panel, half_years(panel)))
    result["world_bank"] = figures(summarise(made, OVERLAP)) | {"series": len(panel.series)}
    result["coverage_80_by_year"] = by_year(panel, made)
    print(f"{'':<16}" + "  ".join(f"{key:>8.8}" for key in REQUIRED), flush=True)
    table("ensemble", result["world_bank"])
    for name in [one for one in options.rivals.split(",") if one]:
        others, needed = timed(lambda name=name: rival(name, panel, made))
        result[name] = figures(summarise(others, OVERLAP)) | {"cpu_ratio": round(needed / spent, 2)}
        table(name, result[name])
    result["walks"] = []
    for seed in range(1, options.walks + 1):
        walks = random_walks(seed)
        row = figures(summarise(run(walks, half_years(walks)), OVERLAP))
        result["walks"].append(row)
        table(f"walks, seed {seed}", row)
    claims = sum(row["verdict"] == scores.POINT_SKILL for row in result["walks"])
    result["walks_claiming_skill"] = claims
    means = [row["pinball_ratio"] for row in result["walks"]]
    result["walks_pinball"] = round(float(np.mean(means)), 4) if means else None
    result["is_within"] = claims <= 1 and all(
        low <= result["world_bank"][name] <= high for name, (low, high) in REQUIRED.items()
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
