"""The gRPC face of forecasts."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from farmgate.ai import advice, chart
from farmgate.ai.forecasts import Forecasts, Told, day_of
from farmgate.ai.messages import (
    accuracy_message,
    advice_message,
    explanation_message,
    forecast_message,
    has_skill,
    skill_words,
)
from farmgate.ai.values import MICRO
from farmgate.api.ai.v1 import ai_pb2
from farmgate.errors import invalid
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer

_INTEREST_MAX: Final = 1_000


class ForecastServicer(Servicer):
    """Serves `ForecastService`.

    Args:
        forecasts: Reads forecasts.
    """

    SERVICE = ai_pb2.DESCRIPTOR.services_by_name["ForecastService"]

    def __init__(self, forecasts: Forecasts) -> None:
        self._forecasts = forecasts

    async def GetForecast(
        self, request: ai_pb2.GetForecastRequest, call: Call
    ) -> ai_pb2.GetForecastResponse:
        told = await self._forecasts.newest(
            request.symbol,
            horizon=request.horizon,
            version=request.model_version,
            as_of=request.as_of,
        )
        return ai_pb2.GetForecastResponse(forecast=forecast_message(told))

    async def ExplainForecast(
        self, request: ai_pb2.ExplainForecastRequest, call: Call
    ) -> ai_pb2.ExplainForecastResponse:
        told, step = await self._forecasts.one(request.forecast_id, request.step)
        return explanation_message(told, step, request.top)

    async def GetAccuracy(
        self, request: ai_pb2.GetAccuracyRequest, call: Call
    ) -> ai_pb2.GetAccuracyResponse:
        record = await self._forecasts.accuracy(
            request.symbol,
            horizon=request.horizon,
            version=request.model_version,
            window_days=request.window_days,
        )
        return accuracy_message(request.symbol, record)

    async def GetForecastChart(
        self, request: ai_pb2.GetForecastChartRequest, call: Call
    ) -> HttpBody:
        told, prices = await self._forecasts.with_history(
            request.symbol, horizon=request.horizon, history_days=request.history_days
        )
        one = told.forecast
        fan = chart.Fan(
            title=f"{one.series_id}: forecast of {one.data_cutoff}",
            note=skill_words(told.model),
            unit=f"{one.currency}/{one.unit}" if one.unit else one.currency,
            history=[(price.day, price.micro / MICRO) for price in prices],
            points=[
                (day, [value / MICRO for value in quantiles]) for day, quantiles in _points(told)
            ],
        )
        return HttpBody(content_type="image/svg+xml", data=chart.svg(fan).encode())

    async def SuggestSellTime(
        self, request: ai_pb2.SuggestSellTimeRequest, call: Call
    ) -> ai_pb2.SuggestSellTimeResponse:
        if not Decimal(request.quantity):
            raise invalid("quantity", "must be above 0")
        interest = Decimal(request.interest_pct_year or "0")
        if interest > _INTEREST_MAX:
            raise invalid("interest_pct_year", f"must be at most {_INTEREST_MAX}")
        told = await self._forecasts.newest(request.symbol)
        today = date.fromisoformat(told.forecast.data_cutoff)
        points = _points(told)
        if request.latest_date:
            latest = day_of("latest_date", request.latest_date)
            if latest <= today:
                after = (today + timedelta(days=1)).isoformat()
                raise invalid("latest_date", f"must be {after} or later")
            points = [point for point in points if point[0] <= latest]
        given = advice.advise(
            points,
            today=today,
            last=told.forecast.last_micro,
            costs=advice.Costs(float(_micro(request.storage_cost_month)), float(interest)),
            has_skill=has_skill(told.model),
            sure_price=float(_micro(request.sure_price)) if request.sure_price else None,
        )
        return advice_message(given, told.forecast.id)


def _points(told: Told) -> list[tuple[date, list[float]]]:
    return [
        (date.fromisoformat(point.day), [float(value) for value in point.quantiles])
        for point in told.forecast.points
    ]


def _micro(text: str) -> int:
    return int(Decimal(text or "0") * MICRO)
