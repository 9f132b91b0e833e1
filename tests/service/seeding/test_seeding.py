"""The demonstration is seeded once, and completed when it broke off."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, select

from farmgate.api.trading.v1 import trading_pb2
from farmgate.app import wire
from farmgate.app.parts import core, users
from farmgate.app.parts.base import Base, Part
from farmgate.app.seeding.ground import Ground, Seed
from farmgate.app.seeding.runner import SEEDS, Seeding
from farmgate.app.seeding.tables import seeds
from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock


class Exchange:
    """A process with a core, to seed at will."""

    def __init__(self, settings: Settings, clock: FakeClock) -> None:
        self.application = wire.build(settings, clock=clock, parts=self._parts)
        self.ground = Ground(self.application.base, self._matching)

    def _parts(self, base: Base) -> list[Part]:
        self._matching = core.open_matching(base.settings)
        people = users.open_users(base)
        return [core.part(self._matching), users.part(base, people)]

    async def state(self) -> tuple[list[Any], list[Any]]:
        await self._matching.caught_up()
        balances = []
        for person in ("mill.nord", "trader.riverside", "farmer.jan"):
            number = (await self.ground.person(person)).account_number
            assert number
            balances.append(sorted(self._matching.balances(number)))
        books = []
        for entry in self._matching.instruments():
            found = self._matching.order_book(entry["symbol"], 20)
            assert found
            book = trading_pb2.GetOrderBookResponse.FromString(found)
            books.append((book.symbol, list(book.bids), list(book.asks)))
        return balances, books


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


def _broken(seed: Seed) -> Seed:
    """Returns a seed that is cut off after its work and before it is remembered."""

    async def plant(ground: Ground) -> None:
        await seed.plant(ground)
        raise ConnectionError

    return Seed(seed.name, plant)


async def test_a_seeding_that_broke_off_is_completed_and_then_left_alone(
    settings: Settings, clock: FakeClock
) -> None:
    """MKT-040: done again from anywhere, the demonstration is the same."""
    exchange = Exchange(settings, clock)
    await exchange.application.start()
    try:
        for index in range(len(SEEDS)):
            cut = (*SEEDS[:index], _broken(SEEDS[index]))
            with pytest.raises(ConnectionError):
                await Seeding(exchange.ground, cut).start()
        seeding = Seeding(exchange.ground)
        await seeding.start()
        # What is planted behind the start is waited for: it is there sooner on some machines.
        await seeding.settled()
        once = await exchange.state()
        assert sum(len(bids) == len(asks) == 10 for _, bids, asks in once[1]) == 16
        database = exchange.ground.base.database
        names = await database.read(lambda tx: list(tx.scalars(select(seeds.c.name))))
        assert sorted(names) == sorted(seed.name for seed in SEEDS)
        await database.write(lambda tx: tx.execute(delete(seeds)))
        await seeding.start()
        assert await exchange.state() == once
    finally:
        await exchange.application.stop()
