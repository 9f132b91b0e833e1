"""Jobs as rows: enqueued with the change, tried, given up, recovered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.db.outbox import oldest
from farmgate.jobs import store
from farmgate.jobs.execution import LEASE, Execution
from farmgate.jobs.in_process import InProcess
from farmgate.jobs.kinds import MAIL, REPORTS, GiveUpError, Job, Kind, Run, Schedule
from farmgate.jobs.queue import JobQueue
from farmgate.jobs.store import JobFilter, JobRow, State
from farmgate.jobs.tables import job_steps
from farmgate.ports.clock import FakeClock
from farmgate.ports.ids import UlidSource

LETTER = Kind("test.letter", queue=MAIL, max_attempts=3, backoff_s=10)
REPORT = Kind("test.report", queue=REPORTS, priority=8)


class Bench:
    """A database, a queue, and a runner of jobs whose work tests choose."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.queue = JobQueue(clock, UlidSource(clock))
        self.done: list[Run] = []
        self.work: Callable[[Run], Any] = self.note
        self.schedules: list[Schedule] = []
        self.runner = self.another("here")

    def execution(self, name: str) -> Execution:
        jobs = [Job(LETTER, self._do), Job(REPORT, self._do)]
        return Execution(self.database, self.clock, jobs, name)

    def another(self, name: str) -> InProcess:
        execution = self.execution(name)
        return InProcess(self.database, self.clock, execution, self.queue, self.schedules)

    async def _do(self, run: Run) -> None:
        await self.work(run)

    async def note(self, run: Run) -> None:
        self.done.append(run)

    async def add(self, kind: Kind = LETTER, payload: Any = None, **given: Any) -> str:
        return await self.database.write(
            lambda tx: self.queue.enqueue(tx, kind, payload or {}, **given)
        )

    async def job(self, job_id: str) -> JobRow:
        found = await self.database.read(lambda tx: store.find(tx, job_id))
        assert found is not None
        return found


@pytest.fixture
async def bench(any_database_url: str, clock: FakeClock) -> AsyncIterator[Bench]:
    database = Database(any_database_url, threads=4)
    migrations.upgrade(database.engine)
    yield Bench(database, clock)
    database.close()


async def test_a_job_goes_with_its_transaction_and_once(bench: Bench) -> None:
    """JOB-001, JOB-002."""

    def fails(connection: Connection) -> None:
        bench.queue.enqueue(connection, LETTER, {"to": "nobody"})
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await bench.database.write(fails)
    first = await bench.add(payload={"to": "amara", "lines": [1, 2]}, key="welcome/amara")
    assert await bench.add(payload={"to": "amara"}, key="welcome/amara") == first
    other = await bench.add(REPORT, key="welcome/amara")
    assert other != first, "a key is the kind's own"
    many = await asyncio.gather(*(bench.add(key="at once") for _ in range(8)))
    assert len(set(many)) == 1
    await bench.runner.settle()
    assert {run.job_id for run in bench.done} == {first, other, many[0]}
    assert next(run.payload for run in bench.done if run.job_id == first) == {
        "to": "amara", "lines": [1, 2],
    }  # fmt: skip
    assert len(bench.done) == 3
    assert await bench.add(key="welcome/amara") == first, "done is done"
    assert await bench.runner.look() == 0


async def test_failures_are_tried_again_later_and_then_given_up(bench: Bench) -> None:
    """JOB-003, JOB-004."""

    async def fail(run: Run) -> None:
        await bench.note(run)
        raise OSError(f"no route, attempt {run.attempt}")

    bench.work = fail
    job_id = await bench.add(payload={"to": "amara"})
    await bench.runner.settle()
    job = await bench.job(job_id)
    assert (job.state, job.attempts) == (State.RETRY, 1)
    assert job.last_error == "OSError: no route, attempt 1"
    assert job.run_at - bench.clock.now() == timedelta(seconds=10)
    for wait_s in (10, 20):
        await bench.runner.settle()
        bench.clock.move(wait_s)
        await bench.runner.settle()
    job = await bench.job(job_id)
    assert (job.state, job.attempts, len(bench.done)) == (State.DEAD, 3, 3)
    assert job.ended_at == bench.clock.now()
    told = [one for _, one in await bench.database.read(lambda tx: oldest(tx, 10))]
    assert [(one.type, one.role, one.about) for one in told] == [
        ("admin.job_dead", "ADMIN", job_id)
    ]

    async def give_up(_run: Run) -> None:
        raise GiveUpError("no such address")

    bench.work = give_up
    job_id = await bench.add()
    await bench.runner.settle()
    job = await bench.job(job_id)
    assert (job.state, job.attempts, job.last_error) == (State.DEAD, 1, "no such address")


async def test_high_priority_goes_first_and_late_ones_wait(bench: Bench) -> None:
    """JOB-005."""
    low = Kind("test.report", queue=REPORTS, priority=1)
    ids = [await bench.add(low), await bench.add(low), await bench.add(REPORT)]
    late = await bench.add(REPORT, at=bench.clock.now() + timedelta(hours=1))
    found = await bench.database.read(lambda tx: store.due(tx, bench.clock.now(), ["reports"], 10))
    assert [job.id for job in found] == [ids[2], ids[0], ids[1]]
    await bench.runner.settle()
    assert (await bench.job(late)).state == State.QUEUED
    bench.clock.move(3_600)
    await bench.runner.settle()
    assert (await bench.job(late)).state == State.SUCCEEDED


