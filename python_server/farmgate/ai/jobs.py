"""Background work on forecasts: its kinds, and when it is done by itself."""

from typing import Final

from farmgate.jobs.kinds import FORECASTS, Kind, Schedule

TRAIN: Final = Kind("forecasts.train", FORECASTS, max_attempts=3, priority=4, timeout_s=900.0)
RENEW: Final = Kind("forecasts.renew", FORECASTS, max_attempts=3, priority=6, timeout_s=600.0)
WEEKLY: Final = Kind("forecasts.weekly", FORECASTS, max_attempts=5, priority=5)

SCHEDULES: Final = (
    # Prices come at any time; where none did, a look costs a few reads.
    Schedule("forecasts.renew", "*/5 * * * *", RENEW),
    Schedule("forecasts.weekly", "0 3 * * 0", WEEKLY, catches_up=True),
)
