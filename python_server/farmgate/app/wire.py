"""Builds every object of the process once, in order.

A module joins the exchange in `_parts`, by its file in `parts`: it brings its servicers, whose
RAW_METHODS take and give bytes, the components that start and stop with the process, and what its
health depends on.
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from typing import Final

from farmgate.app.foundation import open_base
from farmgate.app.lifecycle import Component, Components
from farmgate.app.parts import (
    admin,
    auth,
    blockchain,
    contracts,
    core,
    jobs,
    market,
    notifications,
    trading,
    users,
)
from farmgate.app.parts.base import Base, Part
from farmgate.app.schema import Schema
from farmgate.app.seeding.ground import Ground
from farmgate.app.seeding.runner import Seeding
from farmgate.app.server import GrpcServer
from farmgate.app.settings import Settings
from farmgate.auth.facade import (
    Accounts,
)
from farmgate.db.engine import Database, ping
from farmgate.health.facade import Check, Health
from farmgate.health.service import HealthService
from farmgate.jobs.execution import Execution
from farmgate.jobs.in_process import InProcess
from farmgate.jobs.periodic import Periodic
from farmgate.ports.clock import Clock, SystemClock
from farmgate.rpc.addresses import Addresses
from farmgate.rpc.idempotency import Idempotency
from farmgate.rpc.interceptors import Collaborators
from farmgate.rpc.limits import Limits, Rates
from farmgate.rpc.registry import Router, Servicer
from farmgate.rpc.shapes import Shapes
from farmgate.telemetry.metrics import MetricsServer, RpcMetrics

_REPLIES_PURGE_INTERVAL_S: Final = 600.0
_GRANTS_SWEEP_INTERVAL_S: Final = 60.0


class Application:
    """The process, built and not yet running.

    Args:
        base: What the modules build on.
        router: Answers the calls of the API.
        servicers: What it asks.
        server: Listens.
        components: Everything that starts and stops, the server last.
        jobs: Runs the jobs of this process.
    """

    def __init__(
        self, base: Base, router: Router, servicers: Sequence[Servicer], server: GrpcServer,
        components: Sequence[Component], jobs: InProcess,
    ) -> None:  # fmt: skip
        self.base = base
        self.jobs = jobs
        self.router = router
        self.servicers = servicers
        self._server = server
        self._components = Components(components)

    @property
    def settings(self) -> Settings:
        """Returns the settings."""
        return self.base.settings

    @property
    def grpc_port(self) -> int:
        """Returns the gRPC port in use."""
        return self._server.port

    async def start(self) -> None:
        """Starts everything; when it returns, calls are answered."""
        await self._components.start()

    async def stop(self) -> None:
        """Stops everything, the server first."""
        await self._components.stop()


def build(
    settings: Settings,
    *,
    accounts: Accounts | None = None,
    clock: Clock | None = None,
    parts: Callable[[Base], Sequence[Part]] | None = None,
) -> Application:
    """Returns the process of these settings.

    Args:
        settings: The settings.
        accounts: Opens trading accounts; the matching core of this process when None.
        clock: Tells the time; the machine's clock when None.
        parts: Makes other modules than the exchange's, for a test that tries some by themselves.

    Raises:
        SettingsError: A key is not usable, or the journal is damaged or held by another process.
        DescriptorError: The API's descriptors and the servicers do not fit.
    """
    base = open_base(settings, clock or SystemClock())
    made = parts(base) if parts else _parts(base, accounts)
    checks = [Check("database", is_required=True, probe=_database_probe(base.database))]
    checks += [check for part in made for check in part.checks]
    health = Health(
        checks,
        mode="production" if settings.is_production else "embedded",
        version=_version(),
        clock=base.clock,
    )
    servicers = [servicer for part in made for servicer in part.servicers]
    servicers.append(HealthService(health))
    idempotency = Idempotency(base.database, base.clock, base.ids, key=base.secrets.key)
    chain = _chain(base, idempotency)
    router = Router(servicers, chain)
    services = {servicer.SERVICE.full_name for servicer in servicers}
    server = GrpcServer(settings, router, chain.shapes, health, services)
    components: list[Component] = [
        Schema(base.database, may_upgrade=not settings.is_production),
        MetricsServer(base.metrics, host=settings.metrics_host, port=settings.metrics_port),
        Periodic("replies", _REPLIES_PURGE_INTERVAL_S, idempotency.purge),
    ]
    components += [component for part in made for component in part.components]
    runner = _runner(base, made)
    components += [runner, server]
    return Application(base, router, servicers, server, components, runner)


def _runner(base: Base, parts: Sequence[Part]) -> InProcess:
    """Returns what runs the jobs that need the core, or all of them when there is no worker."""
    has_all = base.settings.jobs_in_process
    bound = [job for part in parts for job in part.jobs if has_all or job.kind.queue.needs_core]
    schedules = [one for part in parts for one in part.schedules] if has_all else []
    execution = Execution(base.database, base.clock, bound, "serve")
    return InProcess(base.database, base.clock, execution, base.jobs, schedules)


def _parts(base: Base, accounts: Accounts | None) -> list[Part]:
    """Returns the modules, each below those that use it."""
    matching = core.open_matching(base.settings)
    chain = blockchain.open_chain(base)
    history, history_database = trading.open_history(base)
    people = users.open_users(base)
    levels = trading.open_levels(base, matching, people.kyc)
    parts = [
        core.part(matching),
        users.part(base, people),
        auth.part(base, accounts or levels, people.wallets),
        market.part(base, matching),
        users.goods(base, matching, market.unit_of),
        trading.part(base, matching, history, history_database, people),
        blockchain.part(base, chain),
        contracts.part(base, matching, chain, people),
        notifications.part(base, chain),
        admin.part(base, matching, history, [contracts.count], levels.run),
        jobs.work(base),
    ]
    if base.settings.demo:
        parts.append(Part(components=[Seeding(Ground(base, matching))]))
    parts.append(trading.keep_levels(levels))
    return parts


def _chain(base: Base, idempotency: Idempotency) -> Collaborators:
    settings = base.settings
    rates = Rates(
        user_per_min=settings.rate_user_per_min,
        ip_per_min=settings.rate_ip_per_min,
        orders_per_s=settings.rate_orders_per_s,
        streams_per_user=settings.rate_streams_per_user,
    )
    metrics = RpcMetrics()
    base.metrics.register(metrics)
    return Collaborators(
        grants=base.grants,
        limits=Limits(rates, base.clock),
        shapes=Shapes(idempotency),
        metrics=metrics,
        addresses=Addresses(settings.trusted_proxies, hops=settings.trusted_proxy_hops),
        clock=base.clock,
    )


def _database_probe(database: Database) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        await database.read(ping)
        return "SQLite" if database.is_sqlite else "PostgreSQL"

    return probe


def _version() -> str:
    try:
        return metadata.version("farmgate")
    except metadata.PackageNotFoundError:
        # Run from the source tree, where nothing was installed.
        return "unreleased"
