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
    calendars.AUCTION: market_pb2.INSTRUMENT_PHASE_AUCTION,
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


_FOLLOWS: Final = frozenset({
    market_pb2.INSTRUMENT_PHASE_LISTED, market_pb2.INSTRUMENT_PHASE_PRE_OPEN,
    market_pb2.INSTRUMENT_PHASE_AUCTION, market_pb2.INSTRUMENT_PHASE_OPEN,
    market_pb2.INSTRUMENT_PHASE_CLOSED,
})  # fmt: skip


def steps(phase: int, due: Phase) -> tuple[Phase, ...]:
    """Returns the phases through which an instrument comes to the one that is due.

    What operators halted stays halted. An auction in the midst of trading is the core's own, which
    ends it; one at the close trades before the market closes.
    """
    if due == phase:
        return ()
    if due == market_pb2.INSTRUMENT_PHASE_EXPIRED:
        is_over = phase == market_pb2.INSTRUMENT_PHASE_DELISTED
        return () if is_over else (due,)
    if phase not in _FOLLOWS:
        return ()
    if phase == market_pb2.INSTRUMENT_PHASE_AUCTION:
        if due == market_pb2.INSTRUMENT_PHASE_OPEN:
            return ()
        if due == market_pb2.INSTRUMENT_PHASE_CLOSED:
            return (market_pb2.INSTRUMENT_PHASE_OPEN, due)
    return (due,)
