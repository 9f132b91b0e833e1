"""Measures background jobs: rows enqueued, and run by a worker, against empty DBOS workflows.

The last line is one JSON object. Run it by `make bench-jobs`.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Final

from dbos import DBOS

from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.jobs.execution import Execution
from farmgate.jobs.kinds import MAIL, Job, Kind, Run
from farmgate.jobs.queue import JobQueue
from farmgate.jobs.worker import Worker
from farmgate.ports.clock import SystemClock
from farmgate.ports.ids import UlidSource

_JOBS: Final = 300
_TIMEOUT_S: Final = 300.0
_EMPTY: Final = Kind("bench.empty", queue=MAIL)


@DBOS.workflow(name="bench.bare")
async def _bare() -> None:
    """Does nothing."""


async def _measure(folder: Path) -> dict[str, float]:
    clock = SystemClock()
    database = Database(f"sqlite:///{folder / 'exchange.db'}")
    migrations.upgrade(database.engine)
    queue = JobQueue(clock, UlidSource(clock))
    left = _JOBS
    is_done = asyncio.Event()

    async def work(_run: Run) -> None:
        nonlocal left
        left -= 1
        if not left:
            is_done.set()

    begun = time.perf_counter()
    for _ in range(_JOBS):
        await database.write(lambda tx: queue.enqueue(tx, _EMPTY, {}))
    enqueued = time.perf_counter()
    execution = Execution(database, clock, [Job(_EMPTY, work)], "bench")
    address = f"sqlite:///{folder / 'jobs.db'}"
    worker = Worker(database, clock, execution, queue, [], address=address, name="bench")
    await worker.start()
    started = time.perf_counter()
    async with asyncio.timeout(_TIMEOUT_S):
        await is_done.wait()
        ran = time.perf_counter()
        handles = [await DBOS.enqueue_workflow_async("mail", _bare) for _ in range(_JOBS)]
        for handle in handles:
            await handle.get_result()
        bare = time.perf_counter()
        left = 1
        is_done.clear()
        await database.write(lambda tx: queue.enqueue(tx, _EMPTY, {}))
        await is_done.wait()
        alone = time.perf_counter()
    await worker.stop()
    database.close()
    return {
        "enqueued_per_s": _JOBS / (enqueued - begun),
        "jobs_per_s": _JOBS / (ran - started),
        "bare_workflows_per_s": _JOBS / (bare - ran),
        "ratio": (bare - ran) / (ran - started),
        "latency_s": alone - bare,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        figures = asyncio.run(_measure(Path(name)))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
