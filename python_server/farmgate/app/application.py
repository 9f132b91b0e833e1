"""A process: its servicers behind the chain, what starts and stops with it, and its port."""

from collections.abc import Awaitable, Callable, Sequence
from importlib import metadata
from typing import Final

from farmgate.app.figures import HealthFigures
from farmgate.app.lifecycle import Component, Components
from farmgate.app.parts import machine
from farmgate.app.parts.base import Base, Part
from farmgate.app.schema import Schema
from farmgate.app.server import GrpcServer
from farmgate.app.settings import Settings
from farmgate.db.engine import Database, ping
from farmgate.health.facade import Check, Health
from farmgate.health.service import HealthService
from farmgate.jobs.execution import Execution
from farmgate.jobs.in_process import InProcess
from farmgate.jobs.periodic import Periodic
from farmgate.ports.limiter import Breaker, Limiter
from farmgate.ports.limiter_redis import RedisLimiter
from farmgate.rpc.addresses import Addresses
from farmgate.rpc.idempotency import Idempotency
from farmgate.rpc.interceptors import Collaborators
from farmgate.rpc.limits import Limits, Rates
from farmgate.rpc.registry import Router, Servicer
from farmgate.rpc.shapes import Shapes
from farmgate.telemetry.metrics import MetricsServer, RpcMetrics

_REPLIES_PURGE_INTERVAL_S: Final = 600.0


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


def assemble(base: Base, made: Sequence[Part]) -> Application:
    """Returns the process that these parts make.

    Raises:
        DescriptorError: The API's descriptors and the servicers do not fit.
    """
    settings = base.settings
    address = settings.redis_url.get_secret_value()
    shared = RedisLimiter(address) if address else None
    checks = [Check("database", is_required=True, probe=_database_probe(base.database))]
    # Without Redis each process counts limits for itself.
    checks += [Check("Redis", is_required=False, probe=shared.ping)] if shared else []
    checks += [check for part in made for check in part.checks]
    checks += machine.part(settings.data_dir).checks
    health = Health(
        checks,
        mode="production" if settings.is_production else "embedded",
        version=version(),
        clock=base.clock,
    )
    base.metrics.register(HealthFigures(health))
    servicers = [servicer for part in made for servicer in part.servicers]
    servicers.append(HealthService(health))
    idempotency = Idempotency(base.database, base.clock, base.ids, key=base.secrets.key)
    chain = _chain(base, idempotency, shared)
    router = Router(servicers, chain)
    services = {servicer.SERVICE.full_name for servicer in servicers}
    farewells = [farewell for part in made for farewell in part.farewells]
    server = GrpcServer(settings, router, chain.shapes, health, services, farewells)
    components: list[Component] = [
        Schema(base.database, may_upgrade=not settings.is_production),
        MetricsServer(base.metrics, host=settings.metrics_host, port=settings.metrics_port),
        Periodic("replies", _REPLIES_PURGE_INTERVAL_S, idempotency.purge),
    ]
    components += [shared] if shared else []
    components.append(base.bus)
    components += [component for part in made for component in part.components]
    # After what fills the tables, and before anybody asks.
    components.append(base.caches)
    runner = _runner(base, made)
    components += [runner, server]
    return Application(base, router, servicers, server, components, runner)


def _runner(base: Base, parts: Sequence[Part]) -> InProcess:
    """Returns what runs the jobs that need the core, or all of them when there is no worker."""
    has_all = base.settings.jobs_in_process
    bound = [job for part in parts for job in part.jobs if has_all or job.kind.queue.needs_core]
    schedules = [one for part in parts for one in part.schedules] if has_all else []
    settings = base.settings
    # Servers beside each other do not take up what another one is at.
    name = f"serve {settings.advertised_address}"[:64] if settings.shares_journal else "serve"
    execution = Execution(base.database, base.clock, bound, name)

    def may_work() -> bool:
        return all(part.may_work() for part in parts)

    return InProcess(base.database, base.clock, execution, base.jobs, schedules, may_work)


def _chain(base: Base, idempotency: Idempotency, shared: Limiter | None = None) -> Collaborators:
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
        limits=Limits(rates, base.clock, Breaker(shared, base.clock.monotonic) if shared else None),
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


def version() -> str:
    """Returns the version of Farmgate."""
    try:
        return metadata.version("farmgate")
    except metadata.PackageNotFoundError:
        # Run from the source tree, where nothing was installed.
        return "unreleased"
