"""Runs the seeds once each, in order."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from farmgate.app.seeding import (
    alerts,
    announcements,
    books,
    estates,
    forecasts,
    grades,
    history,
    instruments,
    people,
    places,
)
from farmgate.app.seeding.ground import Ground, Seed
from farmgate.app.seeding.tables import seeds
from farmgate.telemetry.logs import logger

# Each after those it builds on.
SEEDS: Final = (
    Seed("instruments", instruments.plant),
    Seed("places", places.plant),
    Seed("grades", grades.plant),
    Seed("people", people.plant),
    Seed("estates", estates.plant),
    Seed("books", books.plant),
    Seed("alerts", alerts.plant),
    Seed("announcements", announcements.plant),
    Seed("history", history.plant, is_behind=True),
    Seed("forecasts", forecasts.plant, is_behind=True),
)
_log = logger(__name__)


class Seeding:
    """Seeds at the start. A seed that is done is left alone; one that broke off is completed.

    Args:
        ground: What seeds build on.
        wanted: The seeds, each after those it builds on.
    """

    def __init__(self, ground: Ground, wanted: tuple[Seed, ...] = SEEDS) -> None:
        self._ground = ground
        self._wanted = wanted
        self._behind: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Plants what is not done, and begins with what is planted behind the start."""
        done = await self._ground.base.database.read(_done)
        missing = [seed for seed in self._wanted if seed.name not in done]
        for seed in missing:
            if not seed.is_behind:
                await self._plant(seed)
        behind = [seed for seed in missing if seed.is_behind]
        self._behind = asyncio.create_task(self._plant_all(behind), name="seeding")

    async def settled(self) -> None:
        """Waits until all is planted."""
        assert self._behind, "It is started first."
        await asyncio.shield(self._behind)

    async def stop(self) -> None:
        """Stops; what is not done is done at the next start."""
        if self._behind:
            self._behind.cancel()
            await asyncio.gather(self._behind, return_exceptions=True)

    async def _plant_all(self, seeds_: Sequence[Seed]) -> None:
        for seed in seeds_:
            try:
                await self._plant(seed)
            except Exception:
                _log.exception("not seeded; the next start goes on with it", seed=seed.name)
                raise

    async def _plant(self, seed: Seed) -> None:
        await seed.plant(self._ground)
        now = self._ground.base.clock.now()
        await self._ground.base.database.write(_marking(seed.name, now))
        _log.info("seeded", seed=seed.name)


def _done(connection: Connection) -> set[str]:
    return set(connection.scalars(select(seeds.c.name)))


def _marking(name: str, now: datetime) -> Callable[[Connection], object]:
    return lambda tx: tx.execute(seeds.insert().values(name=name, done_at=now))
