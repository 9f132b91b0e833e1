"""Values as messages."""

from collections.abc import Sequence
from datetime import datetime
from math import exp
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.ai import scores
from farmgate.ai.advice import Advice, Option
from farmgate.ai.forecasts import Record, Told
from farmgate.ai.styles import MEDIAN, QUANTILES
from farmgate.ai.values import MICRO, Accuracy, Forecast, Model, Run
from farmgate.api.ai.v1 import ai_pb2, forecast_types_pb2, models_pb2

DISCLAIMER: Final = (
    "A forecast is a range of likely prices drawn from past ones, not a promise and not advice. "
    "Prices leave the 80 % range one time in five, and more often in years of crisis."
)
ADVICE_DISCLAIMER: Final = (
    "This weighs costs against a forecast. It knows nothing of your contracts, taxes, quality or "
    "need for cash, and prices may do otherwise."
)
METHOD: Final = (
    "Mean of three members' medians. Historical changes add nothing; the level and the season of "
    "the second and the features of the third (TreeSHAP) are told at their share."
)
_PRICE_DIGITS: Final = 6
_TOP_DEFAULT: Final = 10
_VERDICT_WORDS: Final = {
    scores.POINT_SKILL: "Over {origins} past origins this model was {better:.1f} % closer than the "
    "last price (p = {p:.3f}).",
    scores.INTERVALS_ONLY: "No measurable skill over the last price; use the range.",
    scores.NO_SKILL: "No measurable skill over the last price.",
}


def forecast_message(told: Told) -> forecast_types_pb2.Forecast:
    """Returns a forecast."""
    one, model = told.forecast, told.model
    message = forecast_types_pb2.Forecast(
        forecast_id=one.id,
        symbol=one.series_id,
        unit=one.unit,
        currency=one.currency,
        frequency=one.frequency,
        horizon=len(one.points),
        data_cutoff=one.data_cutoff,
        last_price=price_text(one.last_micro),
        make_time=_time(one.issued_at),
        model_id=model.id,
        model_version=model.version,
        cautions=[
            forecast_types_pb2.ForecastQuality.Value(f"FORECAST_QUALITY_{name}")
            for name in one.cautions
        ],
        disclaimer=DISCLAIMER,
    )
    for step, point in enumerate(one.points, 1):
        message.points.add(
            target_date=point.day,
            step=step,
            median=price_text(point.quantiles[MEDIAN]),
            quantiles=[
                forecast_types_pb2.ForecastQuantile(probability=level, value=price_text(value))
                for level, value in zip(QUANTILES, point.quantiles, strict=True)
            ],
            probability_above_last=point.above,
        )
    backtest = model.metrics.get("backtest")
    if backtest:
        message.skill.CopyFrom(_skill(backtest))
    return message


def _skill(backtest: dict[str, Any]) -> forecast_types_pb2.ForecastSkill:
    return forecast_types_pb2.ForecastSkill(
        forecast_count=backtest["count"],
        origin_count=backtest["origin_count"],
        mae_ratio_last_price=backtest["mae_ratio"],
        mae_ratio_seasonal=backtest["season_ratio"],
        pinball_ratio=backtest["pinball_ratio"],
        p_value=backtest["p_value"],
        coverage_80=backtest["inside_80"],
        coverage_95=backtest["inside_95"],
        verdict=forecast_types_pb2.SkillVerdict.Value(f"SKILL_VERDICT_{backtest['verdict']}"),
    )


def skill_words(model: Model) -> str:
    """Returns what past forecasts of a model were worth, in words."""
    backtest = model.metrics.get("backtest")
    if not backtest:
        return "There is too little history to say what such forecasts are worth."
    return _VERDICT_WORDS[backtest["verdict"]].format(
        origins=backtest["origin_count"], better=100 * (1 - backtest["mae_ratio"]),
        p=backtest["p_value"],
    )  # fmt: skip


def has_skill(model: Model) -> bool:
    """Returns whether the middle of a model's past forecasts was better than the last price."""
    backtest = model.metrics.get("backtest")
    return backtest is not None and backtest["verdict"] == scores.POINT_SKILL


def explanation_message(told: Told, step: int, top: int) -> ai_pb2.ExplainForecastResponse:
    """Returns why a forecast is as it is at one distance."""
    one = told.forecast
    point = one.points[step - 1]
    base, median = one.last_micro, point.quantiles[MEDIAN]
    effects = one.explanation["steps"][step - 1]
    ordered = sorted(effects.items(), key=lambda item: -abs(item[1][0]))
    price, contributions = float(base), []
    for group, (effect, value) in ordered:
        change = price * (exp(effect) - 1)
        price += change
        contributions.append(
            ai_pb2.ForecastContribution(
                feature_group=group, value=value, price_effect=price_text(round(change)),
                effect_pct=round(100 * (exp(effect) - 1), 4),
            )
        )  # fmt: skip
    shown = contributions[: top or _TOP_DEFAULT]
    explained = sum(_micro_of(item.price_effect) for item in shown)
    return ai_pb2.ExplainForecastResponse(
        forecast_id=one.id,
        step=step,
        base_price=price_text(base),
        median=price_text(median),
        contributions=shown,
        unexplained=price_text(median - _told(base) - explained, is_exact=True),
        recent_volatility=one.explanation["recent_volatility"],
        long_run_volatility=one.explanation["long_run_volatility"],
        seasonal_profile=one.explanation["season"],
        text=_text(one, told.model, step, ordered),
        method=METHOD,
    )


