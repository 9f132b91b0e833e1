"""Forecasts as users ask for them."""

from dataclasses import replace
from datetime import date
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from farmgate.api.ai.v1 import ai_pb2, forecast_types_pb2
from service.ai.harvest import DAILY, MONTHLY_SYMBOL, SYMBOL, Harvest
from support import refused

FORECAST_ID = "01JD8Z3N6V7Q2X4T5Y6R8W9A0B"


async def test_a_forecast_tells_ranges_and_what_they_are_worth(harvest: Harvest) -> None:
    """AIM-001."""
    person = await harvest.api.person()
    one = await harvest.forecast(person)
    last = harvest.market.told[SYMBOL][-1]
    assert (one.symbol, one.frequency, one.unit, one.currency) == (SYMBOL, "D", "bu", "USD")
    assert one.data_cutoff == last.day.isoformat()
    assert float(one.last_price) == pytest.approx(last.micro / 1e6, rel=1e-5)
    assert [point.step for point in one.points] == list(range(1, 31))
    assert all(date.fromisoformat(point.target_date).weekday() < 5 for point in one.points)
    for point in one.points:
        values = [float(quantile.value) for quantile in point.quantiles]
        assert values == sorted(values)
        assert [round(quantile.probability, 3) for quantile in point.quantiles] == [
            0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975,
        ]  # fmt: skip
        assert point.median == point.quantiles[3].value
        assert 0 < point.probability_above_last < 1
    first, farthest = one.points[0].quantiles, one.points[-1].quantiles
    near = float(first[5].value) - float(first[1].value)
    assert float(farthest[5].value) - float(farthest[1].value) > 2 * near
    assert one.skill.origin_count == 16
    assert 0.5 < one.skill.coverage_80 < 1
    # Prices of a random walk allow no more.
    assert one.skill.verdict in {
        forecast_types_pb2.SKILL_VERDICT_NO_SKILL,
        forecast_types_pb2.SKILL_VERDICT_INTERVALS_ONLY,
    }
    assert "not a promise" in one.disclaimer


async def test_months_are_forecast_for_a_year(harvest: Harvest) -> None:
    """AIM-001."""
    person = await harvest.api.person()
    one = await harvest.forecast(person, MONTHLY_SYMBOL)
    assert (one.frequency, len(one.points)) == ("M", 12)
    assert (one.data_cutoff, one.points[0].target_date) == ("2026-05-01", "2026-06-01")
    assert one.points[-1].target_date == "2027-05-01"


async def test_a_horizon_cuts_the_forecast(harvest: Harvest) -> None:
    """AIM-002."""
    person = await harvest.api.person()
    assert len((await harvest.forecast(person, horizon=5)).points) == 5
    for symbol, horizon, offered in ((SYMBOL, 31, "1 to 30"), (MONTHLY_SYMBOL, 13, "1 to 12")):
        call = harvest.forecast(person, symbol, horizon=horizon)
        refusal = await refused(call)
        assert refusal.reason == "HORIZON_UNSUPPORTED"
        assert refusal.metadata == {"horizon": str(horizon), "offered": offered}


async def test_what_is_not_there_is_refused_by_its_reason(harvest: Harvest) -> None:
    """AIM-003."""
    person = await harvest.api.person()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"symbol": "NOTHING"}, "NOT_FOUND"),
        ({"model_version": "D-1"}, "NOT_FOUND"),
        ({"as_of": "2026-13-40"}, "INVALID_ARGUMENT"),
        ({"as_of": "9999-12-31"}, "INVALID_ARGUMENT"),
        ({"as_of": "2026-05-31"}, "MODEL_NOT_READY"),
        ({"horizon": 61}, "INVALID_ARGUMENT"),
        ({"symbol": ""}, "INVALID_ARGUMENT"),
    ]
    for given, reason in cases:
        refusal = await refused(harvest.forecast(person, **{"symbol": SYMBOL, **given}))
        assert refusal.reason == reason, given


