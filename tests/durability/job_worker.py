"""A worker whose jobs tell of each step on standard output, until it is killed."""

import asyncio

from sqlalchemy import Connection, text

from farmgate.app import worker
from farmgate.app.foundation import open_base
from farmgate.app.parts.base import Part
from farmgate.app.settings import load
from farmgate.jobs.kinds import DEFAULT, REPORTS, Job, Kind, Run, Schedule
from farmgate.ports.clock import SystemClock
from farmgate.telemetry import logs

# A killed attempt counts; none of these may be given up for being killed often.
STEPS = Kind("test.steps", queue=DEFAULT, max_attempts=50, backoff_s=0.1)
TICK = Kind("test.tick", queue=REPORTS, max_attempts=50)
EACH_SECOND = Schedule("test.each_second", "* * * * * *", TICK)


async def steps(run: Run) -> None:
    for step in ("first", "second"):

        def effect(connection: Connection, step: str = step) -> None:
            connection.execute(
                text("INSERT INTO effects (job, step) VALUES (:job, :step)"),
                {"job": run.job_id, "step": step},
            )

        await run.once(step, effect)
        print(step, run.job_id, flush=True)


async def tick(run: Run) -> None:
    print("tick", run.payload["scheduled_at"], flush=True)


if __name__ == "__main__":
    logs.configure(level="WARNING")
    base = open_base(load(), SystemClock())
    part = Part(jobs=[Job(STEPS, steps), Job(TICK, tick)], schedules=[EACH_SECOND])
    asyncio.run(worker.work(base, [part]))
