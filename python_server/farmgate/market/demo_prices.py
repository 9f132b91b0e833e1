"""Prices of the demonstration: made up, by the season, and the same on every machine.

Random bits come from PCG64, whose stream numpy keeps; all that is made of them is integers, but
for a table of quantiles and the exponential, which are rounded far above what machines differ by.

Model: log price = seasonal mean + Ornstein-Uhlenbeck noise; shocks of a Student t with four
degrees of freedom, which corn shares with wheat and soybeans. Days end at the start prices.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farmgate.market.bars import DAY, HALF_HOUR, MINUTE
from farmgate.market.calendars import CALENDARS
from farmgate.market.catalogue import COMMODITIES, Commodity
from farmgate.market.parsing import Observation
from farmgate.market.sources import Series

SEED: Final = 20260101
DAYS: Final = 730
MINUTE_DAYS: Final = 30
# Log prices and shocks are in billionths.
_UNIT: Final = 10**9
_YEAR_DAYS: Final = 365
_REVERSION_PER_YEAR: Final = 3
# Yearly volatility in thousandths; what is not named has the first.
_VOLATILITY: Final = {
    "CORN": 280, "WHEAT-SRW": 330, "WHEAT-HRW": 320, "SOYBEAN": 240, "OATS": 350, "TURMERIC": 380,
}  # fmt: skip
_VOLATILITY_DEFAULT: Final = 260
# Of a commodity's shock so many thousandths are corn's.
_WITH_CORN: Final = {
    "SOYBEAN": 600, "WHEAT-SRW": 550, "WHEAT-HRW": 550, "MAIZE-EU": 700, "SORGHUM": 800,
    "WHEAT-MILL": 450, "OATS": 450, "BARLEY": 450,
}  # fmt: skip
# From the harvest's low to the peak before the next one, in thousandths of the price.
_SEASON: Final = 90
_DAY_LIMIT: Final = 65_000_000
_QUANTILES: Final = 4_096
_EXP: Final = Context(prec=20)
_MINUTES: Final = 1_440
# Noise begins here; a shock belongs to its day whatever day is today.
_EPOCH: Final = date(2020, 1, 1)
_MICRO: Final = 1_000_000
# Basis of the cash market at harvest and at its highest, in thousandths of the price.
_BASIS_LOW: Final = -65
_BASIS_HIGH: Final = 44
Row = tuple[int, ...]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference series of the demonstration."""

    series_id: str
    commodity: str
    name: str
    source: str
    calendar: str


REFERENCES: Final = (
    Reference("ZC1", "CORN", "Corn futures, nearby", "CBOT_SETTLE", "CBOT_GRAINS"),
    Reference("ZW1", "WHEAT-SRW", "Wheat futures, nearby", "CBOT_SETTLE", "CBOT_GRAINS"),
    Reference("KE1", "WHEAT-HRW", "KC wheat futures, nearby", "CBOT_SETTLE", "CBOT_GRAINS"),
    Reference("ZS1", "SOYBEAN", "Soybean futures, nearby", "CBOT_SETTLE", "CBOT_GRAINS"),
    Reference("ZO1", "OATS", "Oat futures, nearby", "CBOT_SETTLE", "CBOT_GRAINS"),
    Reference("ZR1", "RICE-ROUGH", "Rough rice futures, nearby", "CBOT_SETTLE", "CBOT_GRAINS"),
    Reference("EBM1", "WHEAT-MILL", "Milling wheat futures", "MATIF", "EURONEXT_MATIF"),
    Reference("EMA1", "MAIZE-EU", "Maize futures", "MATIF", "EURONEXT_MATIF"),
    Reference("MANDI-TURMERIC", "TURMERIC", "Turmeric, Nizamabad", "MANDI", "MANDI_DAY"),
    Reference("MANDI-CHANA", "CHANA", "Chickpeas, Delhi", "MANDI", "MANDI_DAY"),
    Reference("USDA-BARLEY", "BARLEY", "Barley, cash bids", "CASH_BID", "CBOT_GRAINS"),
    Reference("USDA-SORGHUM", "SORGHUM", "Sorghum, cash bids", "CASH_BID", "CBOT_GRAINS"),
    Reference("ECX-SESAME", "SESAME", "Humera sesame", "INTERNAL", "ECX_SPOT"),
)


def series() -> Iterator[Series]:
    """Yields the reference series."""
    by_code = {one.code: one for one in COMMODITIES}
    for one in REFERENCES:
        commodity = by_code[one.commodity]
        yield Series(
            series_id=one.series_id, name=one.name, source=one.source, unit=commodity.unit,
            currency=commodity.currency, commodity_code=commodity.code,
            calendar_code=one.calendar, is_reference=True,
        )  # fmt: skip


