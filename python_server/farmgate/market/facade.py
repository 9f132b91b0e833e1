"""What other modules use of the market."""

from farmgate.db.engine import Database
from farmgate.market import candle_store, store
from farmgate.market.bars import Bar, Bucket, Trade
from farmgate.market.calendars import CALENDARS, DEFAULT, Calendar
from farmgate.market.candles import fold, rebuild

__all__ = ["Bar", "Bucket", "Calendar", "Calendars", "Trade", "candle_store", "fold", "rebuild"]


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
