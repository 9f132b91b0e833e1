"""Losses, coverage and verdicts, against figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from farmgate.ai import drift, gate, scores
from farmgate.ai.backtest import Summary
from farmgate.ai.distribution import mean, probability, quantile
from farmgate.ai.gate import Comparison
from farmgate.ai.styles import QUANTILES

GOOD = Summary(
    count=1_000, origin_count=16, pinball_ratio=0.96, mae_ratio=0.98, season_ratio=0.7,
    p_value=0.001, inside_50=0.5, inside_80=0.8, inside_95=0.95, mape=5, rmse=0.06, mase=1.2,
    is_sound=True,
)  # fmt: skip
BETTER = Comparison(16, 0.98, 0.02, "GRAIN", 1.0)


def test_pinball_is_the_mean_over_the_quantiles() -> None:
    quantiles = np.full((1, 7), 10.0)
    # A price 2 above all: each quantile p costs 2p; their mean is 2 · 0.5.
    assert scores.pinball(quantiles, np.array([12.0]))[0] == pytest.approx(1.0)
    assert scores.pinball(quantiles, np.array([8.0]))[0] == pytest.approx(1.0)


def test_coverage_counts_prices_inside() -> None:
    quantiles = np.tile(np.arange(7.0), (4, 1))
    actual = np.array([3.0, 1.0, 0.5, 9.0])
    assert scores.coverage(quantiles, actual, 50) == 0.25
    assert scores.coverage(quantiles, actual, 80) == 0.5
    assert scores.coverage(quantiles, actual, 95) == 0.75
    assert np.isnan(scores.coverage(quantiles[:0], actual[:0], 80))


def test_kupiec_doubts_a_coverage_far_off() -> None:
    # 140 of 200 instead of 160: the likelihood ratio is 11.2 by hand.
    assert scores.kupiec(0.7, 200, 0.8) == pytest.approx(0.00083, rel=0.05)
    assert scores.kupiec(0.8, 200, 0.8) == pytest.approx(1.0)
    assert scores.kupiec(1.0, 5, 0.8) > 0.1
    assert scores.kupiec(0.0, 0, 0.8) == 1.0


def test_diebold_mariano_is_sure_of_what_is_always_better_only() -> None:
    random = np.random.default_rng(2)
    better = random.normal(-1, 0.5, 40)
    statistic, p_value = scores.diebold_mariano(better, 2)
    assert statistic < -5
    assert p_value < 1e-4
    assert scores.diebold_mariano(-better, 2)[1] > 0.999
    assert scores.diebold_mariano(np.zeros(40), 2) == (0.0, 1.0)
    assert scores.diebold_mariano(better[:5], 2) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("mae_ratio", "p_value", "pinball_ratio", "inside_80", "expected"),
    [
        (0.97, 0.001, 0.95, 0.8, scores.POINT_SKILL),
        (0.988, 0.001, 0.95, 0.8, scores.INTERVALS_ONLY),
        (0.97, 0.02, 0.95, 0.8, scores.INTERVALS_ONLY),
        (1.0, 0.5, 0.98, 0.8, scores.INTERVALS_ONLY),
        (1.0, 0.5, 0.98, 0.6, scores.NO_SKILL),
        (1.0, 0.5, 1.0, 0.8, scores.NO_SKILL),
    ],
)
def test_skill_is_claimed_beyond_chance_only(
    mae_ratio: float, p_value: float, pinball_ratio: float, inside_80: float, expected: str
) -> None:
    """AIM-020."""
    found = scores.verdict(
        mae_ratio=mae_ratio, pinball_ratio=pinball_ratio, p_value=p_value, inside_80=inside_80,
        inside_95=0.95,
    )  # fmt: skip
    assert found == expected


def _with(summary: Summary, **changed: object) -> Summary:
    return replace(summary, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("summary", "against", "word"),
    [
        (None, None, "little history"),
        (_with(GOOD, origin_count=8), BETTER, "8 origins"),
        (_with(GOOD, is_sound=False), BETTER, "not finite"),
        (_with(GOOD, inside_80=0.70), BETTER, "0.700"),
        (_with(GOOD, inside_95=0.99), BETTER, "0.990"),
        (_with(GOOD, mae_ratio=1.02), BETTER, "1.020"),
        (GOOD, None, "0 origins"),
        (GOOD, Comparison(16, 0.999, 0.02, "GRAIN", 1.0), "0.999"),
        (GOOD, Comparison(16, 0.98, 0.3, "GRAIN", 1.0), "0.30"),
        (GOOD, Comparison(16, 0.98, 0.02, "SPICE", 1.05), "SPICE"),
    ],
)
def test_the_gate_says_why_a_model_stays_out(
    summary: Summary | None, against: Comparison | None, word: str
) -> None:
    """AIM-030."""
    reasons = gate.faults(summary, against, has_champion=True)
    assert any(word in reason for reason in reasons)


def test_the_gate_opens_to_what_is_better_and_to_a_sound_first_one() -> None:
    """AIM-030."""
    assert gate.faults(GOOD, BETTER, has_champion=True) == []
    assert gate.faults(GOOD, None, has_champion=False) == []


def test_models_are_compared_where_both_spoke() -> None:
    """AIM-030."""
    days = [f"2026-01-{day:02d}" for day in range(1, 17)]
    old = {(day, name): 1.0 + index % 3 / 10 for index, day in enumerate(days) for name in "ab"}
    new = {(day, "a"): old[day, "a"] * 0.9 + index % 2 / 100 for index, day in enumerate(days)}
    new |= {("2025-01-01", "a"): 99.0}
    found = gate.compare(new, old, {"a": "GRAIN"}, 1)
    assert found is not None
    assert found.origin_count == 16
    assert 0.9 < found.ratio < 0.92
    assert found.p_value < 0.01
    assert found.worst_group == "GRAIN"
    assert gate.compare({}, old, {}, 1) is None


@pytest.mark.parametrize(
    ("origins", "inside", "ratio", "expected"),
    [(20, 0.95, 1.0, False), (20, 0.89, 1.0, True), (20, 0.95, 1.03, True), (5, 0.5, 2.0, False)],
)
def test_a_model_that_does_worse_than_none_has_failed(
    origins: int, inside: float, ratio: float, *, expected: bool
) -> None:
    """AIM-034."""
    found = gate.has_failed(origin_count=origins, inside_95=inside, pinball_ratio=ratio)
    assert found is expected


def _live(count: int = 40, shift: float = 0.0, inside: float = 0.8) -> drift.Live:
    random = np.random.default_rng(4)
    losses = random.normal(0, 1, count)
    losses[count // 2 :] += shift
    return drift.Live(
        losses.tolist(), [inside] * count, [0.95] * count, [25, 75, 150, 250, 250, 150, 75, 25]
    )


def test_drift_is_found_where_there_is_some() -> None:
    """AIM-035."""
    assert drift.findings(_live(), {"volatility_ratio": 0.1}) == []
    assert "PSI 0.40" in drift.findings(_live(), {"volatility_ratio": 0.4})[0]
    assert "CUSUM" in drift.findings(_live(shift=2.5), {})[0]
    assert "80%" in drift.findings(_live(inside=0.5), {})[0]
    uneven = drift.Live([0.0] * 40, [0.8] * 40, [0.95] * 40, [0, 0, 0, 500, 500, 0, 0, 0])
    assert "unevenly" in drift.findings(uneven, {})[0]
    # A few origins say nothing, however bad they look.
    assert drift.findings(_live(count=8, inside=0.1), {}) == []


def test_psi_grows_with_the_distance() -> None:
    random = np.random.default_rng(5)
    before = drift.spread(random.normal(0, 1, 2_000))
    assert drift.psi(random.normal(0, 1, 2_000), before) < 0.05
    assert drift.psi(random.normal(1.5, 1, 2_000), before) > 1
    assert drift.psi(np.zeros(3), before) == 0.0
    assert drift.spread(np.zeros(3)) == {}


def test_the_distribution_goes_through_the_quantiles() -> None:
    prices = [80.0, 90.0, 95.0, 100.0, 106.0, 112.0, 125.0]
    for level, price in zip(QUANTILES, prices, strict=True):
        assert probability(QUANTILES, prices, price) == pytest.approx(level)
        assert quantile(QUANTILES, prices, level) == pytest.approx(price)
    assert 0 < probability(QUANTILES, prices, 60.0) < 0.001
    assert 0.999 < probability(QUANTILES, prices, 170.0) <= 1
    assert 80 < quantile(QUANTILES, prices, 0.05) < 90
    assert 100 < mean(QUANTILES, prices) < 103
    still = [50.0] * 7
    assert probability(QUANTILES, still, 49.9) == 0.0
    assert probability(QUANTILES, still, 50.0) == 1.0
    assert quantile(QUANTILES, still, 0.3) == 50.0
