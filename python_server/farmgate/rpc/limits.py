"""Rate limits of this process: they hold without Redis."""

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import Final

from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.rpc.call import Call

# Callers remembered per limit. The oldest are forgotten, and start with a full bucket.
_BUCKETS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Rates:
    """How often callers may call.

    Attributes:
        user_per_min: Calls a signed-in user may make in a minute.
        ip_per_min: Calls an address may make in a minute without signing in.
        orders_per_s: Calls a user may make in a second of methods the core keeps.
        streams_per_user: Streams a user, or an address without one, may have open.
    """

    user_per_min: int
    ip_per_min: int
    orders_per_s: int
    streams_per_user: int


class Buckets:
    """Token buckets by name.

    Args:
        count: Calls that are let through in a period; also the largest burst.
        period_s: Length of the period.
        words: The limit as a refusal tells it.
    """

    __slots__ = ("_burst", "_full_at", "_interval_s", "_words")

    def __init__(self, count: int, period_s: float, words: str) -> None:
        assert count > 0
        self._interval_s = period_s / count
        self._burst = period_s
        self._words = words
        # When a bucket will be full again: one number says how full it is at any moment.
        self._full_at: dict[str, float] = {}

    def spend(self, name: str, now: float) -> None:
        """Takes one token.

        Raises:
            DomainError: RATE_LIMITED, with the time to wait.
        """
        full_at = self._full_at.get(name)
        if full_at is None:
            if len(self._full_at) >= _BUCKETS_MAX:
                self._drop(now)
            self._full_at[name] = now + self._interval_s
            return
        full_at = max(full_at, now) + self._interval_s
        if full_at - now > self._burst + 1e-9:
            wait_ms = max(1, ceil((full_at - now - self._burst) * 1000))
            refusal = DomainError("RATE_LIMITED", limit=self._words, retry_after_ms=wait_ms)
            raise refusal.retry_after(wait_ms)
        self._full_at[name] = full_at

    def _drop(self, now: float) -> None:
        kept = {name: at for name, at in self._full_at.items() if at > now}
        if len(kept) >= _BUCKETS_MAX:
            del kept[next(iter(kept))]
        self._full_at = kept


class Limits:
    """Every limit of the process."""

    def __init__(self, rates: Rates, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._users = Buckets(rates.user_per_min, 60, f"{rates.user_per_min} calls a minute")
        self._ips = Buckets(rates.ip_per_min, 60, f"{rates.ip_per_min} calls a minute")
        self._orders = Buckets(rates.orders_per_s, 1, f"{rates.orders_per_s} order calls a second")
        self._streams_max = rates.streams_per_user
        self._streams: Counter[str] = Counter()
        self._hourly: dict[str, Buckets] = {}

    def spend(self, call: Call) -> None:
        """Counts a call against every limit it falls under.

        Raises:
            DomainError: RATE_LIMITED.
        """
        now = self._monotonic()
        rule = call.method.rule
        if rule.calls_per_hour_per_ip:
            self._of_method(call).spend(call.ip, now)
        if call.grant is None:
            self._ips.spend(call.ip, now)
        elif rule.is_core_kept:
            self._orders.spend(call.grant.principal.user_id, now)
        else:
            self._users.spend(call.grant.principal.user_id, now)

    def open_stream(self, call: Call) -> str:
        """Counts an open stream; returns whose it is, for `close_stream`.

        Raises:
            DomainError: RATE_LIMITED.
        """
        owner = call.grant.principal.user_id if call.grant else call.ip
        if self._streams[owner] >= self._streams_max:
            limit = f"{self._streams_max} open streams"
            raise DomainError("RATE_LIMITED", limit=limit, retry_after_ms=1_000)
        self._streams[owner] += 1
        return owner

    def close_stream(self, owner: str) -> None:
        """Counts a stream as closed."""
        self._streams[owner] -= 1
        if not self._streams[owner]:
            del self._streams[owner]

    def _of_method(self, call: Call) -> Buckets:
        buckets = self._hourly.get(call.method.path)
        if buckets is None:
            count = call.method.rule.calls_per_hour_per_ip
            buckets = Buckets(count, 3_600, f"{count} calls an hour")
            self._hourly[call.method.path] = buckets
        return buckets
