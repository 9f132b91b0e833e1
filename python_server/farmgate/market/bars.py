"""Candles: how trades become bars and bars become longer bars. Pure.

A bar knows its first and last trade, so that bars merge the same in whatever order they come:
opening price and closing price are those of the lowest and of the highest trade ID.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from farmgate.market.calendars import Calendar

MINUTE: Final = 1
HALF_HOUR: Final = 4
DAY: Final = 7
WEEK: Final = 8
# Seconds of the intervals of even length, by number of `CandleInterval`.
SECONDS: Final = {1: 60, 2: 300, 3: 900, 4: 1_800, 5: 3_600, 6: 14_400}
# What is stored, and what is made of it when somebody asks: how many parts a bar has at most.
STORED: Final = (MINUTE, HALF_HOUR, DAY)
PARTS: Final = {
    1: (MINUTE, 1), 2: (MINUTE, 5), 3: (MINUTE, 15), 4: (HALF_HOUR, 1), 5: (HALF_HOUR, 2),
    6: (HALF_HOUR, 8), 7: (DAY, 1), 8: (DAY, 7),
}  # fmt: skip
# A day has 25 hours when clocks go back.
DAY_PARTS_MAX: Final = 50
_NS: Final = 1_000_000_000
# Business days are looked up again and again; 4,096 half hours are 85 days.
_DAYS_KEPT: Final = 4_096


class Trade(NamedTuple):
    """A trade, as far as candles go."""

    trade_id: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Bar:
    """The trades of one interval.

    Attributes:
        notional_ticks: Sum of price times quantity.
        first_trade: Lowest trade ID; 0 in history that was not traded here.
        last_trade: Highest trade ID.
    """

    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    notional_ticks: int
    trade_count: int
    first_trade: int
    last_trade: int


class Bucket(NamedTuple):
    """The place of a bar.

    Attributes:
        instrument: Number of the instrument.
        interval: Number of the `CandleInterval`.
        open_time_s: When it begins, in seconds since 1970.
    """

    instrument: int
    interval: int
    open_time_s: int


def bar_of(trade: Trade) -> Bar:
    """Returns the bar of one trade."""
    price, lots = trade.price_ticks, trade.quantity_lots
    return Bar(price, price, price, price, lots, price * lots, 1, trade.trade_id, trade.trade_id)


def merge(one: Bar, other: Bar) -> Bar:
    """Returns the bar of the trades of both, which share none.

    Of history that was not traded here the earlier bar comes first.
    """
    return Bar(
        one.open_ticks if one.first_trade <= other.first_trade else other.open_ticks,
        max(one.high_ticks, other.high_ticks),
        min(one.low_ticks, other.low_ticks),
        other.close_ticks if other.last_trade >= one.last_trade else one.close_ticks,
        one.volume_lots + other.volume_lots,
        one.notional_ticks + other.notional_ticks,
        one.trade_count + other.trade_count,
        min(one.first_trade, other.first_trade),
        max(one.last_trade, other.last_trade),
    )


def minutes(trades: Iterable[Trade]) -> dict[Bucket, Bar]:
    """Returns the bars of a minute of trades in any order, each of them counted once."""
    bars: dict[Bucket, Bar] = {}
    for trade in {one.trade_id: one for one in trades}.values():
        seconds = trade.time_ns // _NS
        bucket = Bucket(trade.instrument, MINUTE, seconds - seconds % 60)
        bar = bar_of(trade)
        bars[bucket] = merge(bars[bucket], bar) if bucket in bars else bar
    return bars


def rolled(
    bars: Iterable[tuple[Bucket, Bar]], interval: int, calendar: Calendar
) -> dict[Bucket, Bar]:
    """Returns longer bars of shorter ones, which come in order of time."""
    longer: dict[Bucket, Bar] = {}
    for bucket, bar in bars:
        start = opening(interval, bucket.open_time_s, calendar)
        place = Bucket(bucket.instrument, interval, start)
        longer[place] = merge(longer[place], bar) if place in longer else bar
    return longer


def opening(interval: int, time_s: int, calendar: Calendar) -> int:
    """Returns when the interval of a moment begins, in seconds since 1970.

    Args:
        interval: Number of the `CandleInterval`.
        time_s: The moment, in seconds since 1970.
        calendar: Says when business days begin.
    """
    if interval in SECONDS:
        return time_s - time_s % SECONDS[interval]
    # A business day begins on a half hour.
    half_hour = time_s - time_s % 1_800
    return (_day_start if interval == DAY else _week_start)(calendar, half_hour)


def closing(interval: int, open_time_s: int, calendar: Calendar) -> int:
    """Returns when an interval ends, in seconds since 1970."""
    if interval in SECONDS:
        return open_time_s + SECONDS[interval]
    day = calendar.business_day(datetime.fromtimestamp(open_time_s, UTC))
    ahead = 1 if interval == DAY else 7
    return int(calendar.bounds(day + timedelta(days=ahead - 1))[1].timestamp())


@lru_cache(maxsize=_DAYS_KEPT)
def _day_start(calendar: Calendar, time_s: int) -> int:
    day = calendar.business_day(datetime.fromtimestamp(time_s, UTC))
    return int(calendar.bounds(day)[0].timestamp())


@lru_cache(maxsize=_DAYS_KEPT)
def _week_start(calendar: Calendar, time_s: int) -> int:
    # A week begins with the business day of its Monday.
    day = calendar.business_day(datetime.fromtimestamp(time_s, UTC))
    return int(calendar.bounds(day - timedelta(days=day.weekday()))[0].timestamp())
