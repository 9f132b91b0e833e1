"""Caches: in one process, and over Redis; what is kept, forgotten, and done without Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from conformance.test_bus import until
from farmgate.ports.bus import Bus, LocalBus
from farmgate.ports.bus_redis import RedisBus
from farmgate.ports.cache import Cache, Caches, Codec
from farmgate.ports.cache_redis import RedisCache
from farmgate.ports.clock import FakeClock
from redises import RedisServer
from redises import running as redis_running

TEXT = Codec[str](str.encode, bytes.decode)
TTL_S = 60


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@dataclass
class Source:
    """Where values come from: it counts, and can be made to wait or to fail."""

    value: str = "first"
    made_count: int = 0
    may_go: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.may_go.set()

    async def make(self) -> str:
        self.made_count += 1
        value = self.value
        await self.may_go.wait()
        if self.error:
            raise self.error
        return value


@dataclass
class Process:
    """What of a process matters here."""

    bus: Bus
    caches: Caches
    cache: Cache[str]


@dataclass
class Pair:
    """Two processes, or one that is both."""

    one: Process
    two: Process
    clock: FakeClock

    @property
    def is_one(self) -> bool:
        return self.one is self.two


def process(bus: Bus, clock: FakeClock, redis: RedisServer | None, prefix: str) -> Process:
    shared = RedisCache(redis.address, prefix=prefix) if redis else None
    caches = Caches(clock.monotonic, bus, shared)
    return Process(bus, caches, caches.define("texts", TTL_S, TEXT))


@pytest.fixture(params=["local", "redis"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    clock = FakeClock()
    if request.param == "local":
        only = process(LocalBus(), clock, None, "")
        yield Pair(only, only, clock)
        return
    server: RedisServer = request.getfixturevalue("redis")
    prefix = secrets.token_hex(4)
    one, two = (
        process(RedisBus(server.address, channel=prefix), clock, server, prefix) for _ in range(2)
    )
    for each in (one, two):
        await each.bus.start()
        await each.caches.start()
    yield Pair(one, two, clock)
    for each in (one, two):
        await each.caches.stop()
        await each.bus.stop()


async def test_a_value_is_made_once_for_its_time(pair: Pair) -> None:
    """OPS-070."""
    source = Source()
    for _ in range(3):
        assert await pair.one.cache.get("a", source.make) == "first"
    assert await pair.two.cache.get("a", source.make) == "first"
    assert source.made_count == 1, "Processes share what one has made."
    assert await pair.one.cache.get("b", source.make) == "first"
    assert source.made_count == 2
    figures = pair.one.caches.figures()[0]
    assert (figures.name, figures.entries, figures.size_bytes) == ("texts", 2, 10)
    assert figures.misses == 2
    assert figures.hits == (3 if pair.is_one else 2)
    assert pair.two.caches.figures()[0].shared_hits == (0 if pair.is_one else 1)
    assert pair.one.caches.is_shared == (not pair.is_one)


async def test_it_is_made_anew_when_its_time_is_over() -> None:
    """OPS-070."""
    clock, source = FakeClock(), Source()
    only = process(LocalBus(), clock, None, "")
    await only.cache.get("a", source.make)
    source.value = "second"
    clock.move(TTL_S - 1)
    assert await only.cache.get("a", source.make) == "first"
    clock.move(1)
    assert await only.cache.get("a", source.make) == "second"


async def test_those_who_ask_at_once_wait_for_one_making(pair: Pair) -> None:
    """OPS-071."""
    source = Source()
    source.may_go.clear()
    asking = [asyncio.create_task(pair.one.cache.get("a", source.make)) for _ in range(50)]
    await until(lambda: source.made_count > 0)
    # The first, who began it, leaves: the others get it all the same.
    asking[0].cancel()
    source.may_go.set()
    assert await asyncio.gather(*asking[1:]) == ["first"] * 49
    assert source.made_count == 1


async def test_a_failure_is_not_kept(pair: Pair) -> None:
    """OPS-071."""
    source = Source(error=ValueError("away"))
    asking = [pair.one.cache.get("a", source.make) for _ in range(5)]
    for failed in await asyncio.gather(*asking, return_exceptions=True):
        assert failed is source.error
    assert source.made_count == 1
    source.error = None
    assert await pair.one.cache.get("a", source.make) == "first"


async def test_what_changed_is_forgotten_everywhere(pair: Pair) -> None:
    """OPS-072."""
    source = Source()
    for each in (pair.one, pair.two):
        for key in ("a", "b"):
            await each.cache.get(key, source.make)
    source.value = "second"
    assert pair.one.cache.forget("a") == 1
    assert await pair.one.cache.get("a", source.make) == "second", "Here at once."
    await pair.one.cache.settled()
    await until(lambda: pair.two.cache.count("a") == (1 if pair.is_one else 0))
    assert await pair.two.cache.get("a", source.make) == "second"
    assert await pair.two.cache.get("b", source.make) == "first", "Others are kept."
    assert pair.one.cache.forget() == 2
    await until(lambda: pair.two.cache.count() == 0)
    assert await pair.two.cache.get("b", source.make) == "second"


@pytest.mark.parametrize("key", ["a", None])
async def test_a_change_overtakes_what_is_being_made(pair: Pair, key: str | None) -> None:
    """OPS-072."""
    source = Source()
    source.may_go.clear()
    early = asyncio.create_task(pair.one.cache.get("a", source.make))
    await until(lambda: source.made_count == 1)
    source.value = "second"
    pair.two.cache.forget(key)
    await pair.two.cache.settled()
    source.may_go.set()
    assert await early == "first", "It was asked before the change."
    if not pair.is_one:
        # Its own process may hear of it a moment later; what processes share is right at once.
        pair.one.cache.drop()
        pair.two.cache.drop()
    for each in (pair.two, pair.one):
        assert await each.cache.get("a", source.make) == "second"


async def test_memory_is_bounded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPS-070."""
    monkeypatch.setattr("farmgate.ports.cache._ENTRIES_MAX", 3)
    source = Source()
    for key in ("a", "b", "c", "a", "d"):
        await pair.one.cache.get(key, source.make)
    assert [pair.one.cache.count(key) for key in "abcd"] == [1, 0, 1, 1], "The least used goes."
    monkeypatch.setattr("farmgate.ports.cache._BYTES_MAX", 12)
    source.value = "twelve bytes"
    await pair.one.cache.get("e", source.make)
    assert pair.one.cache.count() == 1
    assert pair.one.caches.figures()[0].size_bytes == 12


