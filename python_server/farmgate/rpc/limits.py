"""Rate limits: of this process, which hold by themselves, and those shared by all processes."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.limiter import Limiter, LocalLimiter, Quota
from farmgate.rpc.call import Call

_HOUR_S: Final = 3_600
_WORDS: Final = {60: "calls a minute", 1: "order calls a second", _HOUR_S: "calls an hour"}


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


class Limits:
    """Every limit of the calls.

    Args:
        rates: How often.
        clock: Tells the time.
        shared: Counts for all processes together, after this one has; None when it is alone.
    """

    def __init__(self, rates: Rates, clock: Clock, shared: Limiter | None = None) -> None:
        self._local = LocalLimiter(clock.monotonic)
        self._shared = shared
        self._user = Quota("user", rates.user_per_min, 60)
        self._ip = Quota("ip", rates.ip_per_min, 60)
        self._orders = Quota("orders", rates.orders_per_s, 1)
        self._streams_max = rates.streams_per_user
        self._streams: Counter[str] = Counter()
        self._hourly: dict[str, Quota] = {}

    @property
    def is_shared(self) -> bool:
        """Returns whether other processes count too."""
        return self._shared is not None

    def spend(self, call: Call) -> None:
        """Counts a call in this process against every limit it falls under.

        Raises:
            DomainError: RATE_LIMITED.
        """
        for quota, key in self._counts(call):
            wait_ms = self._local.spend_now(quota, key)
            if wait_ms:
                raise _limited(quota, wait_ms)

    async def spend_shared(self, call: Call) -> None:
        """Counts a call for all processes together.

        Order calls are left out: one core decides on them, whose process counts them all.

        Raises:
            DomainError: RATE_LIMITED.
        """
        assert self._shared is not None, "Something is shared."
        for quota, key in self._counts(call):
            if quota is not self._orders:
                wait_ms = await self._shared.spend(quota, key)
                if wait_ms:
                    raise _limited(quota, wait_ms)

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

    def _counts(self, call: Call) -> list[tuple[Quota, str]]:
        rule = call.method.rule
        counts = []
        if rule.calls_per_hour_per_ip:
            counts.append((self._of_method(call), call.ip))
        if call.grant is None:
            counts.append((self._ip, call.ip))
        elif rule.is_core_kept:
            counts.append((self._orders, call.grant.principal.user_id))
        else:
            counts.append((self._user, call.grant.principal.user_id))
        return counts

    def _of_method(self, call: Call) -> Quota:
        path = call.method.path
        quota = self._hourly.get(path)
        if quota is None:
            quota = Quota(path, call.method.rule.calls_per_hour_per_ip, _HOUR_S)
            self._hourly[path] = quota
        return quota


def _limited(quota: Quota, wait_ms: int) -> DomainError:
    limit = f"{quota.count} {_WORDS[int(quota.period_s)]}"
    return DomainError("RATE_LIMITED", limit=limit, retry_after_ms=wait_ms).retry_after(wait_ms)