async def test_a_queue_runs_no_more_at_once_than_it_may(bench: Bench) -> None:
    """JOB-006."""
    running, most = 0, 0
    begun: asyncio.Queue[None] = asyncio.Queue()
    gate = asyncio.Event()

    async def hold(_run: Run) -> None:
        nonlocal running, most
        begun.put_nowait(None)
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    bench.work = hold
    for _ in range(6):
        await bench.add(REPORT)
    assert await bench.runner.look() == REPORTS.concurrency
    for _ in range(REPORTS.concurrency):
        await begun.get()
    assert await bench.runner.look() == 0
    gate.set()
    await bench.runner.settle()
    assert most == REPORTS.concurrency
    states = await bench.database.read(
        lambda tx: [job.state for job in store.page(tx, JobFilter(), before="", limit=10)]
    )
    assert states == [State.SUCCEEDED] * 6


async def test_steps_have_their_effect_once(bench: Bench) -> None:
    """JOB-007."""
    effects: list[str] = []

    async def work(run: Run) -> None:
        await bench.note(run)
        done = await run.once("pay", lambda _tx: effects.append("paid"))
        assert done == (run.attempt == 1)
        if run.attempt < 3:
            raise OSError("after the step")

    def breaks(_connection: Connection) -> None:
        raise OSError("in the step")

    async def broken(run: Run) -> None:
        await run.once("break", breaks)

    bench.work = work
    await bench.add()
    for _ in range(3):
        await bench.runner.settle()
        bench.clock.move(20)
    assert (effects, len(bench.done)) == (["paid"], 3)
    bench.work = broken
    await bench.add()
    await bench.runner.settle()
    count = await bench.database.read(
        lambda tx: tx.scalar(select(func.count()).select_from(job_steps))
    )
    assert count == 1, "a step that failed is not noted"


async def test_what_a_dead_process_was_at_is_taken_up(bench: Bench) -> None:
    """JOB-008: by its successor at once, by others when the lease has ended."""
    begun = asyncio.Event()

    async def hang(_run: Run) -> None:
        begun.set()
        await asyncio.Event().wait()

    for successor, wait_s in (("here", 0.0), ("elsewhere", LEASE.total_seconds() + 1)):
        bench.work, runner = hang, bench.another("here")
        begun.clear()
        job_id = await bench.add()
        await runner.look()
        await begun.wait()
        await runner.stop()
        bench.work = bench.note
        await bench.execution(successor).reclaim()
        assert (await bench.job(job_id)).state == State.RUNNING, "nobody took it yet"
        bench.clock.move(wait_s)
        await bench.execution(successor).reclaim(is_new=True)
        bench.clock.move(LETTER.backoff_s)
        await bench.another(successor).settle()
        job = await bench.job(job_id)
        assert (job.state, job.attempts) == (State.SUCCEEDED, 2)
        assert bench.done[-1].attempt == 2


async def test_a_job_that_kills_its_process_is_given_up(bench: Bench) -> None:
    """JOB-004, JOB-008."""

    async def hang(_run: Run) -> None:
        begun.set()
        await asyncio.Event().wait()

    bench.work = hang
    job_id = await bench.add()
    for _ in range(LETTER.max_attempts):
        begun = asyncio.Event()
        runner = bench.another("here")
        await bench.execution("here").reclaim(is_new=True)
        bench.clock.move(3_600)
        await runner.look()
        await begun.wait()
        await runner.stop()
    await bench.execution("here").reclaim(is_new=True)
    job = await bench.job(job_id)
    assert (job.state, job.last_error) == (State.DEAD, "The process that ran it is gone.")


async def test_schedules_enqueue_once_a_time(bench: Bench) -> None:
    """JOB-009."""
    bench.schedules.append(Schedule("test.hourly", "5 * * * *", REPORT, {"region": "US2"}))
    runners = [bench.another("here"), bench.another("elsewhere")]
    for runner in runners:
        await runner.settle()
    assert bench.done == []
    for _ in range(2):
        bench.clock.move(3_600)
        for runner in runners:
            await runner.settle()
    assert [run.payload for run in bench.done] == [
        {"region": "US2", "scheduled_at": f"2026-06-01T{hour}:05:00+00:00"} for hour in (12, 13)
    ]


async def test_a_beat_keeps_the_lease(bench: Bench) -> None:
    """JOB-008."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def hold(_run: Run) -> None:
        begun.set()
        await gate.wait()

    bench.work = hold
    job_id = await bench.add()
    execution = bench.execution("here")
    task = asyncio.create_task(execution.run(job_id, 0))
    await begun.wait()
    for _ in range(3):
        bench.clock.move(LEASE.total_seconds() * 0.9)
        await execution.beat()
        await bench.execution("elsewhere").reclaim()
    gate.set()
    await task
    assert (await bench.job(job_id)).state == State.SUCCEEDED


async def test_old_jobs_are_forgotten(bench: Bench) -> None:
    """JOB-010."""
    job_id = await bench.add(key="old")
    await bench.runner.settle()
    now = bench.clock.now()
    assert await bench.database.write(lambda tx: store.purge(tx, now, 10)) == 0
    later = now + timedelta(seconds=1)
    assert await bench.database.write(lambda tx: store.purge(tx, later, 10)) == 1
    assert await bench.database.read(lambda tx: store.find(tx, job_id)) is None
