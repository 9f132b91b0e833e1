"""The process that trains models and makes forecasts, apart from the server.

It is given a folder with a task and prices, writes its progress as JSON lines to standard output
and its result into the folder. It talks to no database and no network.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, Final

TASK: Final = "task.json"
PRICES: Final = "prices.npz"
RESULT: Final = "result.json"
ARTIFACT: Final = "artifact.json"
CHAMPION: Final = "champion.json"
TRAIN: Final = "TRAIN"
ISSUE: Final = "ISSUE"
NICE: Final = 10
# Measured for 200 series of 2,520 days: 12 CPU seconds and 320 MB.
CPU_SECONDS_MAX: Final = 120
MEMORY_BYTES_MAX: Final = 2**30
# One thread each: the numbers are small, and the address space of idle ones counts.
THREADS: Final = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}  # fmt: skip


def main() -> int:
    """Does the task of the folder that is named on the command line."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    folder = Path(sys.argv[1])
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    # The limits come first: what is imported counts.
    from farmgate.ai import tasks  # noqa: PLC0415

    panel = tasks.panel_of(task, folder / PRICES)
    if task["kind"] == TRAIN:
        result = tasks.train_task(task, panel, folder, _tell)
    else:
        result = tasks.issue_task(task, panel, folder, _tell)
    text = json.dumps(result, separators=(",", ":"), allow_nan=False)
    (folder / RESULT).write_text(text, encoding="utf-8")
    return 0


def _tell(stage: str, done: int, total: int, line: str = "") -> None:
    """Says how far the work is."""
    step: dict[str, Any] = {"stage": stage, "done": done, "total": total, "line": line}
    sys.stdout.write(json.dumps(step) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
