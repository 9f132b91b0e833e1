"""Limits of how often something may happen: in this process, or shared by all of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final, Protocol

from farmgate.telemetry.logs import logger

# Callers remembered per limit. The oldest are forgotten, and start with a full bucket.
_BUCKETS_MAX: Final = 100_000
# A call waits no longer for the shared limit, and the next second's calls not at all.
_PATIENCE_S: Final = 0.25
_OPEN_S: Final = 1.0
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Quota:
    """So many times a period, which is also the largest burst.

    Attributes:
        name: What is limited, such as "user"; it is part of the shared key.
        count: How many times.
        period_s: In how many seconds.
    """

    name: str
    count: int
    period_s: float


class Limiter(Protocol):
    """Counts against quotas."""

    async def spend(self, quota: Quota, key: str) -> int:
        """Counts once for a key; returns 0, or the milliseconds to wait when it is too often.

        Raises:
            LimiterError: The count can't be had now.
        """


class LimiterError(Exception):
    """A shared count can't be had now."""


class Buckets:
    """Token buckets by key, in this process.

    Args:
        quota: How often.
    """

    __slots__ = ("_burst_s", "_full_at", "_interval_s")

    def __init__(self, quota: Quota) -> None:
        assert quota.count > 0
        self._interval_s = quota.period_s / quota.count
        self._burst_s = quota.period_s
        # When a bucket will be full again: one number says how full it is at any moment.
        self._full_at: dict[str, float] = {}

    def spend(self, key: str, now: float) -> int:
        """Takes one token; returns 0, or the milliseconds to wait."""
        full_at = self._full_at.get(key)
        if full_at is None:
            if len(self._full_at) >= _BUCKETS_MAX:
                self._drop(now)
            self._full_at[key] = now + self._interval_s
            return 0
        full_at = max(full_at, now) + self._interval_s
        if full_at - now > self._burst_s + 1e-9:
            return max(1, ceil((full_at - now - self._burst_s) * 1_000))
        self._full_at[key] = full_at
        return 0

    def _drop(self, now: float) -> None:
        kept = {key: at for key, at in self._full_at.items() if at > now}
        if len(kept) >= _BUCKETS_MAX:
            del kept[next(iter(kept))]
        self._full_at = kept


class LocalLimiter:
    """Counts in this process.

    Args:
        monotonic: Tells seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[Quota, Buckets] = {}

    async def spend(self, quota: Quota, key: str) -> int:
        """Counts once; returns 0, or the milliseconds to wait."""
        return self.spend_now(quota, key)

    def spend_now(self, quota: Quota, key: str) -> int:
        """Counts once; returns 0, or the milliseconds to wait."""
        buckets = self._buckets.get(quota)
        if buckets is None:
            buckets = self._buckets[quota] = Buckets(quota)
        return buckets.spend(key, self._monotonic())


class Breaker:
    """Asks a shared limiter, and does without it while it does not answer.

    Whoever asks has counted in its own process before: without the shared count, that one holds.

    Args:
        shared: The shared limiter.
        monotonic: Tells seconds.
    """

    def __init__(self, shared: Limiter, monotonic: Callable[[], float]) -> None:
        self._shared = shared
        self._monotonic = monotonic
        self._is_open = False
        self._asked_at = 0.0

    async def spend(self, quota: Quota, key: str) -> int:
        """Counts once; returns 0, also when the count can't be had, or the milliseconds to wait."""
        now = self._monotonic()
        if self._is_open and now < self._asked_at + _OPEN_S:
            return 0
        # While it is open, one call a second asks; the others go on.
        self._asked_at = now
        try:
            async with asyncio.timeout(_PATIENCE_S):
                wait_ms = await self._shared.spend(quota, key)
        except (TimeoutError, LimiterError) as error:
            if not self._is_open:
                _log.warning("shared limits away", reason=str(error) or "no answer")
            self._is_open = True
            return 0
        self._is_open = False
        return wait_ms
