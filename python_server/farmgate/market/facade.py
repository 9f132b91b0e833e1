"""What other modules use of the market."""

from farmgate.db.engine import Database
from farmgate.market import candle_store, settlement_store, store
from farmgate.market.bars import Bar, Bucket, Trade
from farmgate.market.calendars import CALENDARS, DEFAULT, Calendar
from farmgate.market.candles import fold, rebuild
from farmgate.market.day_limits import DayLimits
from farmgate.market.listing import Draft, Listed, Listings
from farmgate.market.messages import decimal, instrument_message
from farmgate.market.settlement_store import DailySettlement
from farmgate.market.terms import NAMES as TERM_NAMES
from farmgate.market.terms import Terms

__all__ = [
    "TERM_NAMES",
    "Bar",
    "Bucket",
    "Calendar",
    "Calendars",
    "DailySettlement",
    "DayLimits",
    "Draft",
    "Listed",
    "Listings",
    "Terms",
    "Trade",
    "candle_store",
    "decimal",
    "fold",
    "instrument_message",
    "rebuild",
    "settlement_store",
]


class Calendars:
    """Which calendar an instrument trades by.

    Args:
        database: Where instruments are described.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes: dict[int, str] = {}

    def of(self, instrument: int) -> Calendar:
        """Returns the calendar of an instrument by its number; the default when it is not known."""
        if instrument not in self._codes:
            self._codes = self._database.run(store.calendar_codes, is_write=False)
        return CALENDARS.get(self._codes.get(instrument, ""), DEFAULT)
