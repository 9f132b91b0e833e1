"""Reads of history that show what the caller was told: they wait for the watermark, boundedly."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.trading import store

T = TypeVar("T")
_WAIT_S: Final = 1.0
_POLL_S: Final = 0.01


class History:
    """The tables that the projector writes.

    Args:
        database: Where history is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, work: Callable[[Connection], T], *, expected: int, required: int = 0
    ) -> tuple[T, int]:
        """Returns what the work reads, and the sequence it reflects.

        Args:
            work: The reads; they run at one moment.
            expected: Sequence that the caller may expect to see; waited for, not insisted on.
            required: Sequence that the caller insists on.

        Raises:
            DomainError: READ_BEHIND when history has not reached `required` within a second.
        """

        def both(transaction: Connection) -> tuple[T | None, int]:
            reached = store.watermark(transaction)
            ready = reached >= max(expected, required) or is_last
            return (work(transaction) if ready else None), reached

        loop = asyncio.get_running_loop()
        until = loop.time() + _WAIT_S
        while True:
            is_last = loop.time() >= until
            found, reached = await self._database.read(both)
            if reached < required and is_last:
                raise DomainError("READ_BEHIND", reached=reached, wanted=required)
            if reached >= max(expected, required) or is_last:
                result: Any = found
                return result, reached
            await asyncio.sleep(_POLL_S)
