"""Wakes those who wait for streams to move on, all at once and not too often."""

import asyncio
from typing import Final

# Watchers are woken this often at most; between two wakes their updates gather.
_WINDOW_S: Final = 0.005


class WakeUps:
    """Whoever waits."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        self._wake: asyncio.TimerHandle | None = None

    async def moved(self, timeout_s: float) -> bool:
        """Waits until streams move on; False when the time ran out first."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    def soon(self) -> None:
        """Wakes everybody within the window. Called on the loop's thread."""
        if self._waiting and self._wake is None:
            self._wake = asyncio.get_running_loop().call_later(_WINDOW_S, self.now)

    def now(self) -> None:
        """Wakes everybody."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)
