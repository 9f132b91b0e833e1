"""Series that are short, constant, sticky, full of gaps or below 0."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from farmgate.ai.boosters import Model
from farmgate.ai.ensemble import Outlook, fit, know, outlook
from farmgate.ai.panel import History, days_after
from farmgate.ai.styles import DAILY, MONTHLY
from unit.ai.walks import days_of, histories, panel_of

COUNT = 200
Tell = Callable[[History], tuple[Outlook, int]]


@pytest.fixture(scope="module")
def others() -> list[History]:
    return histories(DAILY, series=4, count=COUNT)


@pytest.fixture(scope="module")
def model(others: list[History]) -> Model:
    boosters = fit(know(panel_of(others)), COUNT - 1)
    assert boosters is not None
    return Model(boosters.texts)


@pytest.fixture
def tell(others: list[History], model: Model) -> Callable[[History], tuple[Outlook, int]]:
    """Forecasts an odd series among others."""

    def told(odd: History) -> tuple[Outlook, int]:
        panel = panel_of([*others, odd])
        found = outlook(know(panel), len(panel.days) - 1, model)
        return found, panel.series.index(odd.series_id)

    return told


def test_a_constant_price_is_expected_to_stay(tell: Tell) -> None:
    """AIM-015."""
    told, column = tell(History("odd", "A", days_of(DAILY, COUNT), (50.0,) * COUNT))
    assert np.allclose(told.quantiles[column], 50.0, rtol=1e-6)
    assert told.is_sticky[column]
    # The others are as calibrated as ever.
    assert (np.diff(told.quantiles[1:, 0]) > 0).all()


def test_a_price_below_nothing_is_forecast_in_money_not_in_logarithms(tell: Tell) -> None:
    """AIM-016."""
    random = np.random.default_rng(1)
    prices = tuple(float(one) for one in np.cumsum(random.normal(0, 1, COUNT)) - 5)
    assert min(prices) < 0
    told, column = tell(History("odd", "A", days_of(DAILY, COUNT), prices))
    quantiles = told.quantiles[column]
    assert not told.is_positive[column]
    assert (np.diff(quantiles) >= 0).all()
    assert quantiles[:, 3] == pytest.approx(prices[-1])
    width = quantiles[:, 5] - quantiles[:, 1]
    assert width[-1] > 2 * width[0]


def test_a_short_history_borrows_the_width_of_its_category(
    others: list[History], tell: Tell
) -> None:
    """AIM-014."""
    calm = replace(
        others[0], series_id="odd", days=others[0].days[-30:], prices=(100.0, 100.1) * 15
    )
    told, column = tell(calm)
    assert told.has_low_history[column]
    assert told.quantiles[column, :, 3] == pytest.approx(100.1)
    own = np.log(told.quantiles[column, 0, 5] / told.quantiles[column, 0, 1])
    fellows = [
        np.log(told.quantiles[one, 0, 5] / told.quantiles[one, 0, 1])
        for one, name in enumerate(h.series_id for h in others)
        if others[one].category == "A" and name
    ]
    assert 0.5 * np.mean(fellows) < own < 2 * np.mean(fellows)


@pytest.mark.parametrize("count", [1, 9])
def test_too_short_a_history_is_no_forecast(others: list[History], tell: Tell, count: int) -> None:
    """AIM-013."""
    short = replace(
        others[0], series_id="odd", days=others[0].days[-count:], prices=others[0].prices[-count:]
    )
    told, column = tell(short)
    assert np.isnan(told.quantiles[column]).all()


def test_gaps_are_bridged_and_long_ones_start_the_series_anew() -> None:
    """AIM-017."""
    days = days_of(DAILY, 200)
    kept = [row for row in range(200) if row % 7 != 3]
    bridged = History(
        "a", "A", tuple(days[row] for row in kept), tuple(100.0 + row for row in kept)
    )
    whole = History("b", "A", days, tuple(100.0 + row for row in range(200)))
    broken = [row for row in range(200) if not 50 <= row < 60]
    late = History("c", "A", tuple(days[row] for row in broken), tuple(1.0 for _ in broken))
    panel = panel_of([bridged, whole, late])
    assert panel.starts == (0, 0, 60)
    assert panel.prices[3, 0] == panel.prices[2, 0] == 102.0
    assert np.isnan(panel.prices[59, 2])
    assert not np.isnan(panel.prices[60:, 2]).any()


def test_a_series_that_seldom_moves_is_left_to_two_members(
    others: list[History], tell: Tell
) -> None:
    """AIM-018."""
    sticky = tuple(others[0].prices[row - row % 5] for row in range(COUNT))
    told, column = tell(replace(others[0], series_id="odd", prices=sticky))
    assert told.is_sticky[column]
    assert np.isnan(told.members["B"][column]).all()
    mean = (told.members["A"][column] + told.members["C"][column]) / 2
    assert told.quantiles[column] == pytest.approx(np.exp(np.sort(mean)))


def test_months_are_months_and_weekends_are_skipped() -> None:
    """AIM-017."""
    assert days_after([date(2026, 11, 1)], 3, MONTHLY) == [
        date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1),
    ]  # fmt: skip
    friday = days_of(DAILY, 15)
    assert days_after(friday, 1, DAILY)[0].weekday() == 0
    daily = [date(2026, 1, one) for one in range(1, 15)]
    assert days_after(daily, 4, DAILY)[-1] == date(2026, 1, 18)
