"""The level of caches that processes share, in Redis."""

import secrets
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from farmgate.ports.cache import Found, SharedError

_TIMEOUT_S: Final = 0.5
_CONNECTIONS_MAX: Final = 64
# Longer than it takes to make a value: one that was begun before the change is not kept.
_FORGOTTEN_MS: Final = 5_000
_MS: Final = 1_000
# Entries lie under their cache's version, a random word. To forget them all the word is changed;
# values that are still being made are then put where nobody looks.
_GET: Final = """
local version = redis.call('GET', KEYS[1])
if not version then
  version = ARGV[2]
  redis.call('SET', KEYS[1], version)
end
local entry = KEYS[1] .. ':' .. version .. ':' .. ARGV[1]
return {version, redis.call('GET', entry), redis.call('PTTL', entry)}
"""
# An empty entry keeps values from being put that were looked up before it.
_FORGET: Final = """
local version = redis.call('GET', KEYS[1])
if version then
  redis.call('SET', KEYS[1] .. ':' .. version .. ':' .. ARGV[1], '', 'PX', ARGV[2])
end
return 0
"""


class RedisCache:
    """Keeps entries in Redis.

    Args:
        address: Such as `redis://host:6379/0`.
        prefix: What its keys begin with.
    """

    def __init__(self, address: str, *, prefix: str = "farmgate:cache") -> None:
        self._client: Redis = Redis.from_url(
            address, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S,
            max_connections=_CONNECTIONS_MAX, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self._prefix = prefix
        self._get = self._client.register_script(_GET)
        self._forget = self._client.register_script(_FORGET)

    async def get(self, name: str, key: str) -> Found:
        """Returns an entry.

        Raises:
            SharedError: Redis does not answer.
        """
        version, data, left_ms = await _asked(
            self._get(keys=[self._key(name)], args=[key, secrets.token_hex(8)])
        )
        return Found(data or None, max(0, left_ms) / _MS, version.decode())

    async def put(self, name: str, key: str, data: bytes, *, version: str, ttl_s: float) -> None:
        """Keeps an entry, unless it was forgotten since it was looked up.

        Raises:
            SharedError: Redis does not answer.
        """
        entry = f"{self._key(name)}:{version}:{key}"
        await _asked(self._client.set(entry, data, px=int(ttl_s * _MS), nx=True))

    async def forget(self, name: str, key: str | None) -> None:
        """Forgets an entry, or all of a cache.

        Raises:
            SharedError: Redis does not answer.
        """
        if key is None:
            await _asked(self._client.set(self._key(name), secrets.token_hex(8)))
        else:
            await _asked(self._forget(keys=[self._key(name)], args=[key, _FORGOTTEN_MS]))

    async def stop(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"


async def _asked(answer: Any) -> Any:  # The client's own types are those of all its commands.
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise SharedError(type(error).__name__) from error
