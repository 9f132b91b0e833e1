"""Limits that all processes share, counted in Redis."""

from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from farmgate.ports.limiter import LimiterError, Quota
from farmgate.telemetry.logs import logger

_log = logger(__name__)
_TIMEOUT_S: Final = 0.5
_CONNECTIONS_MAX: Final = 64
# When a bucket will be full again, as `Buckets` keeps it, in microseconds of Redis's clock: one
# clock for all processes. Redis runs a script as one step.
_SPEND: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + tonumber(ARGV[1])
local over = full - now - tonumber(ARGV[2])
if over > 0 then
  return math.ceil(over / 1000)
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return 0
"""


class RedisLimiter:
    """Counts in Redis.

    Args:
        address: Such as `redis://host:6379/0`.
        prefix: What its keys begin with.
    """

    def __init__(self, address: str, *, prefix: str = "farmgate:limit") -> None:
        self._client: Redis = Redis.from_url(
            address,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            max_connections=_CONNECTIONS_MAX,
            # Whoever asks does without the answer sooner than a second attempt would take.
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = prefix
        self._script = self._client.register_script(_SPEND)

    async def spend(self, quota: Quota, key: str) -> int:
        """Counts once; returns 0, or the milliseconds to wait.

        Raises:
            LimiterError: Redis does not answer.
        """
        interval_us = quota.period_s * 1_000_000 / quota.count
        try:
            wait_ms = await self._script(
                keys=[f"{self._prefix}:{quota.name}:{quota.count}:{key}"],
                args=[f"{interval_us:.0f}", f"{quota.period_s * 1_000_000:.0f}"],
            )
        except (RedisError, OSError) as error:
            raise LimiterError(type(error).__name__) from error
        return int(wait_ms)

    async def start(self) -> None:
        """Makes a connection; without one, each process counts for itself."""
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            _log.warning("Redis away", reason=type(error).__name__)

    async def ping(self) -> str:
        """Returns what is worth telling of a Redis that answers; raises what its client does."""
        await self._client.ping()
        return "answers"

    async def stop(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
