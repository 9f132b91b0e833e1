"""What operators need to know, for the module that shows it to them."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from farmgate.db.engine import Database
from farmgate.jobs.feed import Feed
from farmgate.notifications import operator_store
from farmgate.notifications.operator_store import OperatorEvent

__all__ = ["OperatorEvent", "OperatorEvents"]

_HEARTBEAT_S: Final = 1.0
_EVENTS_MAX: Final = 100


class OperatorEvents:
    """Follows them.

    Args:
        database: Where they are kept.
        feed: Tells when there are more.
    """

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed

    async def follow(
        self, types: Sequence[str], after_id: str
    ) -> AsyncIterator[OperatorEvent | None]:
        """Yields events after one, or from now on; None says that nothing happened for a while."""
        position = await self._place(after_id)
        while True:
            # Looked up before the events are: what comes between is found by the next look.
            newest = await self._database.read(operator_store.last_sequence)
            found = await self._after(types, position)
            for one in found:
                position = one.sequence
                yield one
            if len(found) == _EVENTS_MAX:
                continue
            position = max(position, newest)
            if not await self._feed.moved(position, _HEARTBEAT_S):
                yield None

    async def _after(self, types: Sequence[str], position: int) -> list[OperatorEvent]:
        return await self._database.read(
            lambda tx: operator_store.after(tx, types, position, _EVENTS_MAX)
        )

    async def _place(self, after_id: str) -> int:
        if not after_id:
            return await self._database.read(operator_store.last_sequence)
        return await self._database.read(lambda tx: operator_store.sequence_at(tx, after_id))