@pytest.mark.parametrize(
    ("count", "reason"), [(9, "INSUFFICIENT_HISTORY"), (10, "MODEL_NOT_READY")]
)
async def test_too_few_prices_are_told_with_what_is_needed(
    bare: Harvest, count: int, reason: str
) -> None:
    """AIM-013."""
    days = [one.day for one in bare.market.told[SYMBOL][-count:]]
    bare.market.add("YOUNG", DAILY, days, [100_000_000] * count)
    person = await bare.api.person()
    refusal = await refused(bare.forecast(person, "YOUNG"))
    assert refusal.reason == reason
    if count < 10:
        assert refusal.metadata == {"need": "10", "have": "9"}


async def test_an_earlier_forecast_is_the_one_that_was_made_then(harvest: Harvest) -> None:
    """AIM-004."""
    person = await harvest.api.person()
    before = await harvest.forecast(person)
    today = harvest.clock.now().date().isoformat()
    for name in harvest.market.told:
        if harvest.market.known[name].frequency == DAILY:
            harvest.market.follow(name, 1.01)
    await harvest.pass_minutes(24 * 60)
    person = await harvest.again(person)
    after = await harvest.forecast(person)
    assert after.forecast_id != before.forecast_id
    assert after.data_cutoff > before.data_cutoff
    assert await harvest.forecast(person, as_of=today) == before
    assert (await harvest.forecast(person, model_version=before.model_version)) == after


async def test_old_prices_and_open_doubts_are_cautions_of_now(harvest: Harvest) -> None:
    """AIM-005."""
    person = await harvest.api.person()
    assert not (await harvest.forecast(person)).cautions
    series = harvest.market.known[SYMBOL]
    harvest.market.known[SYMBOL] = replace(series, has_pending_outliers=True)
    harvest.clock.move(20 * 86_400)
    person = await harvest.again(person)
    assert set((await harvest.forecast(person)).cautions) == {
        forecast_types_pb2.FORECAST_QUALITY_STALE_DATA,
        forecast_types_pb2.FORECAST_QUALITY_OUTLIERS_PENDING,
    }


@pytest.mark.parametrize("symbol", [SYMBOL, MONTHLY_SYMBOL])
async def test_an_explanation_adds_up_to_the_median(harvest: Harvest, symbol: str) -> None:
    """AIM-006."""
    person = await harvest.api.person()
    one = await harvest.forecast(person, symbol)
    request = ai_pb2.ExplainForecastRequest(forecast_id=one.forecast_id, step=3, top=50)
    told = await harvest.forecasts.ExplainForecast(request, metadata=person.metadata)
    assert told.base_price == one.last_price
    assert told.median == one.points[2].median
    total = float(told.base_price) + float(told.unexplained)
    total += sum(float(part.price_effect) for part in told.contributions)
    assert total == pytest.approx(float(told.median), abs=1e-6)
    # What the members tell is nearly all; only the order of crossed quantiles is left.
    assert abs(float(told.unexplained)) < 0.002 * float(told.median)
    groups = {part.feature_group for part in told.contributions}
    assert {"momentum", "market_momentum", "distance_from_mean", "season"} <= groups
    assert ("smoothed_level" in groups) == (symbol == MONTHLY_SYMBOL)
    effects = [abs(part.effect_pct) for part in told.contributions]
    assert effects == sorted(effects, reverse=True)
    assert len(told.seasonal_profile) == 12
    assert 0.05 < told.recent_volatility < 1
    assert told.text.startswith(f"Median for {one.points[2].target_date}")
    assert "skill over the last price" in told.text
    request.top = 1
    short = await harvest.forecasts.ExplainForecast(request, metadata=person.metadata)
    assert list(short.contributions) == list(told.contributions)[:1]
    request.step = 0
    last = await harvest.forecasts.ExplainForecast(request, metadata=person.metadata)
    assert last.step == len(one.points)


async def test_explanations_of_nothing_are_refused(harvest: Harvest) -> None:
    """AIM-006."""
    person = await harvest.api.person()
    request = ai_pb2.ExplainForecastRequest(forecast_id=FORECAST_ID)
    call = harvest.forecasts.ExplainForecast(request, metadata=person.metadata)
    assert (await refused(call)).reason == "NOT_FOUND"
    one = await harvest.forecast(person)
    request = ai_pb2.ExplainForecastRequest(forecast_id=one.forecast_id, step=31)
    call = harvest.forecasts.ExplainForecast(request, metadata=person.metadata)
    assert (await refused(call)).reason == "HORIZON_UNSUPPORTED"
    request = ai_pb2.ExplainForecastRequest(forecast_id="x")
    call = harvest.forecasts.ExplainForecast(request, metadata=person.metadata)
    assert (await refused(call)).reason == "INVALID_ARGUMENT"


