"""Work that is done again and again while the process runs."""

import asyncio
from collections.abc import Awaitable, Callable

from farmgate.errors import DomainError
from farmgate.telemetry import sentry
from farmgate.telemetry.logs import logger

_log = logger(__name__)


class Periodic:
    """Does a piece of work at once and then after every interval.

    A failure is logged and the work done again at its next time: what waits for a database, say,
    goes on by itself when the database is back.

    Args:
        name: The work, for the log.
        interval_s: Seconds between the end of one time and the start of the next.
        work: The work.
    """

    def __init__(self, name: str, interval_s: float, work: Callable[[], Awaitable[object]]) -> None:
        assert interval_s > 0
        self._name = name
        self._interval_s = interval_s
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts doing the work."""
        assert self._task is None, "It is started once."
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stops, also in the midst of the work."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except DomainError as error:
                # A server that follows has nothing to do here: the leader does it.
                if error.reason != "NOT_LEADER":
                    _log.warning("periodic work failed", work=self._name, exc_info=error)
            except Exception as error:  # noqa: BLE001 - The work must outlive its failures.
                _log.warning("periodic work failed", work=self._name, exc_info=error)
                sentry.report(error, work=self._name)
            await asyncio.sleep(self._interval_s)
