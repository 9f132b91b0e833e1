"""Where prices come from, as forecasts need them; whoever keeps prices fits itself to this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Series:
    """A series of prices.

    Attributes:
        series_id: Symbol of an instrument, or a reference series.
        category: What it is compared with, such as "GRAIN".
        frequency: "D" or "M".
        unit: Unit of the price.
        currency: Currency of the price.
        has_pending_outliers: Whether odd prices wait for a decision.
    """

    series_id: str
    category: str
    frequency: str
    unit: str
    currency: str
    has_pending_outliers: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a day, in millionths of the currency a unit."""

    day: date
    micro: int


class PriceSource(Protocol):
    """Gives series and their prices."""

    async def series(self) -> Sequence[Series]:
        """Returns all series, in the order of their names."""

    async def one(self, series_id: str) -> Series | None:
        """Returns a series, or None when there is none of that name."""

    async def prices(self, series_id: str, since: date | None = None) -> Sequence[Price]:
        """Returns the prices of a series from a day on, oldest first, one a day.

        For monthly series the day is the first of the month.
        """

    async def newest(self) -> dict[str, date]:
        """Returns the day of the newest price of each series that has one."""