async def test_a_chart_is_svg_that_says_what_it_shows(harvest: Harvest) -> None:
    """AIM-007."""
    person = await harvest.api.person()
    request = ai_pb2.GetForecastChartRequest(symbol=SYMBOL, history_days=90)
    reply = await harvest.forecasts.GetForecastChart(request, metadata=person.metadata)
    assert reply.content_type == "image/svg+xml"
    root = ET.fromstring(reply.data)  # noqa: S314 - Our own.
    space = {"s": "http://www.w3.org/2000/svg"}
    assert SYMBOL in root.findtext("s:title", "", space)
    assert "80 of 100 prices" in root.findtext("s:desc", "", space)
    assert len(root.findall("s:polygon", space)) == 3
    history, middle = root.findall("s:polyline", space)
    assert 60 < len(history.get("points", "").split()) < 66
    assert len(middle.get("points", "").split()) == 31
    missing = ai_pb2.GetForecastChartRequest(symbol="<&>")
    call = harvest.forecasts.GetForecastChart(missing, metadata=person.metadata)
    assert (await refused(call)).reason == "NOT_FOUND"


async def test_selling_is_weighed_against_storing(harvest: Harvest) -> None:
    """AIM-008."""
    person = await harvest.api.person()
    one = await harvest.forecast(person)
    given = {"symbol": SYMBOL, "quantity": "1000", "storage_cost_month": "1.5"}
    request = ai_pb2.SuggestSellTimeRequest(**given, interest_pct_year="8")
    reply = await harvest.forecasts.SuggestSellTime(request, metadata=person.metadata)
    assert (reply.action, reply.sell_now_pct) == (ai_pb2.SELL_ACTION_SELL_NOW, 100)
    assert reply.forecast_id == one.forecast_id
    assert reply.options[0].expected_net == one.last_price
    nets = [float(option.expected_net) for option in reply.options]
    # Without skill waiting pays nothing but its costs, more of them the longer it is.
    assert nets == sorted(nets, reverse=True)
    assert "no skill" in reply.text
    assert reply.disclaimer
    latest = one.points[4].target_date
    request = ai_pb2.SuggestSellTimeRequest(**given, latest_date=latest)
    reply = await harvest.forecasts.SuggestSellTime(request, metadata=person.metadata)
    assert reply.options[-1].date == latest


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "0.000"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"interest_pct_year": "1001"}, "interest_pct_year"),
        ({"latest_date": "2020-01-01"}, "latest_date"),
        ({"latest_date": "2026-02-31"}, "latest_date"),
        ({"storage_cost_month": "1e9"}, "storage_cost_month"),
    ],
)
async def test_advice_on_nonsense_is_refused(
    harvest: Harvest, given: dict[str, str], field: str
) -> None:
    """AIM-008."""
    person = await harvest.api.person()
    request = ai_pb2.SuggestSellTimeRequest(**{"symbol": SYMBOL, "quantity": "10", **given})
    call = harvest.forecasts.SuggestSellTime(request, metadata=person.metadata)
    refusal = await refused(call)
    assert refusal.reason == "INVALID_ARGUMENT"
    assert refusal.metadata["field"] == field


async def test_only_accuracy_is_public(harvest: Harvest) -> None:
    """AIM-009."""
    calls = harvest.forecasts
    for method, request in (
        (calls.GetForecast, ai_pb2.GetForecastRequest(symbol=SYMBOL)),
        (calls.ExplainForecast, ai_pb2.ExplainForecastRequest(forecast_id=FORECAST_ID)),
        (calls.GetForecastChart, ai_pb2.GetForecastChartRequest(symbol=SYMBOL)),
        (calls.SuggestSellTime, ai_pb2.SuggestSellTimeRequest(symbol=SYMBOL, quantity="1")),
    ):
        assert (await refused(method(request))).reason == "UNAUTHENTICATED"
    reply = await calls.GetAccuracy(ai_pb2.GetAccuracyRequest(symbol=SYMBOL))
    assert len(reply.horizons) == 30
