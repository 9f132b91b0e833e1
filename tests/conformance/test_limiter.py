"""Limits: what every limiter does, and what becomes of calls when the shared one is away."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from farmgate.app import wire
from farmgate.ports.clock import FakeClock
from farmgate.ports.limiter import Breaker, Limiter, LimiterError, LocalLimiter, Quota
from farmgate.ports.limiter_redis import RedisLimiter
from redises import RedisServer
from redises import running as redis_running
from support import Api, refused, running

SLOW = Quota("slow", 10, 3_600)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["local", "redis"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    if request.param == "local":
        yield LocalLimiter(time.monotonic)
        return
    server: RedisServer = request.getfixturevalue("redis")
    made = RedisLimiter(server.address, prefix=secrets.token_hex(4))
    yield made
    await made.stop()


async def test_burst_is_the_count_and_no_more(limiter: Limiter) -> None:
    """AUT-019."""
    waits = [await limiter.spend(SLOW, "amara") for _ in range(12)]
    assert waits[:10] == [0] * 10
    # One comes free every 360 s.
    assert all(350_000 <= wait <= 360_000 for wait in waits[10:])
    assert await limiter.spend(SLOW, "jan") == 0, "Others have their own."
    assert await limiter.spend(Quota("other", 10, 3_600), "amara") == 0, "So have other limits."


async def test_calls_at_once_are_counted_each(limiter: Limiter) -> None:
    """AUT-019."""
    waits = await asyncio.gather(*[limiter.spend(SLOW, "all") for _ in range(60)])
    assert sum(wait == 0 for wait in waits) == 10


async def test_it_refills_with_time(limiter: Limiter) -> None:
    quick = Quota("quick", 4, 0.4)
    for _ in range(4):
        await limiter.spend(quick, "a")
    started = time.monotonic()
    while await limiter.spend(quick, "a"):
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.01)
    assert time.monotonic() - started < 2


async def test_processes_share_one_count(redis: RedisServer) -> None:
    """AUT-033."""
    one = RedisLimiter(redis.address, prefix="shared")
    two = RedisLimiter(redis.address, prefix="shared")
    waits = [await which.spend(SLOW, "a") for _ in range(8) for which in (one, two)]
    assert sum(wait == 0 for wait in waits) == 10
    await one.stop()
    await two.stop()


class Broken:
    """A shared limiter that fails."""

    def __init__(self) -> None:
        self.asked_count = 0

    async def spend(self, quota: Quota, key: str) -> int:
        self.asked_count += 1
        raise LimiterError("gone")


async def test_breaker_leaves_alone_what_is_away() -> None:
    """AUT-033."""
    clock, broken = FakeClock(), Broken()
    breaker = Breaker(broken, clock.monotonic)
    clock.move(1)
    for _ in range(100):
        assert await breaker.spend(SLOW, "a") == 0
    assert broken.asked_count == 1
    clock.move(1)
    for _ in range(100):
        await breaker.spend(SLOW, "a")
    assert broken.asked_count == 2


@pytest.fixture
async def pair(make_settings, accounts, redis, tmp_path) -> AsyncIterator[tuple[Api, Api]]:
    """Two processes' worth of servers over one database and one Redis."""
    given = {
        "redis_url": redis.address,
        "rate_user_per_min": 20,
        "database_url": f"sqlite:///{tmp_path / 'shared.db'}",
    }
    first = wire.build(make_settings(**given), accounts=accounts)
    second = wire.build(make_settings(**given, data_dir=tmp_path / "second"), accounts=accounts)
    async with running(first) as one, running(second) as two:
        yield one, two


async def passed(api: Api, token: str, count: int) -> int:
    """Returns how many of so many calls were let through."""
    let_through = 0
    for _ in range(count):
        try:
            await api.me(token)
        except Exception as error:  # noqa: BLE001 - Judged at once.
            refusal = await refused(_raise(error))
            assert refusal.reason == "RATE_LIMITED"
        else:
            let_through += 1
    return let_through


async def _raise(error: Exception) -> None:
    raise error


async def test_a_user_is_limited_over_all_servers(pair: tuple[Api, Api]) -> None:
    """AUT-033."""
    one, two = pair
    token = (await one.person()).tokens.access_token
    let_through = await passed(one, token, 15) + await passed(two, token, 15)
    # A token comes free every 3 s: a slow machine may see one or two.
    assert 20 <= let_through <= 22


async def test_limits_hold_without_redis(pair: tuple[Api, Api], redis: RedisServer) -> None:
    """AUT-033."""
    one, two = pair
    person = await one.person()
    token = person.tokens.access_token
    with redis.frozen():
        started = time.monotonic()
        # Each server goes on by its own count; nobody waits for Redis again and again.
        assert 20 <= await passed(one, token, 25) <= 22
        assert time.monotonic() - started < 5
    redis.stop()
    try:
        assert 20 <= await passed(two, token, 25) <= 22
    finally:
        redis.start()
