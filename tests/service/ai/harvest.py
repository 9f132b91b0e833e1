"""A process with people, notifications and forecasts over prices of the test's own."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from farmgate.ai.panel import History, days_after
from farmgate.ai.sources import Price, Series
from farmgate.ai.styles import DAILY, MONTHLY
from farmgate.api.ai.v1 import ai_pb2, ai_pb2_grpc, models_pb2, models_pb2_grpc
from farmgate.api.notifications.v1 import notifications_pb2, notifications_pb2_grpc
from farmgate.app import wire
from farmgate.app.parts import ai, auth, jobs, notifications, users
from farmgate.app.parts.base import Base, Part
from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from service.admin.operators import with_role
from support import Api, FakeAccounts, SignedIn, running
from unit.ai.walks import histories

SYMBOL = "CORN"
MONTHLY_SYMBOL = "RICE"
RUN_ID = "01JD8Z3N6V7Q2X4T5Y6R8W9A0B"


@dataclass
class Market:
    """Prices that a test may change."""

    known: dict[str, Series] = field(default_factory=dict)
    told: dict[str, list[Price]] = field(default_factory=dict)

    async def series(self) -> Sequence[Series]:
        return [self.known[name] for name in sorted(self.known)]

    async def one(self, series_id: str) -> Series | None:
        return self.known.get(series_id)

    async def prices(self, series_id: str, since: date | None = None) -> Sequence[Price]:
        return [one for one in self.told[series_id] if since is None or one.day >= since]

    async def newest(self) -> dict[str, date]:
        return {name: prices[-1].day for name, prices in self.told.items() if prices}

    def add(self, name: str, frequency: str, days: Sequence[date], micro: Sequence[int]) -> None:
        self.known[name] = Series(name, "GRAIN", frequency, "bu", "USD")
        self.told[name] = [Price(*pair) for pair in zip(days, micro, strict=True)]

    def follow(self, name: str, factor: float = 1.0) -> date:
        """Adds the price of the next day; returns the day."""
        prices, frequency = self.told[name], self.known[name].frequency
        day = days_after([one.day for one in prices], 1, frequency)[0]
        prices.append(Price(day, round(prices[-1].micro * factor)))
        return day


def market() -> Market:
    """Three daily series until the end of May 2026, two monthly ones until May."""
    found = Market()
    last = FakeClock().now().date()
    for name, history in zip(("CORN", "OATS", "SOYA"), _daily(), strict=True):
        shift = last.toordinal() - 3 - history.days[-1].toordinal()
        # Whole weeks, so that business days stay business days.
        shift -= shift % 7
        days = [date.fromordinal(day.toordinal() + shift) for day in history.days]
        found.add(name, DAILY, days, [round(price * 10_000) * 100 for price in history.prices])
    for name, history in zip(("RICE", "TEA"), _monthly(), strict=True):
        months = len(history.days)
        days = [date(2026 - (months - one + 7) // 12, (one - months + 4) % 12 + 1, 1)
                for one in range(1, months + 1)]  # fmt: skip
        found.add(name, MONTHLY, days, [round(price * 10_000) * 100 for price in history.prices])
    return found


def _daily() -> list[History]:
    return histories(DAILY, series=3, count=460, seed=11)


def _monthly() -> list[History]:
    return histories(MONTHLY, series=2, count=130, seed=12)


class Harvest:
    """Calls, people and prices of a test."""

    def __init__(self, api: Api, prices: Market, clock: FakeClock) -> None:
        self.api = api
        self.market = prices
        self.clock = clock
        self.forecasts: Any = ai_pb2_grpc.ForecastServiceStub(api.channel)
        self.models: Any = models_pb2_grpc.ModelServiceStub(api.channel)
        self.inbox: Any = notifications_pb2_grpc.NotificationServiceStub(api.channel)

    @property
    def database(self) -> Any:
        return self.api.application.base.database

    async def admin(self) -> SignedIn:
        return await with_role(self.api, "ADMIN")

    async def again(self, person: SignedIn) -> SignedIn:
        """Signs somebody in again: tokens don't live as long as forecasts."""
        return SignedIn(person.user, await self.api.log_in(person.user.email))

    async def settle(self) -> None:
        """Does all background work that is due."""
        await self.api.application.jobs.settle()

    async def pass_minutes(self, minutes: float) -> None:
        """Moves the clock, and does what has become due."""
        self.clock.move(minutes * 60)
        await self.settle()

    async def retrain(self, admin: SignedIn, **given: Any) -> Any:
        """Asks for a training run."""
        request = models_pb2.RetrainModelRequest(**{"reason": "A test of it.", **given})
        reply = await self.models.RetrainModel(request, metadata=admin.metadata)
        return reply.run

    async def run(self, admin: SignedIn, run_id: str) -> Any:
        request = models_pb2.GetTrainingRunRequest(run_id=run_id)
        return (await self.models.GetTrainingRun(request, metadata=admin.metadata)).run

    async def listed(self, person: SignedIn, **given: Any) -> list[Any]:
        request = models_pb2.ListModelsRequest(**given)
        return list((await self.models.ListModels(request, metadata=person.metadata)).models)

    async def forecast(self, person: SignedIn, symbol: str = SYMBOL, **given: Any) -> Any:
        request = ai_pb2.GetForecastRequest(symbol=symbol, **given)
        return (await self.forecasts.GetForecast(request, metadata=person.metadata)).forecast

    async def told(self, person: SignedIn, type_: str, count: int) -> list[Any]:
        """Waits until somebody was told so many things of a type."""
        request = notifications_pb2.ListNotificationsRequest(types=[type_])
        async with asyncio.timeout(20):
            while True:
                reply = await self.inbox.ListNotifications(request, metadata=person.metadata)
                if len(reply.notifications) >= count:
                    return list(reply.notifications)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(
    settings: Settings, prices: Market, clock: FakeClock, *, people_count: int = 0
) -> AsyncIterator[Harvest]:
    """Runs a process for the length of a block; so many people are known in it already."""
    accounts = FakeAccounts({bytes([number]): number for number in range(people_count)})

    def parts(base: Base) -> Sequence[Part]:
        people = users.open_users(base)
        return [
            users.part(base, people),
            auth.part(base, accounts, people.wallets),
            notifications.part(base),
            ai.part(base, prices),
            jobs.work(base),
        ]

    application = wire.build(settings, clock=clock, parts=parts)
    async with running(application) as api:
        api._people_count = people_count
        yield Harvest(api, prices, clock)


def trained(folder: Path, make_settings: Callable[..., Settings]) -> Path:
    """Returns the data folder of a process that has models and forecasts of both frequencies."""

    async def train() -> None:
        clock = FakeClock()
        settings = make_settings(data_dir=folder, jobs_in_process=True)
        async with opened(settings, market(), clock) as harvest:
            admin = await harvest.admin()
            run = await harvest.retrain(admin)
            await harvest.settle()
            done = await harvest.run(admin, run.run_id)
            assert done.state == models_pb2.TRAINING_RUN_STATE_SUCCEEDED, done

    asyncio.run(train())
    return folder


def copied(source: Path, target: Path) -> Path:
    """Returns a folder with the databases and secrets of another."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("journal*", "training"))
    return target
