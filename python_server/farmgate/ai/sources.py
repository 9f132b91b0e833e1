"""Where prices come from, as forecasts need them; whoever keeps prices fits itself to this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from sqlalchemy import Connection


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
    """Gives series and their prices, in the caller's transaction."""

    def series(self, connection: Connection) -> Sequence[Series]:
        """Returns all series, in the order of their names."""

    def one(self, connection: Connection, series_id: str) -> Series | None:
        """Returns a series, or None when there is none of that name."""

    def prices(
        self, connection: Connection, series_id: str, since: date | None = None
    ) -> Sequence[Price]:
        """Returns the prices of a series from a day on, oldest first, one a day.

        For monthly series the day is the first of the month.
        """

    def newest(self, connection: Connection) -> dict[str, date]:
        """Returns the day of the newest price of each series that has one."""
