"""SQL of jobs."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.jobs.kinds import Payload
from farmgate.jobs.tables import job_steps, jobs, paused_queues

_ERROR_LENGTH_MAX: Final = 1_000


class State(IntEnum):
    """States of a job; numbers of the API's."""

    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    RETRY = 4
    DEAD = 5
    CANCELLED = 6


WAITING: Final = (State.QUEUED, State.RETRY)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is kept."""

    id: str
    kind: str
    queue: str
    state: State
    priority: int
    payload: Payload
    attempts: int
    max_attempts: int
    generation: int
    last_error: str
    run_at: datetime
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; empty means all."""

    queue: str = ""
    kind: str = ""
    state: int = 0


def add(connection: Connection, values: dict[str, Any], key: str | None) -> str:
    """Adds a job, or finds the one with its key; returns the job's ID."""
    if key is not None:
        found = connection.scalar(select(jobs.c.id).where(jobs.c.dedupe_key == key))
        if found is not None:
            return str(found)
    try:
        with connection.begin_nested():
            connection.execute(insert(jobs).values(dedupe_key=key, **values))
    except IntegrityError:
        # Another transaction was first; now it has committed.
        found = connection.scalar(select(jobs.c.id).where(jobs.c.dedupe_key == key))
        if found is None:
            raise
        return str(found)
    return str(values["id"])


def due(connection: Connection, now: datetime, queues: Collection[str], limit: int) -> list[JobRow]:
    """Returns jobs to hand over, those of high priority first. Paused queues have none."""
    paused = select(paused_queues.c.name)
    wanted = and_(
        jobs.c.state.in_(WAITING), jobs.c.is_handed.is_(False), jobs.c.run_at <= now,
        jobs.c.queue.in_(queues), jobs.c.queue.not_in(paused),
    )  # fmt: skip
    query = select(jobs).where(wanted).order_by(jobs.c.priority.desc(), jobs.c.id).limit(limit)
    return [_job(row) for row in connection.execute(query)]


def hand_over(connection: Connection, handed: Sequence[JobRow]) -> None:
    """Notes that jobs are with the queue."""
    for one in handed:
        connection.execute(
            update(jobs)
            .where(jobs.c.id == one.id, jobs.c.generation == one.generation)
            .values(is_handed=True)
        )


def take_back(connection: Connection, queues: Collection[str]) -> None:
    """Has everything that waits handed over again: the queue may have lost it."""
    connection.execute(
        update(jobs)
        .where(jobs.c.state.in_(WAITING), jobs.c.queue.in_(queues), jobs.c.is_handed.is_(True))
        .values(is_handed=False)
    )


def claim(
    connection: Connection, job_id: str, generation: int, worker: str, lease_until: datetime
) -> JobRow | None:
    """Begins an attempt; returns None when the job is not to be run, or not by this hand-over."""
    row = connection.execute(
        select(jobs).where(jobs.c.id == job_id).with_for_update()
    ).one_or_none()
    if row is None or row.generation != generation:
        return None
    # A job of this process that runs already ran in its predecessor, which died.
    if row.state not in WAITING and (row.state, row.worker) != (State.RUNNING, worker):
        return None
    if row.state in WAITING and is_paused(connection, row.queue):
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(is_handed=False, generation=generation + 1)
        )
        return None
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(
            state=State.RUNNING, attempts=row.attempts + 1, is_handed=True, worker=worker,
            lease_until=lease_until,
        )
    )  # fmt: skip
    return find(connection, job_id)


def succeed(connection: Connection, job: JobRow, now: datetime) -> None:
    """Ends a job that is done."""
    _end(connection, job, State.SUCCEEDED, now, job.last_error)


def fail(connection: Connection, job: JobRow, now: datetime, error: str) -> None:
    """Gives a job up, and tells the operators."""
    if _end(connection, job, State.DEAD, now, error):
        tell_dead(connection, job, now, error)


def tell_dead(connection: Connection, job: JobRow, now: datetime, error: str) -> None:
    """Tells operators of a job that was given up."""
    told = Announcement(
        "admin.job_dead", now, role="ADMIN", about=job.id,
        data={"job_id": job.id, "kind": job.kind, "error": error[:200]},
    )  # fmt: skip
    announce(connection, told)


def retry_later(connection: Connection, job: JobRow, run_at: datetime, error: str) -> None:
    """Has a job tried again later."""
    connection.execute(
        update(jobs)
        .where(*_running(job))
        .values(
            state=State.RETRY, run_at=run_at, last_error=error[:_ERROR_LENGTH_MAX],
            is_handed=False, generation=job.generation + 1, lease_until=None,
        )
    )  # fmt: skip


def extend(connection: Connection, running: Collection[str], worker: str, until: datetime) -> None:
    """Says that the worker is alive and at these jobs."""
    connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(running), jobs.c.state == State.RUNNING, jobs.c.worker == worker)
        .values(lease_until=until)
    )


