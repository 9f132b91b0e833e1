"""kill -9 of a worker at any instant: each job's effect is there, once."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select, text

from durability.job_worker import STEPS
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.jobs import store
from farmgate.jobs.queue import JobQueue
from farmgate.jobs.store import JobFilter, State
from farmgate.jobs.tables import jobs
from farmgate.ports.clock import SystemClock
from farmgate.ports.ids import UlidSource

PROGRAM = Path(__file__).with_name("job_worker.py")
JOBS = 30
KILLS = 3


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM)], stdout=subprocess.PIPE, env=environment, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def lines(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    assert process.stdout
    for line in process.stdout:
        yield line.split()


def environment_of(folder: Path, url: str) -> dict[str, str]:
    given = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FARMGATE_DATA_DIR": str(folder / "data"),
        "FARMGATE_DATABASE_URL": url,
    }
    return os.environ | given


def test_each_effect_is_there_once_over_kills(any_database_url: str, tmp_path: Path) -> None:
    """JOB-011, JOB-012."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    database = Database(any_database_url, threads=2)
    migrations.upgrade(database.engine)
    database.run(lambda tx: tx.execute(text("CREATE TABLE effects (job text, step text)")))
    queue = JobQueue(SystemClock(), UlidSource(SystemClock()))
    for number in range(JOBS):
        database.run(
            lambda tx, number=number: queue.enqueue(tx, STEPS, {"number": number}, key=str(number))
        )
    environment = environment_of(tmp_path, any_database_url)
    for _ in range(KILLS):
        with worker(environment) as process:
            told = lines(process)
            for _ in range(dice.randrange(1, 2 * JOBS // KILLS)):
                next(told)
            process.kill()
    with worker(environment) as process:
        for _ in lines(process):
            done = database.run(
                lambda tx: tx.scalar(
                    select(func.count())
                    .select_from(jobs)
                    .where(jobs.c.kind == STEPS.name, jobs.c.state == State.SUCCEEDED)
                ),
                is_write=False,
            )
            if done == JOBS:
                break
        # Asked to go, it goes by itself.
        process.send_signal(signal.SIGTERM)
        for _ in lines(process):
            pass
        assert process.wait() == 0
    rows = database.run(
        lambda tx: tx.execute(
            text("SELECT job, step, count(*) FROM effects GROUP BY job, step")
        ).all()
    )
    assert len(rows) == 2 * JOBS
    assert {count for _, _, count in rows} == {1}
    attempts = database.run(
        lambda tx: store.page(tx, JobFilter(kind=STEPS.name), before="", limit=JOBS)
    )
    print("attempts", sorted(job.attempts for job in attempts))
    ticks = database.run(
        lambda tx: store.page(tx, JobFilter(kind="test.tick"), before="", limit=500)
    )
    times = [job.payload["scheduled_at"] for job in ticks]
    assert times, "the schedule was kept"
    assert len(set(times)) == len(times), "each time once"
    database.close()
