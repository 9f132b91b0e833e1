"""Tells streams when rows were added, with one question to the database for all of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from farmgate.errors import DomainError

_POLL_S: Final = 0.5


class Feed:
    """Watches how far a table has grown, while anybody listens.

    Args:
        name: What is watched, for the log.
        last: Returns the sequence of the newest row.
    """

    def __init__(self, name: str, last: Callable[[], Awaitable[int]]) -> None:
        self._name = name
        self._newest = last
        self._moved = asyncio.Event()
        self._poked = asyncio.Event()
        self._last = -1
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Stops watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def moved(self, after: int, timeout_s: float) -> bool:
        """Returns whether something later than a sequence is there, at the latest in time."""
        if self._last > after:
            return True
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name=self._name)
        self._listeners += 1
        try:
            async with asyncio.timeout(timeout_s):
                while self._last <= after:
                    await self._moved.wait()
        except TimeoutError:
            return False
        finally:
            self._listeners -= 1
        return True

    def poke(self) -> None:
        """Looks at once: rows were added, says somebody who need not be believed."""
        self._poked.set()

    async def _watch(self) -> None:
        while self._listeners:
            self._poked.clear()
            try:
                last = await self._newest()
            except DomainError:
                last = self._last
            if last > self._last:
                self._last = last
                self._moved.set()
                self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._poked.wait()
        self._task = None
