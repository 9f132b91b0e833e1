"""Streams of the matching core: in the process that holds it, or following its journal."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from farmgate import _matching
from farmgate._matching import JournalFailure, MarketCursor, OrderCursor
from farmgate.ports.matching import refusal_error
from farmgate.ports.wakeups import WakeUps
from farmgate.telemetry.logs import logger

__all__ = ["JournalFailure", "Streams", "Watching"]

# How far streams reach back after a start, where the journal does.
_HISTORY_COMMANDS: Final = 200_000
# How often the mark of what is durable is looked at: eight bytes that the system has in memory.
_LOOK_S: Final = 0.004
# After a second without news, less often.
_LOOK_IDLE_S: Final = 0.02
_IDLE_LOOKS: Final = 250
_RETRY_S: Final = 0.5
_log = logger(__name__)

Taker = Callable[[int], tuple[bytes, int, bool, bool]]


class Streams(Protocol):
    """Who can be watched; `ports.matching.Matching` is another one."""

    def watch_market(self, symbols: list[str], channels: int, from_sequence: int) -> MarketCursor:
        """Returns a place in market data.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN.
        """

    def watch_orders(self, account: int, from_sequence: int) -> OrderCursor:
        """Returns a place in an account's execution reports.

        Raises:
            DomainError: SEQ_GAP.
        """

    def taker(self, cursor: MarketCursor | OrderCursor) -> Taker:
        """Returns what moves a watcher on by at most so many bytes."""

    async def feeds_moved(self, timeout_s: float) -> bool:
        """Waits until feeds move on; False when the time ran out first."""

    def applied_sequence(self) -> int:
        """Returns the sequence that the streams have reached."""

    def account_number(self, account_id: bytes) -> int | None:
        """Returns the number of an account by the 16 bytes of its ULID."""


class Watching:
    """Follows the journal of a core that another process holds.

    Args:
        directory: Folder of the journal.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wakeups = WakeUps()
        self._watcher: _matching.Watcher | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reads what is there, and follows what comes.

        Raises:
            farmgate._matching.JournalFailure: The journal is damaged or not there.
        """
        self._watcher = await asyncio.to_thread(
            _matching.Watcher.open, self._directory, _HISTORY_COMMANDS
        )
        self._task = asyncio.create_task(self._follow(self._watcher), name="follow the journal")

    async def stop(self) -> None:
        """Follows no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._wakeups.now()

    def watch_market(self, symbols: list[str], channels: int, from_sequence: int) -> MarketCursor:
        """Returns a place in market data.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN.
        """
        try:
            return self._open.watch_market(symbols, channels, from_sequence)
        except _matching.RefusedError as error:
            raise refusal_error(error.args[0]) from None

    def watch_orders(self, account: int, from_sequence: int) -> OrderCursor:
        """Returns a place in an account's execution reports.

        Raises:
            DomainError: SEQ_GAP.
        """
        try:
            return self._open.watch_orders(account, from_sequence)
        except _matching.RefusedError as error:
            raise refusal_error(error.args[0]) from None

    def taker(self, cursor: MarketCursor | OrderCursor) -> Taker:
        """Returns what moves a watcher on by at most so many bytes."""
        if isinstance(cursor, MarketCursor):
            return partial(self._open.take_market, cursor)
        return partial(self._open.take_orders, cursor)

    async def feeds_moved(self, timeout_s: float) -> bool:
        """Waits until feeds move on; False when the time ran out first."""
        return await self._wakeups.moved(timeout_s)

    def applied_sequence(self) -> int:
        """Returns the sequence that the streams have reached."""
        return self._open.applied_sequence()

    def account_number(self, account_id: bytes) -> int | None:
        """Returns the number of an account by the 16 bytes of its ULID."""
        return self._open.account_number(account_id)

    @property
    def _open(self) -> _matching.Watcher:
        assert self._watcher is not None, "It was started."
        return self._watcher

    async def _follow(self, watcher: _matching.Watcher) -> None:
        idle = 0
        while True:
            try:
                if watcher.is_behind():
                    idle = 0
                    await asyncio.to_thread(watcher.step)
                    self._wakeups.soon()
                    continue
            except JournalFailure as error:
                # What readers miss they are told of; a new process begins anew.
                _log.error("journal not followed", error=str(error))
                await asyncio.sleep(_RETRY_S)
            idle += 1
            await asyncio.sleep(_LOOK_S if idle < _IDLE_LOOKS else _LOOK_IDLE_S)