class Levels:
    """What a commodity costs day by day.

    Args:
        commodity: The commodity.
        anchor: The day on which it costs its start price.
        last: Last day.
    """

    def __init__(self, commodity: Commodity, anchor: date, last: date) -> None:
        self._commodity = commodity
        noise = _noise(commodity.code, (max(anchor, last) - _EPOCH).days + 1)
        self._logs = [
            value + _season(commodity, _EPOCH + timedelta(days=day))
            for day, value in enumerate(noise)
        ]
        self._base = self._logs[(anchor - _EPOCH).days]

    def price_micro(self, day: date) -> int:
        """Returns the cash price at the end of a day, in whole ticks."""
        log = self._logs[(day - _EPOCH).days] - self._base
        factor = _EXP.exp(Decimal(log).scaleb(-9, _EXP))
        return self._rounded(self._commodity.price_micro * factor)

    def ticks(self, day: date) -> int:
        """Returns the cash price at the end of a day."""
        return self.price_micro(day) // self._commodity.tick_micro

    def reference_micro(self, day: date) -> int:
        """Returns the price of the reference series on a day: the cash price less its basis."""
        place = _since_harvest(self._commodity, day)
        basis = _BASIS_LOW + (_BASIS_HIGH - _BASIS_LOW) * place // _YEAR_DAYS
        return self._rounded(Decimal(self.price_micro(day) * (1_000 - basis)) / 1_000)

    def _rounded(self, price_micro: Decimal) -> int:
        tick = self._commodity.tick_micro
        count = (price_micro / tick).to_integral_value(ROUND_HALF_UP)
        return max(1, int(count)) * tick


def reference_observations(anchor: date, last: date, days: int = DAYS) -> Iterator[Observation]:
    """Yields the values of the reference series up to a day, on the days their markets trade."""
    by_code = {one.code: one for one in COMMODITIES}
    for reference in REFERENCES:
        commodity = by_code[reference.commodity]
        levels = Levels(commodity, anchor, last)
        for ahead in range(days - 1, -1, -1):
            day = last - timedelta(days=ahead)
            if CALENDARS[reference.calendar].is_open_on(day):
                yield Observation(
                    reference.series_id, day.isoformat(), levels.reference_micro(day),
                    commodity.unit, commodity.currency,
                )  # fmt: skip


def bars_of(symbol: str, commodity: Commodity, now: datetime) -> dict[int, list[Row]]:
    """Returns, by interval, the bars of an instrument up to the minute that now is in.

    A row has opening time, open, high, low, close, volume, notional and count of trades.
    """
    today = now.astimezone(UTC).date()
    levels = Levels(commodity, today, today)
    closes = [levels.ticks(today - timedelta(days=ahead)) for ahead in range(DAYS, -1, -1)]
    raw = _raw(f"{symbol} days", DAYS)
    found: dict[int, list[Row]] = {MINUTE: [], HALF_HOUR: [], DAY: []}
    for index in range(1, DAYS - MINUTE_DAYS + 1):
        start_s = _start_s(today - timedelta(days=DAYS - index))
        found[DAY].append(_day_bar(start_s, closes[index - 1], closes[index], int(raw[index - 1])))
    until_s = int(now.timestamp()) // 60 * 60
    for index in range(DAYS - MINUTE_DAYS + 1, DAYS + 1):
        day = today - timedelta(days=DAYS - index)
        minutes = _minutes(symbol, day, closes[index - 1], closes[index], commodity)
        minutes = minutes[:, minutes[0] < until_s]
        if minutes.size:
            found[MINUTE] += _rows(minutes)
            found[HALF_HOUR] += _rows(_rolled(minutes, 1_800))
            found[DAY] += _rows(_rolled(minutes, 86_400))
    return found


