"""Time, handed in so that tests move it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Returns the time of day, aware, in UTC."""

    def epoch(self) -> float:
        """Returns the seconds since 1970, for deadlines that tokens carry."""

    def monotonic(self) -> float:
        """Returns seconds that never run backwards, for durations."""


class SystemClock:
    """The clock of the machine."""

    now = staticmethod(lambda: datetime.now(UTC))
    epoch = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class FakeClock:
    """A clock that moves when told."""

    def __init__(self, start: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """Returns the time of day, aware, in UTC."""
        return self._now

    def epoch(self) -> float:
        """Returns the seconds since 1970."""
        return self._now.timestamp()

    def monotonic(self) -> float:
        """Returns the seconds the clock was moved."""
        return self._elapsed_s

    def move(self, seconds: float) -> None:
        """Moves the clock forward."""
        assert seconds >= 0
        self._now += timedelta(seconds=seconds)
        self._elapsed_s += seconds