def _text(
    one: Forecast, model: Model, step: int, ordered: Sequence[tuple[str, Sequence[float]]]
) -> str:
    point = one.points[step - 1]
    median = point.quantiles[MEDIAN]
    against = f" ({(median - one.last_micro) / abs(one.last_micro):+.1%} against the last price)"
    parts = ", ".join(
        f"{group.replace('_', ' ')} {100 * (exp(effect) - 1):+.1f} %"
        for group, (effect, _) in ordered[:3]
    )
    low, high = price_text(point.quantiles[1]), price_text(point.quantiles[5])
    sentences = [
        f"Median for {point.day}: {price_text(median)}{against if one.last_micro else ''}.",
        f"Of that: {parts}." if parts else "",
        f"80 of 100 prices are expected from {low} to {high}.",
        skill_words(model),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def accuracy_message(symbol: str, record: Record) -> ai_pb2.GetAccuracyResponse:
    """Returns how good forecasts were."""
    return ai_pb2.GetAccuracyResponse(
        symbol=symbol,
        model_version=record.model_version,
        is_live=record.is_live,
        horizons=map(_horizon, record.horizons),
    )


def _horizon(one: Accuracy) -> forecast_types_pb2.HorizonAccuracy:
    return forecast_types_pb2.HorizonAccuracy(
        step=one.step, count=one.count, mape=one.mape, rmse=one.rmse, mase=one.mase,
        pinball=one.pinball, ratio_last_price=one.ratio_last, ratio_seasonal=one.ratio_season,
        p_value=one.p_value, coverage_50=one.inside[0], coverage_80=one.inside[1],
        coverage_95=one.inside[2], mean_width_pct=one.width_pct,
    )  # fmt: skip


def advice_message(advice: Advice, forecast_id: str) -> ai_pb2.SuggestSellTimeResponse:
    """Returns advice about when to sell."""
    return ai_pb2.SuggestSellTimeResponse(
        action=ai_pb2.SellAction.Value(f"SELL_ACTION_{advice.action}"),
        sell_now_pct=advice.sell_now_pct,
        options=map(_option, advice.options),
        forecast_id=forecast_id,
        text=advice.text,
        disclaimer=ADVICE_DISCLAIMER,
    )


def _option(one: Option) -> ai_pb2.SellOption:
    return ai_pb2.SellOption(
        date=one.day.isoformat(),
        expected_net=price_text(round(one.expected)),
        low_net=price_text(round(one.low)),
        high_net=price_text(round(one.high)),
        probability_better_than_now=round(one.better, 4),
    )


def run_message(run: Run) -> models_pb2.TrainingRun:
    """Returns a training run."""
    return models_pb2.TrainingRun(
        run_id=run.id,
        state=models_pb2.TrainingRunState.Value(f"TRAINING_RUN_STATE_{run.state}"),
        stage=run.stage,
        done=run.done,
        total=run.total,
        symbols=run.symbols,
        frequency=run.frequency,
        is_dry_run=run.is_dry_run,
        model_id=run.model_id,
        error=run.error,
        reason=run.reason,
        request_time=_time(run.requested_at),
        start_time=_time(run.started_at),
        end_time=_time(run.ended_at),
    )


def model_message(model: Model) -> models_pb2.Model:
    """Returns a model."""
    message = models_pb2.Model(
        model_id=model.id,
        family=model.family,
        version=model.version,
        frequency=model.frequency,
        status=models_pb2.ModelStatus.Value(f"MODEL_STATUS_{model.status}"),
        train_start=model.train_start,
        data_cutoff=model.data_cutoff,
        series_count=model.series_count,
        row_count=model.row_count,
        artifact_sha256=model.artifact_sha256,
        data_sha256=model.data_sha256,
        gate_reasons=model.gate_reasons,
        run_id=model.run_id,
        create_time=_time(model.created_at),
        promote_time=_time(model.promoted_at),
    )
    backtest = model.metrics.get("backtest")
    if backtest:
        message.metrics.CopyFrom(
            models_pb2.ModelMetrics(
                mape=backtest["mape"], rmse=backtest["rmse"], mase=backtest["mase"],
                pinball_ratio=backtest["pinball_ratio"], coverage_80=backtest["inside_80"],
                coverage_95=backtest["inside_95"], origin_count=backtest["origin_count"],
            )
        )  # fmt: skip
    return message


def price_text(micro: int, *, is_exact: bool = False) -> str:
    """Returns a price as a decimal, with six digits that say something unless it is exact."""
    value = micro if is_exact else _told(micro)
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), MICRO)
    digits = f"{fraction:06d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def _told(micro: int) -> int:
    """Returns a price with as many digits as are told; whole units are always told."""
    size = len(str(abs(micro)))
    drop = min(max(size - _PRICE_DIGITS, 0), 6)
    unit = int(10**drop)
    return (abs(micro) + unit // 2) // unit * unit * (1 if micro >= 0 else -1)


def _micro_of(text: str) -> int:
    """Returns a price in millionths of what `price_text` made of it."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.lstrip("-").partition(".")
    return sign * (int(whole) * MICRO + int(fraction.ljust(6, "0") or "0"))


def _time(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message
