"""Which phase an instrument belongs in, and how it gets there."""

from datetime import UTC, datetime

import pytest

from farmgate.api.market.v1 import market_pb2
from farmgate.market.calendars import CALENDARS
from farmgate.market.phases import phase_due, steps

LISTED = market_pb2.INSTRUMENT_PHASE_LISTED
PRE_OPEN = market_pb2.INSTRUMENT_PHASE_PRE_OPEN
AUCTION = market_pb2.INSTRUMENT_PHASE_AUCTION
OPEN = market_pb2.INSTRUMENT_PHASE_OPEN
HALTED = market_pb2.INSTRUMENT_PHASE_HALTED
CLOSED = market_pb2.INSTRUMENT_PHASE_CLOSED
EXPIRED = market_pb2.INSTRUMENT_PHASE_EXPIRED
DELISTED = market_pb2.INSTRUMENT_PHASE_DELISTED


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("2026-07-10T03:14", CLOSED),
        ("2026-07-10T03:15", PRE_OPEN),
        ("2026-07-10T03:30", OPEN),
        ("2026-07-10T11:20", AUCTION),
        ("2026-07-10T11:30", CLOSED),
        ("2026-07-12T06:00", CLOSED),  # A Sunday.
        ("2026-10-02T06:00", CLOSED),  # Gandhi's birthday.
    ],
)
def test_the_calendar_says_the_phase(moment: str, phase: int) -> None:
    """MKT-035."""
    assert phase_due(CALENDARS["MANDI_DAY"], at(moment), None, None) == phase


def test_first_and_last_day_of_trading() -> None:
    """MKT-035."""
    calendar = CALENDARS["ALWAYS_OPEN"]
    first, last = at("2026-07-10T00:00"), at("2026-07-12T00:00")
    moments = ("2026-07-09T23:59", "2026-07-10T00:00", "2026-07-11T23:59", "2026-07-12T00:00")
    phases = [phase_due(calendar, at(moment), first, last) for moment in moments]
    assert phases == [LISTED, OPEN, OPEN, EXPIRED]


@pytest.mark.parametrize(
    ("phase", "due", "way"),
    [
        (OPEN, OPEN, ()),
        (CLOSED, PRE_OPEN, (PRE_OPEN,)),
        (PRE_OPEN, OPEN, (OPEN,)),
        (OPEN, AUCTION, (AUCTION,)),
        (AUCTION, CLOSED, (OPEN, CLOSED)),
        (AUCTION, OPEN, ()),
        (PRE_OPEN, CLOSED, (CLOSED,)),
        (HALTED, OPEN, ()),
        (HALTED, CLOSED, ()),
        (HALTED, EXPIRED, (EXPIRED,)),
        (DELISTED, EXPIRED, ()),
        (DELISTED, OPEN, ()),
        (EXPIRED, OPEN, ()),
        (LISTED, OPEN, (OPEN,)),
    ],
)
def test_the_way_to_a_phase(phase: int, due: int, way: tuple[int, ...]) -> None:
    """MKT-035: an auction in the midst of trading is left alone, one at the close trades."""
    assert steps(phase, due) == way
