"""When markets trade: days, sessions and holidays of each calendar, in its own time zone. Pure.

Sources: CME Group's hours of grain futures; Euronext's of MATIF; ECX trading hours of 2015; the
holidays are those of the exchange (NYSE's are CBOT's), of TARGET, of Ethiopia and of India.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

PRE_OPEN: Final = "PRE_OPEN"
OPEN: Final = "OPEN"
AUCTION: Final = "AUCTION"
CLOSED: Final = "CLOSED"
# Days that anybody may ask about: the holidays of India are known for these years.
FIRST_DAY: Final = date(2001, 1, 1)
LAST_DAY: Final = date(2035, 12, 31)
_SATURDAY: Final = 5
_SUNDAY: Final = 6
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a trading day.

    Attributes:
        name: PRE_OPEN, OPEN, AUCTION or CLOSED. The opening auction is at the end of PRE_OPEN, the
            closing one at the end of AUCTION.
        start: When it begins.
        end: When it ends.
    """

    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a trading day on the wall clock, on the day itself or so many before."""

    name: str
    start: time
    start_day: int
    end: time
    end_day: int = 0


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days and hours of a market.

    Attributes:
        code: Its code.
        timezone: Its time zone.
        day_start: When a business day begins, on the evening before unless it is midnight.
        weekdays: Days of trading, Monday being 0.
        parts: Of a trading day, in order.
        holidays: Returns the days of a year on which it rests.
    """

    code: str
    timezone: str
    day_start: time
    weekdays: frozenset[int]
    parts: tuple[Part, ...]
    holidays: Callable[[int], frozenset[date]]

    def is_open_on(self, day: date) -> bool:
        """Returns whether a day is one of trading."""
        return day.weekday() in self.weekdays and day not in self.holidays(day.year)

    def phases(self, day: date) -> list[Phase]:
        """Returns the parts of a business day; none when trading rests."""
        if not self.is_open_on(day):
            return []
        return [
            Phase(
                part.name,
                self._at(day - part.start_day * _DAY, _start(self, part, day)),
                self._at(day - part.end_day * _DAY, part.end),
            )
            for part in self.parts
        ]

    def phase_at(self, now: datetime) -> str:
        """Returns the phase of a moment."""
        today = self.business_day(now)
        for day in (today, today + _DAY):
            for phase in self.phases(day):
                if phase.start <= now < phase.end:
                    return phase.name
        return CLOSED

    def business_day(self, at: datetime) -> date:
        """Returns the business day that a moment belongs to."""
        local = at.astimezone(ZoneInfo(self.timezone))
        is_evening = self.day_start > time(0) and local.time() >= self.day_start
        return local.date() + _DAY if is_evening else local.date()

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """Returns when a business day begins and ends."""
        before = _DAY if self.day_start > time(0) else timedelta(0)
        return (
            self._at(day - before, self.day_start),
            self._at(day + _DAY - before, self.day_start),
        )

    def close(self, day: date) -> datetime:
        """Returns when trading of a day ends; the end of the day when it rests."""
        phases = self.phases(day)
        return phases[-1].end if phases else self.bounds(day)[1]

    def days_before(self, day: date, count: int) -> list[date]:
        """Returns so many trading days before a day, oldest first."""
        found: list[date] = []
        while len(found) < count:
            day -= _DAY
            if self.is_open_on(day):
                found.append(day)
        return found[::-1]

    def _at(self, day: date, clock: time) -> datetime:
        if clock == time.max:
            day, clock = day + _DAY, time(0)
        local = datetime.combine(day, clock, ZoneInfo(self.timezone))
        return local.astimezone(UTC)


def _start(calendar: Calendar, part: Part, day: date) -> time:
    # The week's first call is longer: it begins at the start of the business day.
    is_first_call = part.name == PRE_OPEN and part.start_day and day.weekday() == 0
    return calendar.day_start if is_first_call else part.start


def _never(_year: int) -> frozenset[date]:
    return frozenset()


def _of_market(code: str) -> Callable[[int], frozenset[date]]:
    @lru_cache(maxsize=128)
    def days(year: int) -> frozenset[date]:
        import holidays  # noqa: PLC0415 - It takes a while, and few calls ask.

        return frozenset(holidays.financial_holidays(code, years=year))

    return days


def _of_country(code: str) -> Callable[[int], frozenset[date]]:
    @lru_cache(maxsize=128)
    def days(year: int) -> frozenset[date]:
        import holidays  # noqa: PLC0415 - As above.

        return frozenset(holidays.country_holidays(code, years=year))

    return days


_WEEK: Final = frozenset(range(7))
_WORKDAYS: Final = _WEEK - {_SATURDAY, _SUNDAY}
_CALENDARS: Final[Sequence[Calendar]] = (
    Calendar(
        "ALWAYS_OPEN", "UTC", time(0), _WEEK, (Part(OPEN, time(0), 0, time.max),), _never
    ),
    Calendar(
        "CBOT_GRAINS", "America/Chicago", time(16), _WORKDAYS,
        (
            Part(PRE_OPEN, time(16, 45), 1, time(19), 1),
            Part(OPEN, time(19), 1, time(7, 45)),
            Part(PRE_OPEN, time(7, 45), 0, time(8, 30)),
            Part(OPEN, time(8, 30), 0, time(13, 20)),
        ),
        _of_market("NYSE"),
    ),
    Calendar(
        "EURONEXT_MATIF", "Europe/Paris", time(0), _WORKDAYS,
        (Part(OPEN, time(10, 45), 0, time(18, 30)),), _of_market("ECB"),
    ),
    Calendar(
        "ECX_SPOT", "Africa/Addis_Ababa", time(0), _WORKDAYS,
        (Part(OPEN, time(8), 0, time(12)),), _of_country("ET"),
    ),
    Calendar(
        "MANDI_DAY", "Asia/Kolkata", time(0), _WEEK - {_SUNDAY},
        (
            Part(PRE_OPEN, time(8, 45), 0, time(9)),
            Part(OPEN, time(9), 0, time(16, 50)),
            Part(AUCTION, time(16, 50), 0, time(17)),
        ),
        _of_country("IN"),
    ),
)  # fmt: skip
CALENDARS: Final = {calendar.code: calendar for calendar in _CALENDARS}
DEFAULT: Final = CALENDARS["ALWAYS_OPEN"]