def _day_bar(start_s: int, opening: int, close: int, raw: int) -> Row:
    reach = max(1, opening // 128)
    high = max(opening, close) + (raw & 0xFF) * reach // 256
    low = max(1, min(opening, close) - (raw >> 8 & 0xFF) * reach // 256)
    volume = 300 + (raw >> 16 & 0x7FF)
    notional = volume * (opening + high + low + close) // 4
    return start_s, opening, high, low, close, volume, notional, 60 + (raw >> 32 & 0xFF)


def _minutes(symbol: str, day: date, opening: int, close: int, commodity: Commodity) -> Ints:
    """Returns the busy minutes of a day, a column each, from one close to the next."""
    raw = _raw(f"{symbol} {day.isoformat()}", _MINUTES)
    yearly = _VOLATILITY.get(commodity.code, _VOLATILITY_DEFAULT)
    # Of 1,440 even steps in -s..s the sum varies by 0.58 s x 38; a day by the year's over 19.
    step = max(1, opening * yearly // (1_000 * 19 * 22))
    steps = (raw >> 32 & 0xFFFF) * (2 * step + 1) // 65_536 - step
    walk = np.cumsum(steps)
    place = np.arange(1, _MINUTES + 1, dtype=np.int64)
    prices = opening + (close - opening) * place // _MINUTES + walk - walk[-1] * place // _MINUTES
    prices = np.maximum(prices, 1)
    before = np.concatenate((np.array([opening], dtype=np.int64), prices[:-1]))
    high = np.maximum(prices, before) + (raw >> 8 & 1)
    low = np.maximum(np.minimum(prices, before) - (raw >> 9 & 1), 1)
    volume = 1 + (raw >> 16 & 15)
    count = np.minimum(volume, 1 + (raw >> 20 & 3))
    notional = volume * (before + high + low + prices) // 4
    times = _start_s(day) + (place - 1) * 60
    # A quarter of the minutes, and the last one, so that the day ends at its close.
    busy = (raw & 3) == 0
    busy[-1] = True
    return np.stack((times, before, high, low, prices, volume, notional, count))[:, busy]


def _rolled(minutes: Ints, seconds: int) -> Ints:
    times = minutes[0] - minutes[0] % seconds
    starts = np.concatenate(([0], np.flatnonzero(np.diff(times)) + 1))
    ends = np.concatenate((starts[1:] - 1, [times.size - 1]))
    return np.stack((
        times[starts], minutes[1][starts], np.maximum.reduceat(minutes[2], starts),
        np.minimum.reduceat(minutes[3], starts), minutes[4][ends],
        np.add.reduceat(minutes[5], starts), np.add.reduceat(minutes[6], starts),
        np.add.reduceat(minutes[7], starts),
    ))  # fmt: skip


def _rows(columns: Ints) -> list[Row]:
    return list(map(tuple, columns.T.tolist()))


def _start_s(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


@cache
def _noise(code: str, days: int) -> list[int]:
    """Returns the noise of a commodity's log price, in billionths, from the epoch on."""
    shocks = _shocks(code, days)
    if code in _WITH_CORN:
        with_corn = _WITH_CORN[code]
        own = math.isqrt(1_000_000 - with_corn * with_corn)
        corn = _shocks("CORN", days)
        shocks = [
            (with_corn * shared + own * alone) // 1_000
            for shared, alone in zip(corn, shocks, strict=True)
        ]
    volatility = _VOLATILITY.get(code, _VOLATILITY_DEFAULT)
    level, found = 0, []
    for shock in shocks:
        # A t with four degrees of freedom has variance 2; a day is a 19.1th of a year.
        change = -_REVERSION_PER_YEAR * level // _YEAR_DAYS + volatility * shock // 27_018
        level += max(-_DAY_LIMIT, min(_DAY_LIMIT, change))
        found.append(level)
    return found


def _shocks(code: str, days: int) -> list[int]:
    table = _quantiles()
    return [table[int(raw) % _QUANTILES] for raw in _raw(f"{code} shocks", days)]


@cache
def _quantiles() -> list[int]:
    """Returns quantiles of Student's t with four degrees of freedom, in billionths.

    Source: W. T. Shaw, Sampling Student's T distribution, 2006: the closed form for four degrees.
    """
    found = []
    for index in range(_QUANTILES):
        share = (2 * index + 1) / (2 * _QUANTILES)
        alpha = 4 * share * (1 - share)
        root = math.sqrt(alpha)
        height = 2 * math.sqrt(math.cos(math.acos(root) / 3) / root - 1)
        found.append(round(math.copysign(height, share - 0.5) * 10**6) * 1_000)
    return found


def _since_harvest(commodity: Commodity, day: date) -> int:
    """Returns the days since the middle of the last harvest's first month, up to a year."""
    month = int(commodity.harvest.split(",")[0])
    harvest = date(day.year, month, 15)
    if harvest > day:
        harvest = date(day.year - 1, month, 15)
    return min(_YEAR_DAYS, (day - harvest).days)


def _season(commodity: Commodity, day: date) -> int:
    """Returns the season's part of the log price, in billionths: up from harvest, then down."""
    place = _since_harvest(commodity, day)
    peak = _YEAR_DAYS * 4 // 5
    share = place * 1_000 // peak if place <= peak else (365 - place) * 1_000 // (365 - peak)
    return _SEASON * share * 1_000


def _raw(name: str, count: int) -> Ints:
    """Returns random bits of a name, 63 a number."""
    key = int.from_bytes(hashlib.sha256(f"{SEED} {name}".encode()).digest()[:16], "little")
    bits = np.random.PCG64(key).random_raw(count)
    return (bits >> np.uint64(1)).astype(np.int64)
