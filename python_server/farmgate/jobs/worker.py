"""Runs jobs by DBOS: durable queues with priority and limits, recovery, and schedules.

Rows of our own database are the authority (see `store`). A relay hands due rows over as durable
workflows, whose name makes handing over twice the same as once; DBOS runs each within its queue's
limit, and runs it again when the process dies in the midst of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID

from farmgate.db.engine import Database
from farmgate.jobs import store
from farmgate.jobs.execution import BEAT_S, Execution
from farmgate.jobs.in_process import enqueue_scheduled
from farmgate.jobs.kinds import PRIORITY_MAX, QUEUES, Schedule
from farmgate.jobs.periodic import Periodic
from farmgate.jobs.queue import JobQueue
from farmgate.jobs.store import JobRow
from farmgate.ports.clock import Clock
from farmgate.telemetry.logs import logger

_RELAY_S: Final = 0.5
_POLL_S: Final = 0.5
_BATCH: Final = 256
_STOP_S: Final = 10
_log = logger(__name__)


@dataclass(slots=True)
class _Hands:
    """What workflows work with. They outlive the process by name; this is wired anew in each."""

    attempt: Callable[[str, int], Awaitable[None]] | None = None
    tick: Callable[[str, datetime], Awaitable[None]] | None = None


_hands: Final = _Hands()


@DBOS.step(name="farmgate.attempt")
async def _attempt(job_id: str, generation: int) -> None:
    assert _hands.attempt is not None, "A worker runs."
    await _hands.attempt(job_id, generation)


@DBOS.workflow(name="farmgate.job")
async def _job(job_id: str, generation: int) -> None:
    await _attempt(job_id, generation)


@DBOS.step(name="farmgate.enqueue")
async def _enqueue(schedule: str, at: datetime) -> None:
    assert _hands.tick is not None, "A worker runs."
    await _hands.tick(schedule, at)


@DBOS.workflow(name="farmgate.schedule")
async def _schedule(at: datetime, schedule: Any) -> None:
    await _enqueue(str(schedule), at)


class Worker:
    """Hands jobs over to DBOS and has it run them. One a process.

    Args:
        database: Where jobs are rows.
        clock: Tells the time.
        execution: Runs them.
        queue: Enqueues what schedules want.
        schedules: Schedules that are kept.
        address: Database of the library, SQLite or PostgreSQL, in SQLAlchemy's form.
        name: Name of the process; after a crash the next one of this name goes on.
    """

    def __init__(
        self, database: Database, clock: Clock, execution: Execution, queue: JobQueue,
        schedules: Sequence[Schedule], *, address: str, name: str,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._execution = execution
        self._queue = queue
        self._schedules = {one.name: one for one in schedules}
        self._address = address
        self._name = name
        self._relay = Periodic("hand over jobs", _RELAY_S, self._hand_over)
        self._beat = Periodic("leases", BEAT_S, self._hold)

    async def start(self) -> None:
        """Starts the queues and takes up what an earlier process left."""
        assert _hands.attempt is None, "One worker a process."
        _hands.attempt, _hands.tick = self._execution.run, self._tick
        _to_our_log()
        config: DBOSConfig = {
            "name": "farmgate",
            "system_database_url": self._address,
            "executor_id": self._name,
            # Fixed: a job is a name and a payload, and any version of ours takes up what waits.
            "application_version": "1",
            "log_level": "WARNING",
        }
        DBOS(config=config)
        DBOS.listen_queues(sorted(self._execution.queues))
        await asyncio.to_thread(DBOS.launch)
        for name in sorted(self._execution.queues):
            await DBOS.register_queue_async(
                name, worker_concurrency=QUEUES[name].concurrency, polling_interval_sec=_POLL_S
            )
        await self._set_schedules()
        queues = self._execution.queues
        await self._database.write(lambda tx: store.take_back(tx, queues))
        await self._relay.start()
        await self._beat.start()
        _log.info("worker runs", queues=sorted(queues), schedules=sorted(self._schedules))

    async def stop(self) -> None:
        """Lets what runs end, within bounds; the rest is taken up at the next start."""
        await self._relay.stop()
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=_STOP_S)
        await self._beat.stop()
        _hands.attempt = _hands.tick = None

    async def _set_schedules(self) -> None:
        for known in await DBOS.list_schedules_async():
            if known["schedule_name"] not in self._schedules:
                await DBOS.delete_schedule_async(known["schedule_name"])
        if self._schedules:
            await DBOS.apply_schedules_async([
                {
                    "schedule_name": one.name, "workflow_fn": _schedule, "schedule": one.cron,
                    "context": one.name, "automatic_backfill": one.catches_up,
                }
                for one in self._schedules.values()
            ])  # fmt: skip

    async def _hand_over(self) -> None:
        while True:
            now, queues = self._clock.now(), self._execution.queues
            found = await self._database.read(
                lambda tx: store.due(tx, now, queues, _BATCH)  # noqa: B023 - Run at once.
            )
            if not found:
                return
            await asyncio.to_thread(_send, found)
            await self._database.write(
                lambda tx: store.hand_over(tx, found)  # noqa: B023 - Run at once.
            )

    async def _tick(self, name: str, at: datetime) -> None:
        schedule = self._schedules.get(name)
        if schedule is not None:
            await enqueue_scheduled(self._database, self._queue, schedule, at)

    async def _hold(self) -> None:
        await self._execution.beat()
        await self._execution.reclaim()


def _send(found: Sequence[JobRow]) -> None:
    for row in found:
        # Theirs begins with 1 and the lowest goes first.
        with (
            SetWorkflowID(f"{row.id}.{row.generation}"),
            SetEnqueueOptions(priority=PRIORITY_MAX + 1 - row.priority),
        ):
            DBOS.enqueue_workflow(row.queue, _job, row.id, row.generation)


def _to_our_log() -> None:
    """Has the library's warnings in our log; what it recommends at its start is for nobody."""
    theirs = logging.getLogger("dbos")
    for handler in tuple(theirs.handlers):
        theirs.removeHandler(handler)
    # With a handler there, it adds none of its own.
    theirs.addHandler(logging.NullHandler())
    theirs.propagate = True
