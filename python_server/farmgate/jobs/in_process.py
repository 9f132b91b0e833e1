"""Runs jobs in this process: those that need what only it has, and all of them in tests."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from croniter import croniter

from farmgate.db.engine import Database
from farmgate.jobs import store
from farmgate.jobs.execution import BEAT_S, Execution
from farmgate.jobs.kinds import QUEUES, Schedule
from farmgate.jobs.periodic import Periodic
from farmgate.jobs.queue import JobQueue
from farmgate.jobs.store import JobRow
from farmgate.ports.clock import Clock

_LOOK_S: Final = 0.5
_BATCH: Final = 64


class InProcess:
    """Looks for jobs that are due and runs them, within the limits of their queues.

    Args:
        database: Where jobs are rows.
        clock: Tells the time.
        execution: Runs them.
        queue: Enqueues what schedules want.
        schedules: Schedules that this process keeps; a worker keeps them elsewhere.
        may_work: Tells whether jobs may be begun here now.
    """

    def __init__(
        self, database: Database, clock: Clock, execution: Execution, queue: JobQueue,
        schedules: Sequence[Schedule] = (), may_work: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._execution = execution
        self._queue = queue
        self._schedules = tuple(schedules)
        self._may_work = may_work
        self._looked_at = clock.now()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._look = Periodic("jobs", _LOOK_S, self.look)
        self._beat = Periodic("leases", BEAT_S, self._hold)

    async def start(self) -> None:
        """Takes up what an earlier process left, and begins to look."""
        await self._execution.reclaim(is_new=True)
        await self._look.start()
        await self._beat.start()

    async def stop(self) -> None:
        """Stops; what runs is taken up at the next start."""
        await self._look.stop()
        await self._beat.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> int:
        """Starts what is due and fits; returns how many were started."""
        if not self._may_work():
            return 0
        await self._tick()
        now, open_queues = self._clock.now(), self._open()
        if not open_queues:
            return 0
        found = await self._database.read(lambda tx: store.due(tx, now, open_queues, _BATCH))
        return sum(self._begin(row) for row in found)

    async def settle(self) -> None:
        """Runs everything that is due, and what that enqueues; for tests and for shutting down."""
        while await self.look() or self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self) -> None:
        since, self._looked_at = self._looked_at, self._clock.now()
        for schedule in self._schedules:
            at = croniter(schedule.cron, since, second_at_beginning=True).get_next(datetime)
            if since < at <= self._looked_at:
                await enqueue_scheduled(self._database, self._queue, schedule, at)

    def _open(self) -> list[str]:
        running = list(self._tasks.values())
        return [
            name
            for name in self._execution.queues
            if running.count(name) < QUEUES[name].concurrency
        ]

    def _begin(self, row: JobRow) -> bool:
        if row.queue not in self._open() or any(task.get_name() == row.id for task in self._tasks):
            return False
        task = asyncio.create_task(self._execution.run(row.id, row.generation), name=row.id)
        self._tasks[task] = row.queue
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return True

    async def _hold(self) -> None:
        await self._execution.beat()
        await self._execution.reclaim()


async def enqueue_scheduled(
    database: Database, queue: JobQueue, schedule: Schedule, at: datetime
) -> None:
    """Enqueues the job of one time of a schedule, once however many processes see to it."""
    payload = {**schedule.payload, "scheduled_at": at.isoformat()}
    key = f"{schedule.name}/{at.isoformat()}"
    await database.write(lambda tx: queue.enqueue(tx, schedule.kind, payload, key=key))
