"""Builds and runs the process that does background jobs."""

import asyncio
import signal
from collections.abc import Sequence

from farmgate.app.foundation import open_base
from farmgate.app.lifecycle import Component, Components
from farmgate.app.parts import accounts, admin, ai, contracts, jobs, market, statements
from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.prices import forecast_prices
from farmgate.app.parts.trading import open_history
from farmgate.app.process import observe
from farmgate.app.settings import Settings
from farmgate.jobs.execution import Execution
from farmgate.jobs.worker import Worker
from farmgate.ports.clock import SystemClock


def parts(base: Base) -> list[Part]:
    """Returns what the modules do in the background and need no core for.

    A module's file in `parts` has a function `work` that gives its jobs, its schedules and the
    components that they need; it is called here.
    """
    _, history = open_history(base)
    prices = forecast_prices(base.database, history)
    return [
        jobs.work(base),
        market.work(base),
        ai.work(base, prices),
        statements.work(),
        accounts.work(base, history),
        admin.work(),
        contracts.work(),
    ]


def run(settings: Settings) -> None:
    """Works until asked to go.

    Raises:
        SettingsError: The settings do not do here.
    """
    observe(settings)
    base = open_base(settings, SystemClock())
    with asyncio.Runner() as runner:
        runner.run(work(base, parts(base)))


async def work(base: Base, made: Sequence[Part]) -> None:
    """Works until SIGTERM or SIGINT comes."""
    asked_to_go = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_go.set)
    settings = base.settings
    bound = [job for part in made for job in part.jobs if not job.kind.queue.needs_core]
    worker = Worker(
        base.database,
        base.clock,
        Execution(base.database, base.clock, bound, settings.worker_name),
        base.jobs,
        [one for part in made for one in part.schedules],
        address=settings.jobs_address,
        name=settings.worker_name,
    )
    needed: list[Component] = [base.bus, *(one for part in made for one in part.components)]
    components = Components([*needed, base.caches, worker])
    await components.start()
    try:
        await asked_to_go.wait()
    finally:
        await components.stop()
        base.database.close()