def abandoned(
    connection: Connection, now: datetime, queues: Collection[str], worker: str | None
) -> list[JobRow]:
    """Returns jobs whose worker is gone: the lease has ended, or the worker is this one, new."""
    is_lost: ColumnElement[bool] = jobs.c.lease_until < now
    if worker is not None:
        is_lost = is_lost | (jobs.c.worker == worker)
    query = select(jobs).where(jobs.c.state == State.RUNNING, jobs.c.queue.in_(queues), is_lost)
    return [_job(row) for row in connection.execute(query)]


def step_done(connection: Connection, job_id: str, step: str, now: datetime) -> bool:
    """Notes a step; returns False when it was noted before."""
    known = select(job_steps.c.step).where(job_steps.c.job_id == job_id, job_steps.c.step == step)
    if connection.execute(known).one_or_none():
        return False
    connection.execute(insert(job_steps).values(job_id=job_id, step=step, at=now))
    return True


def find(connection: Connection, job_id: str) -> JobRow | None:
    """Returns a job, or None."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else _job(row)


def page(connection: Connection, wanted: JobFilter, *, before: str, limit: int) -> list[JobRow]:
    """Returns jobs, the newest first."""
    query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
    if wanted.queue:
        query = query.where(jobs.c.queue == wanted.queue)
    if wanted.kind:
        query = query.where(jobs.c.kind == wanted.kind)
    if wanted.state:
        query = query.where(jobs.c.state == wanted.state)
    if before:
        query = query.where(jobs.c.id < before)
    return [_job(row) for row in connection.execute(query)]


def try_again(connection: Connection, job: JobRow, now: datetime) -> bool:
    """Has a job that waits or has ended tried once more at least; returns whether it did."""
    changed = connection.execute(
        update(jobs)
        .where(
            jobs.c.id == job.id,
            jobs.c.generation == job.generation,
            jobs.c.state.in_((State.RETRY, State.DEAD, State.CANCELLED)),
        )
        .values(
            state=State.QUEUED, run_at=now, ended_at=None, is_handed=False,
            generation=job.generation + 1, max_attempts=max(job.max_attempts, job.attempts + 1),
        )
    )  # fmt: skip
    return changed.rowcount == 1


def cancel(connection: Connection, job: JobRow, now: datetime) -> bool:
    """Cancels a job that waits; returns whether it did."""
    changed = connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.generation == job.generation, jobs.c.state.in_(WAITING))
        .values(state=State.CANCELLED, ended_at=now, generation=job.generation + 1)
    )
    return changed.rowcount == 1


def pause(connection: Connection, queue: str, now: datetime) -> None:
    """Has a queue's waiting jobs wait on."""
    if not is_paused(connection, queue):
        connection.execute(insert(paused_queues).values(name=queue, paused_at=now))


def resume(connection: Connection, queue: str) -> None:
    """Lets a queue go on."""
    connection.execute(delete(paused_queues).where(paused_queues.c.name == queue))


def is_paused(connection: Connection, queue: str) -> bool:
    """Tells whether a queue is paused."""
    query = select(paused_queues.c.name).where(paused_queues.c.name == queue)
    return connection.execute(query).one_or_none() is not None


def paused(connection: Connection) -> list[str]:
    """Returns the paused queues."""
    return list(connection.scalars(select(paused_queues.c.name).order_by(paused_queues.c.name)))


def purge(connection: Connection, before: datetime, limit: int) -> int:
    """Forgets jobs that ended long ago; returns how many."""
    old = select(jobs.c.id).where(jobs.c.ended_at < before).limit(limit)
    ids = list(connection.scalars(old))
    connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    return len(ids)


def _running(job: JobRow) -> tuple[ColumnElement[bool], ...]:
    return (
        jobs.c.id == job.id,
        jobs.c.generation == job.generation,
        jobs.c.attempts == job.attempts,
        jobs.c.state == State.RUNNING,
    )


def _end(connection: Connection, job: JobRow, state: State, now: datetime, error: str) -> bool:
    changed = connection.execute(
        update(jobs)
        .where(*_running(job))
        .values(
            state=state, ended_at=now, last_error=error[:_ERROR_LENGTH_MAX], lease_until=None
        )
    )  # fmt: skip
    return changed.rowcount == 1


def payload_text(payload: Payload) -> str:
    """Returns a payload as it is kept."""
    return text_of(payload)


def _job(row: Row[Any]) -> JobRow:
    return JobRow(
        row.id, row.kind, row.queue, State(row.state), row.priority, json.loads(row.payload),
        row.attempts, row.max_attempts, row.generation, row.last_error, row.run_at,
        row.created_at, row.ended_at,
    )  # fmt: skip
