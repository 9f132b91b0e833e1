"""Markets open and close by their own clocks."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmgate.market.calendars import CALENDARS, DEFAULT, Calendar


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(calendar: Calendar, day: str) -> list[tuple[str, str, str]]:
    return [
        (one.name, f"{one.start:%m-%d %H:%M}", f"{one.end:%m-%d %H:%M}")
        for one in calendar.phases(date.fromisoformat(day))
    ]


def test_grains_of_chicago_trade_from_the_evening_before() -> None:
    """MKT-010: summer time is five hours behind UTC, winter time six; Sundays call earlier."""
    grains = CALENDARS["CBOT_GRAINS"]
    assert told(grains, "2026-07-14") == [
        ("PRE_OPEN", "07-13 21:45", "07-14 00:00"),
        ("OPEN", "07-14 00:00", "07-14 12:45"),
        ("PRE_OPEN", "07-14 12:45", "07-14 13:30"),
        ("OPEN", "07-14 13:30", "07-14 18:20"),
    ]
    assert told(grains, "2026-01-12")[0] == ("PRE_OPEN", "01-11 22:00", "01-12 01:00")
    assert told(grains, "2026-01-13")[0] == ("PRE_OPEN", "01-12 22:45", "01-13 01:00")


@pytest.mark.parametrize(
    ("code", "day", "phases"),
    [
        ("ALWAYS_OPEN", "2026-12-25", [("OPEN", "12-25 00:00", "12-26 00:00")]),
        ("EURONEXT_MATIF", "2026-07-14", [("OPEN", "07-14 08:45", "07-14 16:30")]),
        ("EURONEXT_MATIF", "2026-01-14", [("OPEN", "01-14 09:45", "01-14 17:30")]),
        ("ECX_SPOT", "2026-07-14", [("OPEN", "07-14 05:00", "07-14 09:00")]),
        (
            "MANDI_DAY",
            "2026-07-11",
            [
                ("PRE_OPEN", "07-11 03:15", "07-11 03:30"),
                ("OPEN", "07-11 03:30", "07-11 11:20"),
                ("AUCTION", "07-11 11:20", "07-11 11:30"),
            ],
        ),
        ("MANDI_DAY", "2026-07-12", []),
    ],
)
def test_hours_of_the_others(code: str, day: str, phases: list[tuple[str, str, str]]) -> None:
    """MKT-010."""
    assert told(CALENDARS[code], day) == phases


@pytest.mark.parametrize(
    ("code", "days"),
    [
        (
            "CBOT_GRAINS",
            "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
        ),
        ("EURONEXT_MATIF", "01-01 04-03 04-06 05-01 12-25"),
        ("ECX_SPOT", "01-07 03-02 09-11"),
        ("MANDI_DAY", "01-26 08-15 10-02"),
    ],
)
def test_holidays_of_2026_are_days_of_rest(code: str, days: str) -> None:
    """MKT-011."""
    for day in days.split():
        assert not CALENDARS[code].is_open_on(date.fromisoformat(f"2026-{day}")), day
    assert CALENDARS[code].is_open_on(date(2026, 3, 10))


def test_the_phase_of_a_moment_is_found_across_midnight() -> None:
    """MKT-010."""
    grains = CALENDARS["CBOT_GRAINS"]
    moments = {
        "2026-07-12T20:59": "CLOSED",  # Sunday, before the call.
        "2026-07-12T21:00": "PRE_OPEN",
        "2026-07-13T00:00": "OPEN",
        "2026-07-13T12:45": "PRE_OPEN",
        "2026-07-13T18:19": "OPEN",
        "2026-07-13T18:20": "CLOSED",
        "2026-07-13T21:45": "PRE_OPEN",
        "2026-11-26T15:00": "CLOSED",  # Thanksgiving.
    }
    for moment, phase in moments.items():
        assert grains.phase_at(utc(moment)) == phase, moment
    assert DEFAULT.phase_at(utc("2026-12-25T03:00")) == "OPEN"


def test_a_business_day_begins_where_the_calendar_says() -> None:
    """MKT-012: at midnight of the market, or on the evening before."""
    grains, mandi = CALENDARS["CBOT_GRAINS"], CALENDARS["MANDI_DAY"]
    assert grains.business_day(utc("2026-07-13T20:59")) == date(2026, 7, 13)
    assert grains.business_day(utc("2026-07-13T21:00")) == date(2026, 7, 14)
    assert mandi.business_day(utc("2026-07-13T18:29")) == date(2026, 7, 13)
    assert mandi.business_day(utc("2026-07-13T18:30")) == date(2026, 7, 14)
    # The day on which clocks go forward has 23 hours.
    start, end = grains.bounds(date(2026, 3, 8))
    assert end - start == timedelta(hours=23)


@given(
    st.sampled_from(sorted(CALENDARS)),
    st.datetimes(datetime(2001, 1, 1), datetime(2035, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis wants naive bounds.
)
def test_every_moment_has_one_business_day_whose_bounds_hold_it(code: str, at: datetime) -> None:
    """MKT-012: and bounds are on half hours, which candles of a day are made of."""
    calendar = CALENDARS[code]
    day = calendar.business_day(at)
    start, end = calendar.bounds(day)
    assert start <= at < end
    assert start.minute in {0, 30}
    assert start.second == 0
    assert calendar.bounds(day + timedelta(days=1))[0] == end
    for phase in calendar.phases(day):
        assert start <= phase.start < phase.end <= end
        assert calendar.business_day(phase.start) == day


def test_days_before_leave_out_days_of_rest() -> None:
    """MKT-011."""
    found = CALENDARS["CBOT_GRAINS"].days_before(date(2026, 11, 30), 3)
    assert found == [date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 27)]
    assert time(16) == CALENDARS["CBOT_GRAINS"].day_start
