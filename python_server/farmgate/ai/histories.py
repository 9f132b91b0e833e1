"""Reads what the worker is given."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from farmgate.ai.sources import Price, PriceSource, Series
from farmgate.ai.styles import DAILY

# Eleven years of days, forty-five of months: more than any window looks at.
_DAYS_MAX: Final = {"D": 4_000, "M": 16_500}
# A series of which nothing came for so long is over.
_OVER: Final = {"D": timedelta(days=120), "M": timedelta(days=400)}
SERIES_MAX: Final = 400

Histories = list[tuple[Series, Sequence[Price]]]


async def read(source: PriceSource, frequency: str) -> Histories:
    """Returns the series of a frequency that still go on, with their prices."""
    newest = await source.newest()
    of_frequency = [one for one in await source.series() if one.frequency == frequency]
    days = [newest[one.series_id] for one in of_frequency if one.series_id in newest]
    if not days:
        return []
    last = max(days)
    since = last - timedelta(days=_DAYS_MAX[frequency])
    going_on = [
        one
        for one in of_frequency
        if one.series_id in newest and last - newest[one.series_id] <= _OVER[frequency]
    ]
    return [(one, await source.prices(one.series_id, since)) for one in going_on[:SERIES_MAX]]


def price_on(prices: Sequence[Price], day: date, frequency: str) -> Price | None:
    """Returns the price of a day: the newest one until then, if it is not older than a week.

    Args:
        prices: Prices, oldest first.
        day: The day.
        frequency: "D" or "M"; a month's price is that of the month itself.
    """
    low, high = 0, len(prices)
    while low < high:
        middle = (low + high) // 2
        if prices[middle].day <= day:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return None
    found = prices[low - 1]
    oldest = day - timedelta(days=7) if frequency == DAILY else day
    return found if found.day >= oldest else None
