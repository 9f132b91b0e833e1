"""Use cases of operators about jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.jobs import store
from farmgate.jobs.kinds import QUEUES
from farmgate.jobs.store import JobFilter, JobRow
from farmgate.ports.clock import Clock

M = TypeVar("M", bound=Serializable)
_Change = Callable[[Connection, JobRow, datetime], bool]


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, and what holds of all."""

    jobs: Sequence[JobRow]
    paused: Sequence[str]


class Operations:
    """Reads jobs and changes what becomes of them.

    Args:
        database: Where jobs are rows.
        clock: Tells the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def page(self, wanted: JobFilter, *, before: str, limit: int) -> Page:
        """Returns jobs, the newest first, and the queues that are paused."""
        return await self._database.read(
            lambda tx: Page(store.page(tx, wanted, before=before, limit=limit), store.paused(tx))
        )

    async def job(self, job_id: str) -> JobRow:
        """Returns a job.

        Raises:
            DomainError: NOT_FOUND.
        """
        return await self._database.read(lambda tx: _found(tx, job_id))

    async def retry(self, job_id: str, reason: str, effect: Effect[JobRow, M]) -> M:
        """Has a job tried at once that failed, was given up or was cancelled.

        Raises:
            DomainError: NOT_FOUND, or JOB_STATE.
        """
        return await self._change(job_id, reason, effect, store.try_again, "retrying")

    async def cancel(self, job_id: str, reason: str, effect: Effect[JobRow, M]) -> M:
        """Cancels a job that waits.

        Raises:
            DomainError: NOT_FOUND, or JOB_STATE.
        """
        return await self._change(job_id, reason, effect, store.cancel, "cancelling")

    async def pause(
        self, queue: str, reason: str, effect: Effect[bool, M], *, is_resumed: bool
    ) -> M:
        """Has a queue's jobs wait, or go on.

        Raises:
            DomainError: NOT_FOUND.
        """
        if queue not in QUEUES:
            raise DomainError("NOT_FOUND", resource="queue", id=queue)
        now = self._clock.now()

        def change(connection: Connection) -> M:
            if is_resumed:
                store.resume(connection, queue)
            else:
                store.pause(connection, queue, now)
            effect.record(connection, not is_resumed, resource=f"queue/{queue}", reason=reason)
            return effect.reply

        return await self._database.write(change)

    async def _change(
        self, job_id: str, reason: str, effect: Effect[JobRow, M], change: _Change, action: str
    ) -> M:
        now = self._clock.now()

        def work(connection: Connection) -> M:
            job = _found(connection, job_id)
            if not change(connection, job, now):
                raise DomainError("JOB_STATE", state=job.state.name, action=action)
            effect.record(
                connection, _found(connection, job_id), resource=f"job/{job_id}", reason=reason
            )
            return effect.reply

        return await self._database.write(work)


def _found(connection: Connection, job_id: str) -> JobRow:
    found = store.find(connection, job_id)
    if found is None:
        raise DomainError("NOT_FOUND", resource="job", id=job_id)
    return found
