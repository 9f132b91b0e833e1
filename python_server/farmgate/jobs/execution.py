"""Runs one attempt at a job, whoever hands it out, and keeps its row true."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from farmgate.db.engine import Database
from farmgate.jobs import store
from farmgate.jobs.kinds import GiveUpError, Job, Run
from farmgate.jobs.store import JobRow
from farmgate.ports.clock import Clock
from farmgate.telemetry.logs import logger

LEASE: Final = timedelta(seconds=60)
# Several beats fit into a lease, so a slow database costs no worker its jobs.
BEAT_S: Final = 15.0
_log = logger(__name__)


class Execution:
    """Runs jobs of this process.

    Args:
        database: Where jobs are rows.
        clock: Tells the time.
        jobs: What the process can do.
        worker: Name of the process; no other one has it.
    """

    def __init__(self, database: Database, clock: Clock, jobs: Iterable[Job], worker: str) -> None:
        self._database = database
        self._clock = clock
        self._jobs = {job.kind.name: job for job in jobs}
        self._worker = worker
        self._running: set[str] = set()

    @property
    def queues(self) -> Collection[str]:
        """Returns the queues whose jobs the process can do."""
        return {job.kind.queue.name for job in self._jobs.values()}

    async def run(self, job_id: str, generation: int) -> None:
        """Runs the next attempt at a job, if it is to be run."""
        until = self._clock.now() + LEASE
        row = await self._database.write(
            lambda tx: store.claim(tx, job_id, generation, self._worker, until)
        )
        if row is None:
            return
        if row.attempts > row.max_attempts:
            await self._end(row, "The process died at it time and again.", is_over=True)
            return
        self._running.add(job_id)
        try:
            await self._attempt(row)
        finally:
            self._running.discard(job_id)

    async def beat(self) -> None:
        """Says that the process is at its jobs."""
        if self._running:
            running, until = list(self._running), self._clock.now() + LEASE
            await self._database.write(lambda tx: store.extend(tx, running, self._worker, until))

    async def reclaim(self, *, is_new: bool = False) -> None:
        """Has jobs tried again whose process is gone.

        Args:
            is_new: Whether this process starts: what runs under its name was its predecessor's.
        """
        now, worker = self._clock.now(), self._worker if is_new else None
        lost = await self._database.read(lambda tx: store.abandoned(tx, now, self.queues, worker))
        for row in lost:
            await self._end(row, "The process that ran it is gone.", is_over=False)

    async def _attempt(self, row: JobRow) -> None:
        job = self._jobs.get(row.kind)
        if job is None:
            # Another version of the program knows it; it waits for that one.
            await self._end(row, "No process here knows this kind.", is_over=False)
            return
        run = Run(
            row.id, row.kind, row.payload, row.attempts, row.created_at,
            lambda step, work: self._once(row.id, step, work),
        )  # fmt: skip
        try:
            async with asyncio.timeout(job.kind.timeout_s):
                await job.work(run)
        except GiveUpError as error:
            await self._end(row, str(error), is_over=True)
        except Exception as error:  # noqa: BLE001 - The queue must outlive its jobs' failures.
            _log.warning("job failed", job=row.id, kind=row.kind, exc_info=error)
            await self._end(row, f"{type(error).__name__}: {error}", is_over=False)
        else:
            now = self._clock.now()
            await self._database.write(lambda tx: store.succeed(tx, row, now))

    async def _once(self, job_id: str, step: str, work: Callable[[Connection], object]) -> bool:
        now = self._clock.now()

        def do(connection: Connection) -> bool:
            if not store.step_done(connection, job_id, step, now):
                return False
            work(connection)
            return True

        return await self._database.write(do)

    async def _end(self, row: JobRow, error: str, *, is_over: bool) -> None:
        now = self._clock.now()
        if is_over or row.attempts >= row.max_attempts:
            await self._database.write(lambda tx: store.fail(tx, row, now, error))
            return
        job = self._jobs.get(row.kind)
        wait_s = job.kind.wait_s(row.attempts) if job else BEAT_S
        at = now + timedelta(seconds=wait_s)
        await self._database.write(lambda tx: store.retry_later(tx, row, at, error))
