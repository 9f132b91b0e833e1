"""An exchange with the demonstration's instruments, places and grades, and nobody in it."""

from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from farmgate.app import wire
from farmgate.app.parts import auth, core, market, notifications, trading, users
from farmgate.app.parts.base import Base, Part
from farmgate.app.seeding import grades, instruments, places
from farmgate.app.seeding.ground import Ground
from farmgate.app.settings import Settings
from farmgate.db.engine import Database
from farmgate.market.settling import Settling
from farmgate.ports.clock import FakeClock
from farmgate.trading.candles import counting_trades
from farmgate.trading.facade import TradingAccounts
from service.market.exchange import Market
from support import running

if TYPE_CHECKING:
    from farmgate.ports.matching import Matching


@pytest.fixture
async def exchange(
    make_settings: Callable[..., Settings], clock: FakeClock
) -> AsyncIterator[Market]:
    opened: list[Matching] = []

    def parts(base: Base) -> list[Part]:
        matching = core.open_matching(base.settings)
        opened.append(matching)
        people = users.open_users(base)
        history, database = trading.open_history(base)
        return [
            core.part(matching),
            users.part(base, people),
            auth.part(base, TradingAccounts(matching), people.wallets),
            trading.part(base, matching, history, database, people),
            market.part(base, matching, history, database),
            notifications.part(base),
        ]

    application = wire.build(make_settings(), clock=clock, parts=parts)
    async with running(application) as api:
        ground = Ground(application.base, opened[0])
        for seed in (instruments, places, grades):
            await seed.plant(ground)
        base, matching = ground.base, ground.matching
        with closing(Database(base.settings.history_address)) as history:
            settling = Settling(
                base.database, history, matching, clock, counting_trades, base.users
            )
            yield Market(api, ground, clock, history, settling)