async def test_it_is_warm_at_the_start() -> None:
    """OPS-073."""
    only = process(LocalBus(), FakeClock(), None, "")
    source = Source()

    async def fails() -> None:
        raise ValueError

    only.caches.warm_by(fails)
    only.caches.warm_by(lambda: only.cache.get("a", source.make))
    await only.caches.start()
    assert (source.made_count, only.cache.count("a")) == (1, 1)
    assert await only.cache.get("a", source.make) == "first"
    assert source.made_count == 1


async def test_it_does_without_redis(tmp_path_factory: pytest.TempPathFactory) -> None:
    """OPS-074: nobody waits for it for long, and what changed meanwhile is forgotten later."""
    with redis_running(tmp_path_factory.mktemp("redis")) as redis:
        clock, source, prefix = FakeClock(), Source(), secrets.token_hex(4)
        one, two = (
            process(RedisBus(redis.address, channel=prefix), clock, redis, prefix) for _ in range(2)
        )
        for each in (one, two):
            await each.bus.start()
            await each.caches.start()
        try:
            await one.cache.get("a", source.make)
            await two.cache.get("a", source.make)
            with redis.frozen():
                source.value = "second"
                one.cache.forget("a")
                async with asyncio.timeout(2):
                    await one.cache.settled()
                    assert await one.cache.get("a", source.make) == "second"
            # Redis is back with the old value in it.
            clock.move(2)
            await until(lambda: two.cache.count("a") == 0, within_s=20)
            one.cache.drop()
            assert await one.cache.get("a", source.make) == "second"
            assert await two.cache.get("a", source.make) == "second"
        finally:
            for each in (one, two):
                await each.caches.stop()
                await each.bus.stop()
