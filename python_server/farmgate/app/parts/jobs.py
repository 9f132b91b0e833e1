"""The jobs' own part in the process: what is over is forgotten."""

from datetime import timedelta
from typing import Final

from farmgate.app.parts import proofs
from farmgate.app.parts.base import Base, Part
from farmgate.jobs import store
from farmgate.jobs.kinds import Job, Kind, Run, Schedule

_KEPT: Final = timedelta(days=30)
_BATCH: Final = 1_000
PURGE: Final = Kind("jobs.purge", priority=1)


def work(base: Base) -> Part:
    """Returns the daily job that forgets old ones."""

    async def purge(_run: Run) -> None:
        before = base.clock.now() - _KEPT
        while await base.database.write(lambda tx: store.purge(tx, before, _BATCH)):
            pass

    daily = Schedule("jobs.purge", "17 3 * * *", PURGE)
    # The job itself runs beside the core; whoever keeps schedules has it enqueued.
    return Part(jobs=[Job(PURGE, purge)], schedules=[daily, proofs.SCHEDULE])
