"""Work on the chain and on content that goes on while the process runs.

The rows are the queue: whatever drives them, a driver in the process, a job of the workers or an
admin's call, finds there what is to be done, and one of them does it at a time.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from farmgate.telemetry.logs import logger

# Names of the job kinds, and how often they are started at least.
OPERATIONS_JOB: Final = "blockchain.operations"
PINS_JOB: Final = "blockchain.pins"
EVERY_MINUTE: Final = "* * * * *"
_JOB_S: Final = 50.0
_JOB_PAUSE_S: Final = 2.0
_log = logger(__name__)

K = TypeVar("K")


class Driver:
    """Does a piece of work again and again in a thread of its own: soon while something waits.

    It begins a while after the start of the process, which it would slow down by what it imports.

    Args:
        name: The work, for the log.
        work: The work; returns whether something waits.
        busy_s: Seconds between two times while something waits.
        idle_s: Seconds between two times while nothing does.
        first_s: Seconds before the first time.
    """

    def __init__(
        self, name: str, work: Callable[[], bool], *, busy_s: float, idle_s: float, first_s: float
    ) -> None:
        self._name = name
        self._work = work
        self._busy_s = busy_s
        self._idle_s = idle_s
        self._first_s = first_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts doing the work, after a while."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stops; work under way is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    def nudge(self) -> None:
        """Makes it look at once; call it in the event loop."""
        self._nudged.set()

    async def _run(self) -> None:
        wait_s = self._first_s
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()
            waits = False
            try:
                loop = asyncio.get_running_loop()
                waits = await loop.run_in_executor(self._thread, self._work)
            except Exception as error:  # noqa: BLE001 - The work must outlive its failures.
                _log.warning("work on the chain failed", work=self._name, exc_info=error)
            wait_s = self._busy_s if waits else self._idle_s


def kinds(
    make: Callable[..., K], operations: Callable[[], bool], pins: Callable[[], bool]
) -> list[K]:
    """Returns the kinds of jobs that drive the chain and the pins, for the workers' queue.

    Args:
        make: The queue's kind of job; called with its name and what it runs.
        operations: `Pump.tick`.
        pins: `Shelf.pin_due`.
    """
    return [
        make(name=OPERATIONS_JOB, run=_while_something_waits(operations)),
        make(name=PINS_JOB, run=_while_something_waits(pins)),
    ]


def _while_something_waits(work: Callable[[], bool]) -> Callable[[Mapping[str, str]], None]:
    """Returns work as the queue takes it: for the minute until it is started again."""

    def run(_arguments: Mapping[str, str]) -> None:
        until = time.monotonic() + _JOB_S
        while work() and time.monotonic() < until:
            time.sleep(_JOB_PAUSE_S)

    return run
