"""Use cases of operators about caches."""

from collections.abc import Sequence
from typing import TypeVar

from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import text_of
from farmgate.errors import DomainError
from farmgate.ports.cache import Caches, Figures

M = TypeVar("M", bound=Serializable)


class Caching:
    """Looks at caches and empties them.

    Args:
        caches: The caches of this process, which tell those of the others.
        database: Where the audit log is.
    """

    def __init__(self, caches: Caches, database: Database) -> None:
        self._caches = caches
        self._database = database

    @property
    def is_shared(self) -> bool:
        """Returns whether processes share a second level."""
        return self._caches.is_shared

    def figures(self) -> Sequence[Figures]:
        """Returns the caches, by name."""
        return self._caches.figures()

    async def purge(self, names: Sequence[str], key: str, reason: str, effect: Effect[int, M]) -> M:
        """Empties caches, here and in the other processes.

        Args:
            names: Which; empty for all.
            key: Entry; empty for all of them.
            reason: Why, in words.
            effect: Records it, with the number of entries thrown away here.

        Raises:
            DomainError: NOT_FOUND.
        """
        wanted = dict.fromkeys(names or [one.name for one in self._caches.figures()])
        found = [self._caches.named(name) for name in wanted]
        for name, cache in zip(wanted, found, strict=True):
            if cache is None:
                raise DomainError("NOT_FOUND", resource="cache", id=name)
        # First: a cache that is empty for nothing does no harm, one that is full would.
        count = sum(cache.forget(key or None) for cache in found if cache is not None)
        resource = f"cache/{next(iter(wanted))}" if len(wanted) == 1 else "cache/all"
        detail = text_of({"names": list(wanted), "key": key, "count": count})
        await self._database.write(
            lambda tx: effect.record(tx, count, resource=resource, reason=reason, detail=detail)
        )
        return effect.reply
