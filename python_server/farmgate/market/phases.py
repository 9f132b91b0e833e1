"""Which phase an instrument belongs in at a moment. Pure."""

from datetime import datetime
from typing import Final, TypeAlias

from farmgate.api.market.v1 import market_pb2
from farmgate.market import calendars
from farmgate.market.calendars import Calendar

Phase: TypeAlias = market_pb2.InstrumentPhase.ValueType
_OF_CALENDAR: Final[dict[str, Phase]] = {
    calendars.PRE_OPEN: market_pb2.INSTRUMENT_PHASE_PRE_OPEN,
    calendars.OPEN: market_pb2.INSTRUMENT_PHASE_OPEN,
    calendars.CLOSED: market_pb2.INSTRUMENT_PHASE_CLOSED,
}


def phase_due(
    calendar: Calendar, now: datetime, first_trade_at: datetime | None,
    last_trade_at: datetime | None,
) -> Phase:  # fmt: skip
    """Returns the phase of a moment.

    Args:
        calendar: By which the instrument trades.
        now: The moment.
        first_trade_at: When trading begins; None for at once.
        last_trade_at: When trading ends; None for never.
    """
    if first_trade_at is not None and now < first_trade_at:
        return market_pb2.INSTRUMENT_PHASE_LISTED
    if last_trade_at is not None and now >= last_trade_at:
        return market_pb2.INSTRUMENT_PHASE_EXPIRED
    return _OF_CALENDAR[calendar.phase_at(now)]
