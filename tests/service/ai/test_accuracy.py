"""What came of forecasts: backtests first, then the real thing."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from farmgate.ai.tables import ai_outcomes, ai_runs
from farmgate.api.ai.v1 import ai_pb2
from service.ai.harvest import DAILY, MONTHLY_SYMBOL, SYMBOL, Harvest
from support import refused

NO_FORECAST = "01JD8Z3N6V7Q2X4T5Y6R8W9A0B"


async def accuracy(harvest: Harvest, symbol: str = SYMBOL, **given: Any) -> Any:
    return await harvest.forecasts.GetAccuracy(ai_pb2.GetAccuracyRequest(symbol=symbol, **given))


async def days(harvest: Harvest, factors: Sequence[float]) -> None:
    """Lets days pass, each with its price."""
    for factor in factors:
        for name, series in harvest.market.known.items():
            if series.frequency == DAILY:
                harvest.market.follow(name, factor)
        await harvest.pass_minutes(24 * 60)


async def test_before_anything_came_true_the_backtest_speaks(harvest: Harvest) -> None:
    """AIM-021."""
    reply = await accuracy(harvest)
    assert not reply.is_live
    assert [one.step for one in reply.horizons] == list(range(1, 31))
    for one in reply.horizons:
        assert one.count == 16
        assert one.mape > 0
        assert one.rmse > 0
        assert one.coverage_50 <= one.coverage_80 <= one.coverage_95 <= 1
        assert 0.5 < one.ratio_last_price < 2
        assert 0 <= one.p_value <= 1
    assert reply.horizons[0].mean_width_pct < reply.horizons[-1].mean_width_pct
    everything = await accuracy(harvest, symbol="", horizon=5)
    assert [(one.step, one.count) for one in everything.horizons] == [(5, 48)]
    monthly = await accuracy(harvest, MONTHLY_SYMBOL)
    assert len(monthly.horizons) == 12
    assert monthly.model_version.startswith("M-")


async def test_issued_forecasts_are_judged_when_their_days_have_come(harvest: Harvest) -> None:
    """AIM-022, AIM-023."""
    person = await harvest.api.person()
    before = await harvest.forecast(person)
    await days(harvest, [1.001, 0.999])
    reply = await accuracy(harvest)
    assert reply.is_live
    # Two days for the first forecast, one for the second.
    assert [(one.step, one.count) for one in reply.horizons] == [(1, 2), (2, 1)]
    price = harvest.market.told[SYMBOL][-1].micro / 1e6
    last, median = float(before.last_price), float(before.points[1].median)
    second = reply.horizons[1]
    assert second.rmse == pytest.approx(abs(price - median) / last, rel=1e-3, abs=1e-6)
    assert second.coverage_80 == 1.0
    # A second look finds nothing new.
    await harvest.pass_minutes(10)
    assert await accuracy(harvest) == reply


async def test_a_price_outside_the_range_is_told_once(harvest: Harvest) -> None:
    """AIM-024."""
    person = await harvest.api.person()
    await days(harvest, [1.4])
    person = await harvest.again(person)
    told = await harvest.told(person, "forecast.breach", 3)
    assert len(told) == 3
    one = next(item for item in told if SYMBOL in item.title)
    assert "outside the 90 % range" in one.body
    updated = await harvest.told(person, "forecast.updated", 3)
    assert {item.title for item in updated} == {
        "New forecast for CORN", "New forecast for OATS", "New forecast for SOYA",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"symbol": "NOTHING"}, "NOT_FOUND"),
        ({"model_version": "D-0"}, "NOT_FOUND"),
        ({"horizon": 31}, "HORIZON_UNSUPPORTED"),
        ({"window_days": 3651}, "INVALID_ARGUMENT"),
    ],
)
async def test_accuracy_of_nothing_is_refused(
    harvest: Harvest, given: dict[str, Any], reason: str
) -> None:
    """AIM-021."""
    call = accuracy(harvest, **{"symbol": SYMBOL, **given})
    assert (await refused(call)).reason == reason


async def test_without_a_model_there_is_no_accuracy(bare: Harvest) -> None:
    """AIM-021."""
    for symbol in (SYMBOL, ""):
        assert (await refused(accuracy(bare, symbol))).reason == "MODEL_NOT_READY"


async def test_a_model_that_fails_gives_way_to_its_simple_members(harvest: Harvest) -> None:
    """AIM-034, AIM-035: 25 origins of which no price fell into the 95 % range."""
    admin = await harvest.admin()
    (champion,) = [one for one in await harvest.listed(admin) if one.frequency == DAILY]

    def spoil(connection: Connection) -> None:
        query = select(ai_outcomes).where(ai_outcomes.c.model_id == champion.model_id).limit(25)
        for number, row in enumerate(connection.execute(query).mappings().all()):
            day = date(2026, 5, 1) + timedelta(days=number)
            values = {name: value for name, value in row.items() if name != "id"} | {
                "forecast_id": NO_FORECAST, "origin_day": day.isoformat(), "step": 1,
                "inside_50": 0, "inside_80": 0, "inside_95": 0, "part": 7,
                "pinball": row["pinball_walk"] * 3,
            }  # fmt: skip
            connection.execute(ai_outcomes.insert().values(**values))

        # Drift asks for training when the last was asked for a week ago; so does the calendar.
        long_ago = harvest.clock.now() - timedelta(days=8)
        connection.execute(update(ai_runs).values(requested_at=long_ago))

    await harvest.database.write(spoil)
    await days(harvest, [1.001])
    admin = await harvest.again(admin)
    (told,) = await harvest.told(admin, "admin.model_failing", 1)
    assert champion.version in told.data_json
    # It is still the model in use, without its boosters; a new one is being trained.
    runs = await harvest.database.read(
        lambda tx: tx.execute(select(ai_runs).order_by(ai_runs.c.id)).mappings().all()
    )
    assert runs[-1]["reason"].startswith("Drift: ")
    await days(harvest, [1.001])
    admin = await harvest.again(admin)
    after = await harvest.forecast(admin)
    request = ai_pb2.ExplainForecastRequest(forecast_id=after.forecast_id, top=50)
    explained = await harvest.forecasts.ExplainForecast(request, metadata=admin.metadata)
    # Of days only the boosters tell more than the last price.
    assert not explained.contributions
