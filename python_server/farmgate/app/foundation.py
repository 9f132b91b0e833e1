"""Builds what the modules of a process build on."""

from typing import Final

from prometheus_client import CollectorRegistry

from farmgate.app.parts.base import Base
from farmgate.app.secrets import Secrets, load_secrets
from farmgate.app.settings import Settings, SettingsError
from farmgate.auth.facade import Authenticator, SigningKeyError, Tokens
from farmgate.db.engine import Database
from farmgate.jobs.queue import JobQueue
from farmgate.ports.bus import Bus, LocalBus
from farmgate.ports.bus_redis import RedisBus
from farmgate.ports.cache import Caches
from farmgate.ports.cache_redis import RedisCache
from farmgate.ports.clock import Clock
from farmgate.ports.ids import UlidSource
from farmgate.rpc.access import Grants
from farmgate.rpc.paging import Pager
from farmgate.telemetry.metrics import CacheMetrics
from farmgate.users.facade import Users

_FOLDER_MODE: Final = 0o700


def open_base(settings: Settings, clock: Clock) -> Base:
    """Returns what the modules build on."""
    settings.data_dir.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    secrets = load_secrets(settings)
    database = Database(settings.database_address, threads=settings.database_threads)
    users = Users()
    tokens = _tokens(settings, secrets, clock)
    ids = UlidSource(clock)
    redis = settings.redis_url.get_secret_value()
    bus: Bus = RedisBus(redis) if redis else LocalBus()
    caches = Caches(clock.monotonic, bus, RedisCache(redis) if redis else None)
    metrics = CollectorRegistry()
    metrics.register(CacheMetrics(caches.figures))
    return Base(
        settings=settings,
        secrets=secrets,
        clock=clock,
        ids=ids,
        database=database,
        pager=Pager(secrets.key),
        metrics=metrics,
        users=users,
        tokens=tokens,
        grants=Grants(
            Authenticator(database, users, tokens, clock, mfa_roles=settings.mfa_roles), clock
        ),
        jobs=JobQueue(clock, ids),
        bus=bus,
        caches=caches,
    )


def _tokens(settings: Settings, secrets: Secrets, clock: Clock) -> Tokens:
    try:
        return Tokens(
            secrets.signing_pem,
            secrets.previous_pem,
            issuer=settings.auth_issuer,
            audience=settings.auth_audience,
            access_ttl_s=settings.auth_access_ttl_s,
            clock=clock,
        )
    except SigningKeyError as error:
        raise SettingsError([f"The key that signs tokens: {error}"]) from error
