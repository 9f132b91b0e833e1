"""Who leads the matching core, where several servers share one journal in a database."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

from farmgate import _matching
from farmgate._matching import JournalFailure

__all__ = ["JournalFailure", "Leadership", "Mirror", "Standing", "share"]

LEADING: Final = 1
FOLLOWING: Final = 2
# A start waits so long for its place; a server without one starts and is not ready.
_PLACE_S: Final = 10.0
# Giving the lease back waits for one group to become durable.
_HAND_OVER_S: Final = 3.0
_LOOK_S: Final = 0.02


class Standing(NamedTuple):
    """What this process is to the journal.

    Attributes:
        role: LEADING, FOLLOWING, or neither: it starts, or the database does not answer.
        epoch: Epoch of its lease, or of its last one.
        leader: Where callers reach the leader; empty when that is not known.
    """

    role: int
    epoch: int
    leader: str


class Leadership:
    """Tells whether this process leads, and gives that up when it goes.

    Args:
        engine: The core. One with a journal of its own always leads.
    """

    def __init__(self, engine: _matching.Engine) -> None:
        self._engine = engine

    @property
    def standing(self) -> Standing:
        """Returns what this process is to the journal."""
        return Standing(*self._engine.standing())

    @property
    def is_leading(self) -> bool:
        """Returns whether this process takes orders."""
        return self.standing.role == LEADING

    async def find_place(self) -> None:
        """Waits, boundedly, until this process leads or follows."""
        await self._until(lambda: self.standing.role in {LEADING, FOLLOWING}, _PLACE_S)

    async def hand_over(self) -> None:
        """Answers what was taken, and lets another process lead; this one does not again."""
        if self._engine.hand_over():
            await self._until(lambda: not self.is_leading, _HAND_OVER_S)

    @staticmethod
    async def _until(condition: Callable[[], bool], seconds: float) -> None:
        steps = round(seconds / _LOOK_S)
        while not condition() and steps:
            steps -= 1
            await asyncio.sleep(_LOOK_S)


class Mirror:
    """Copies the journal of a database into a folder, for those who follow it there.

    Args:
        directory: The folder; several processes may share it.
        url: Address of the database.
    """

    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        self._url = url
        self._mirror: _matching.Mirror | None = None

    def open(self) -> None:
        """Starts to copy.

        Raises:
            farmgate._matching.JournalFailure: The system refuses.
        """
        self._mirror = _matching.Mirror.start(self._directory, self._url)

    def close(self) -> None:
        """Stops to copy."""
        if self._mirror:
            self._mirror.stop()

    async def start(self) -> None:
        """Starts to copy."""
        await asyncio.to_thread(self.open)

    async def stop(self) -> None:
        """Stops to copy."""
        await asyncio.to_thread(self.close)


def share(
    directory: Path, url: str, *, address: str, lease_ms: int, snapshot_interval_commands: int
) -> _matching.Engine:
    """Returns the core over a journal that servers share.

    Args:
        directory: Folder of this server's copy and snapshots.
        url: Address of the database.
        address: Where callers reach this server.
        lease_ms: How long the lease lasts without being renewed.
        snapshot_interval_commands: Commands between snapshots.

    Raises:
        farmgate._matching.JournalFailure: Another process uses the folder.
    """
    return _matching.Engine.share(
        directory,
        url,
        holder=uuid4().hex,
        address=address,
        lease_ms=lease_ms,
        snapshot_interval_commands=snapshot_interval_commands,
    )
