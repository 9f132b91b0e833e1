"""The bus between processes, by Redis's channels."""

import asyncio
import secrets
import time
from collections import deque
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from farmgate.ports.bus import LocalBus
from farmgate.telemetry.logs import logger

_log = logger(__name__)
_TIMEOUT_S: Final = 0.5
_START_S: Final = 1.0
# A quiet channel is asked for a sign of life, and given up when none comes.
_PING_AFTER_S: Final = 1.0
_LOST_AFTER_S: Final = 3.0
_RETRY_S: Final = 0.5
_CANCEL_S: Final = 0.1
# What waits to be sent; hints older than these have lost their use.
_WAITING_MAX: Final = 4_096
_ORIGIN_BYTES: Final = 8
# The topic of those who say that they could not tell something.
_GAP: Final = ""


class RedisBus(LocalBus):
    """Carries messages to the other processes of the exchange, while Redis is there.

    Args:
        address: Such as `redis://host:6379/0`.
        channel: Which channel.
    """

    def __init__(self, address: str, *, channel: str = "farmgate:bus") -> None:
        super().__init__()
        self._client: Redis = Redis.from_url(
            address, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self._channel = channel
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=_WAITING_MAX)
        self._is_waiting = asyncio.Event()
        self._owes_gap = False
        self._has_joined = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def publish(self, topic: str, message: bytes) -> None:
        """Tells this process at once, and the others soon."""
        super().publish(topic, message)
        if len(self._waiting) == _WAITING_MAX:
            self._owes_gap = True
        self._waiting.append((topic, message))
        self._is_waiting.set()

    @property
    def is_joined(self) -> bool:
        """Returns whether it hears the others now."""
        return self._has_joined.is_set()

    async def start(self) -> None:
        """Joins the others; when Redis is away, later."""
        self._tasks = [
            asyncio.create_task(self._again_and_again(self._hear), name="bus hears"),
            asyncio.create_task(self._again_and_again(self._tell), name="bus tells"),
        ]
        try:
            async with asyncio.timeout(_START_S):
                await self._has_joined.wait()
        except TimeoutError:
            _log.warning("Redis away", part="bus")

    async def stop(self) -> None:
        """Leaves."""
        # The client swallows a cancellation that meets a failure of its own.
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=_CANCEL_S)
        await self._client.aclose()

    async def _again_and_again(self, work: Any) -> None:
        is_told = False
        while True:
            started = time.monotonic()
            try:
                await work()
            except (RedisError, OSError, TimeoutError) as error:
                if not is_told or time.monotonic() - started > _LOST_AFTER_S:
                    _log.warning("bus broken off", reason=type(error).__name__)
                is_told = True
            await asyncio.sleep(_RETRY_S)

    async def _tell(self) -> None:
        while True:
            await self._is_waiting.wait()
            if self._owes_gap:
                await self._send(_GAP, b"")
                self._owes_gap = False
            while self._waiting:
                topic, message = self._waiting.popleft()
                try:
                    await self._send(topic, message)
                except BaseException:
                    self._owes_gap = True
                    raise
            self._is_waiting.clear()

    async def _send(self, topic: str, message: bytes) -> None:
        name = topic.encode()
        await self._client.publish(
            self._channel, self._origin + len(name).to_bytes(1, "big") + name + message
        )

    async def _hear(self) -> None:
        async with self._client.pubsub() as channel:
            await channel.subscribe(self._channel)
            try:
                await self._follow(channel)
            finally:
                self._has_joined.clear()

    async def _follow(self, channel: Any) -> None:  # The client's stubs lack it.
        heard_at = time.monotonic()
        while True:
            found = await channel.get_message(timeout=_PING_AFTER_S)
            now = time.monotonic()
            if found is None:
                if now - heard_at > _LOST_AFTER_S:
                    raise TimeoutError
                await channel.ping()
                continue
            heard_at = now
            if found["type"] == "subscribe":
                self._has_joined.set()
                # What was said before, nobody here has heard.
                self._tell_missed()
            elif found["type"] == "message":
                self._take(found["data"])

    def _take(self, data: bytes) -> None:
        if data[:_ORIGIN_BYTES] == self._origin:
            return
        end = _ORIGIN_BYTES + 1 + data[_ORIGIN_BYTES]
        topic = data[_ORIGIN_BYTES + 1 : end].decode()
        if topic == _GAP:
            self._tell_missed()
        else:
            self._deliver(topic, data[end:])
