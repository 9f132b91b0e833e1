"""What contracts ask of the market: series, instruments, and the cash price at a place."""

from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from farmgate.market import store
from farmgate.ports.matching import Matching

_MICRO: Final = 1_000_000


class MarketPrices:
    """Answers from the core's last trades.

    Args:
        matching: The core.
    """

    def __init__(self, matching: Matching) -> None:
        self._matching = matching

    def last(self, connection: Connection, name: str) -> Decimal | None:
        """Returns what a series or an instrument is at, or None when nobody knows."""
        del connection
        found = self._matching.instruments([name]) if name else []
        if not found or found[0]["last_ticks"] is None:
            return None
        return Decimal(found[0]["last_ticks"] * found[0]["tick_size_micro"]) / _MICRO

    def on(self, connection: Connection, name: str, day: date) -> Decimal | None:
        """Returns the settlement price of a day, or of the newest day before it."""
        del day
        return self.last(connection, name)

    def between(self, connection: Connection, name: str, start: date, end: date) -> list[Decimal]:
        """Returns the values of a series from a day to a day, in order."""
        del start, end
        found = self.last(connection, name)
        return [] if found is None else [found]

    def cash(self, connection: Connection, commodity: str, location: str) -> Decimal | None:
        """Returns what a commodity trades at for now at a place, or None."""
        for symbol, row in sorted(store.descriptions(connection).items()):
            is_spot = not row.delivery_start
            if is_spot and (row.commodity_code, row.location_code) == (commodity, location):
                return self.last(connection, symbol)
        return None
