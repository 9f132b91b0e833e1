"""Runs the seeds once each, in order."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from farmgate.app.seeding import books, grades, instruments, people, places
from farmgate.app.seeding.ground import Ground, Seed
from farmgate.app.seeding.tables import seeds
from farmgate.telemetry.logs import logger

# Each after those it builds on.
SEEDS: Final = (
    Seed("instruments", instruments.plant),
    Seed("places", places.plant),
    Seed("grades", grades.plant),
    Seed("people", people.plant),
    Seed("books", books.plant),
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

    async def start(self) -> None:
        """Plants what is not done."""
        database = self._ground.base.database
        done = await database.read(_done)
        for seed in self._wanted:
            if seed.name not in done:
                await seed.plant(self._ground)
                await database.write(_marking(seed.name, self._ground.base.clock.now()))
                _log.info("seeded", seed=seed.name)

    async def stop(self) -> None:
        """Does nothing: seeding ends with the start."""


def _done(connection: Connection) -> set[str]:
    return set(connection.scalars(select(seeds.c.name)))


def _marking(name: str, now: datetime) -> Callable[[Connection], object]:
    return lambda tx: tx.execute(seeds.insert().values(name=name, done_at=now))
