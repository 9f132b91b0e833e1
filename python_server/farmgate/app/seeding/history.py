"""Two years of prices: candles, settlements, reference series and indices.

It is written behind the start, an instrument a transaction; what is there already stays.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
from sqlalchemy import Connection

from farmgate.app.parts import market
from farmgate.app.seeding.ground import Ground
from farmgate.db.engine import Database
from farmgate.market import candle_store, indices, settlement, settlement_store
from farmgate.market.bars import DAY, Bar, Bucket
from farmgate.market.catalogue import COMMODITIES, INDEX_START_CENTI, INDICES, Commodity
from farmgate.market.settlement_store import DailySettlement
from farmgate.telemetry.logs import logger

if TYPE_CHECKING:
    from farmgate.market.demo_prices import Levels

# Shares in the indices; every index has those of its commodities.
_WEIGHTS: Final = {
    "IDX-GRAINS": {"CORN": 40, "WHEAT-SRW": 20, "WHEAT-HRW": 10, "OATS": 5, "RICE-ROUGH": 5,
                   "WHEAT-MILL": 10, "MAIZE-EU": 10},
    "IDX-ALL": {"CORN": 25, "WHEAT-SRW": 12, "WHEAT-HRW": 8, "SOYBEAN": 20, "OATS": 3,
                "RICE-ROUGH": 4, "WHEAT-MILL": 8, "MAIZE-EU": 6, "TURMERIC": 3, "CHANA": 4,
                "BARLEY": 2, "SORGHUM": 3, "SESAME": 2},
}  # fmt: skip
_NAMES: Final = {"IDX-GRAINS": "Grains", "IDX-ALL": "All commodities"}
_LIMIT_HIGH: Final = 1_000_000_000
_log = logger(__name__)


async def plant(ground: Ground) -> None:
    """Writes the history of every instrument up to this minute, and the reference series."""
    if not ground.base.settings.demo_history:
        return
    now = ground.base.clock.now()
    numbers = {one["symbol"]: one["number"] for one in ground.matching.instruments()}
    traded = _symbols(numbers)
    history = Database(ground.base.settings.history_address, threads=1)
    try:
        for count, (symbol, commodity) in enumerate(traded, start=1):
            await asyncio.to_thread(_candles, history, numbers[symbol], symbol, commodity, now)
            rows = await asyncio.to_thread(_settlements, symbol, commodity, now)
            await ground.base.database.write(_adding(rows))
            if count % 12 == 0:
                _log.info("history seeded", instruments=count, of=len(traded))
        await _indices(ground, history, numbers, now)
    finally:
        await asyncio.to_thread(history.close)
    async with httpx.AsyncClient(trust_env=False) as client:
        collector = market.collector(ground.base, client)
        await collector.describe()
        await collector.collect("embedded")


def _symbols(numbers: dict[str, int]) -> list[tuple[str, Commodity]]:
    """Returns the instruments that are traded, each with its commodity."""
    by_length = sorted(COMMODITIES, key=lambda one: -len(one.code))
    return [
        (symbol, next(one for one in by_length if symbol.startswith(f"{one.code}-")))
        for symbol in numbers
        if symbol not in INDICES
    ]


def _levels(commodity: Commodity, today: date) -> "Levels":
    from farmgate.market.demo_prices import Levels  # noqa: PLC0415 - It needs numpy.

    return Levels(commodity, today, today)


def _candles(
    history: Database, number: int, symbol: str, commodity: Commodity, now: datetime
) -> None:
    from farmgate.market.demo_prices import bars_of  # noqa: PLC0415 - As above.

    rows = [
        (number, interval, *row, 0, 0)
        for interval, bars in bars_of(symbol, commodity, now).items()
        for row in bars
    ]
    history.run(lambda tx: candle_store.add_rows(tx, rows))


def _days(now: datetime) -> list[date]:
    from farmgate.market.demo_prices import DAYS  # noqa: PLC0415 - As above.

    today = now.astimezone(UTC).date()
    return [today - timedelta(days=ahead) for ahead in range(DAYS, 0, -1)]


def _settlements(symbol: str, commodity: Commodity, now: datetime) -> list[DailySettlement]:
    days = _days(now)
    levels = _levels(commodity, days[-1] + timedelta(days=1))
    prices = [levels.ticks(day) for day in days]
    rows = []
    low, high = 1, _LIMIT_HIGH
    for index, (day, price) in enumerate(zip(days, prices, strict=True)):
        reach = settlement.limits(prices[max(0, index - 44) : index + 1]).initial_ticks
        rows.append(
            DailySettlement(
                symbol=symbol, business_date=day.isoformat(), settlement_ticks=price,
                tier=settlement.VWAP, prior_ticks=prices[index - 1] if index else 0,
                limit_low_ticks=low, limit_high_ticks=high,
                next_low_ticks=max(1, price - reach), next_high_ticks=price + reach,
                hit_limit="NONE", open_interest=0, settled_at=now, limits_sequence=1,
            )
        )  # fmt: skip
        low, high = max(1, price - reach), price + reach
    return rows


def _adding(rows: Sequence[DailySettlement]) -> Callable[[Connection], None]:
    return lambda tx: settlement_store.add(tx, rows)


async def _indices(
    ground: Ground, history: Database, numbers: dict[str, int], now: datetime
) -> None:
    days = _days(now)
    today = days[-1] + timedelta(days=1)
    by_code = {one.code: one for one in COMMODITIES}
    rows: list[dict[str, Any]] = []
    for code in INDICES:
        weights = _WEIGHTS[code]
        levels = {name: _levels(by_code[name], today) for name in weights}
        base = {name: levels[name].ticks(days[0]) for name in weights}
        spot = {name: f"{name}-{by_code[name].grade}-{by_code[name].places[0]}" for name in weights}
        rows.append({
            "code": code, "name": _NAMES[code], "base_date": days[0].isoformat(),
            "base_value_centi": INDEX_START_CENTI,
            "constituents": json.dumps(
                [[spot[name], weight, base[name]] for name, weight in weights.items()]
            ),
        })  # fmt: skip
        values = [
            indices.value_centi(
                INDEX_START_CENTI,
                [(weight, base[name], levels[name].ticks(day)) for name, weight in weights.items()],
            )
            for day in days
        ]
        bars = dict(_index_bars(numbers[code], days, values))
        await asyncio.to_thread(history.run, _putting(bars))
    await ground.base.database.write(lambda tx: indices.put(tx, rows))


def _index_bars(
    number: int, days: Sequence[date], values: Sequence[int]
) -> list[tuple[Bucket, Bar]]:
    bars = []
    for index, (day, value) in enumerate(zip(days, values, strict=True)):
        before = values[index - 1] if index else value
        start_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        bar = Bar(before, max(before, value), min(before, value), value, 0, 0, 0, 0, 0)
        bars.append((Bucket(number, DAY, start_s), bar))
    return bars


def _putting(bars: dict[Bucket, Bar]) -> Callable[[Connection], None]:
    return lambda tx: candle_store.put(tx, bars)
