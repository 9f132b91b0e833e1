"""The bus: what every one does, and what becomes of its messages when Redis is away."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from farmgate.ports.bus import MESSAGE_BYTES_MAX, Bus, LocalBus
from farmgate.ports.bus_redis import RedisBus
from redises import RedisServer
from redises import running as redis_running

Pair = tuple[Bus, Bus]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextlib.asynccontextmanager
async def joined(redis: RedisServer) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    channel = secrets.token_hex(4)
    one, two = (RedisBus(redis.address, channel=channel) for _ in range(2))
    await asyncio.gather(one.start(), two.start())
    yield one, two
    await asyncio.gather(one.stop(), two.stop())


@pytest.fixture(params=["local", "redis"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Two parts of the exchange: of one process, or two processes."""
    if request.param == "local":
        bus = LocalBus()
        await bus.start()
        yield bus, bus
        await bus.stop()
        return
    async with joined(request.getfixturevalue("redis")) as both:
        yield both


async def until(is_so: Callable[[], bool], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "It did not come about."
        await asyncio.sleep(0.01)


async def test_everybody_hears_once_and_in_order(pair: Pair) -> None:
    """OPS-075."""
    one, two = pair
    here: list[bytes] = []
    there: list[bytes] = []
    elsewhere: list[bytes] = []
    one.listen("prices", here.append)
    two.listen("prices", there.append)
    two.listen("letters", elsewhere.append)
    sent = [f"{number}".encode() for number in range(500)]
    for message in sent:
        one.publish("prices", message)
    assert here == sent, "Its own process hears at once."
    await until(lambda: len(there) >= len(sent))
    one.publish("letters", b"\0last\xff")
    await until(lambda: bool(elsewhere))
    assert (here, there, elsewhere) == (sent, sent, [b"\0last\xff"])


async def test_a_listener_that_fails_is_alone(pair: Pair) -> None:
    """OPS-075."""
    one, two = pair
    heard: list[bytes] = []

    def fails(_: bytes) -> None:
        raise ValueError

    two.listen("prices", fails)
    two.listen("prices", heard.append)
    one.publish("prices", b"1")
    one.publish("prices", b"2")
    await until(lambda: heard == [b"1", b"2"])


async def test_messages_are_short(pair: Pair) -> None:
    """OPS-075."""
    with pytest.raises(AssertionError):
        pair[0].publish("prices", b"x" * (MESSAGE_BYTES_MAX + 1))


@pytest.mark.parametrize("trouble", ["stopped", "frozen"])
async def test_who_may_have_missed_something_is_told(
    redis: RedisServer, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPS-076."""
    monkeypatch.setattr("farmgate.ports.bus_redis._PING_AFTER_S", 0.1)
    monkeypatch.setattr("farmgate.ports.bus_redis._LOST_AFTER_S", 0.5)
    async with joined(redis) as (one, two):
        await disturbed(redis, one, two, trouble)


async def disturbed(redis: RedisServer, one: RedisBus, two: RedisBus, trouble: str) -> None:
    heard: list[bytes] = []
    misses: list[float] = []
    two.listen("prices", heard.append, missed=lambda: misses.append(time.monotonic()))
    one.publish("prices", b"before")
    await until(lambda: heard == [b"before"])
    misses.clear()
    if trouble == "stopped":
        redis.stop()
        one.publish("prices", b"lost")
        # Nobody waits for Redis: publishing is a step in memory.
        assert heard == [b"before"]
        redis.start()
    else:
        with redis.frozen():
            started = time.monotonic()
            for _ in range(10_000):
                one.publish("prices", b"lost")
            assert time.monotonic() - started < 1
            # A connection that stays silent is given up.
            await until(lambda: not two.is_joined)
    await until(lambda: bool(misses), within_s=20)
    heard.clear()

    def is_back() -> bool:
        one.publish("prices", b"after")
        return b"after" in heard

    await until(is_back, within_s=20)


async def test_it_starts_without_redis(redis: RedisServer) -> None:
    """OPS-076."""
    redis.stop()
    bus = RedisBus(redis.address, channel=secrets.token_hex(4))
    heard: list[bytes] = []
    bus.listen("prices", heard.append)
    try:
        await bus.start()
        bus.publish("prices", b"here")
        assert heard == [b"here"], "Its own process needs no Redis."
    finally:
        await bus.stop()
        redis.start()
