"""Values kept for a while: in this process, and where there is Redis, between processes too.

A value is looked up in this process, then in what processes share, then made; callers who ask at
once for the same wait for one making. What changes is forgotten at once here and, by the bus, in
the other processes; a time to live bounds how old a value may be when such a message is lost.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from farmgate.ports.bus import Bus
from farmgate.telemetry.logs import logger

T = TypeVar("T")

_log = logger(__name__)
_ENTRIES_MAX: Final = 10_000
_BYTES_MAX: Final = 32 * 1024 * 1024
_TOPIC: Final = "cache"
# A shared level that does not answer is left alone for so long.
_OPEN_S: Final = 1.0
_PATIENCE_S: Final = 0.25


class Codec(NamedTuple, Generic[T]):
    """How a value becomes bytes and is made of them again."""

    dumps: Callable[[T], bytes]
    loads: Callable[[bytes], T]


class Found(NamedTuple):
    """What the shared level has of an entry.

    Attributes:
        data: The value, or None.
        left_s: Seconds it has left to live.
        version: What it was looked up under; a value made now is put under the same.
    """

    data: bytes | None
    left_s: float
    version: str


class SharedError(Exception):
    """The shared level does not answer."""


class Shared(Protocol):
    """The level that processes share."""

    async def get(self, name: str, key: str) -> Found:
        """Returns an entry.

        Raises:
            SharedError: It does not answer.
        """

    async def put(self, name: str, key: str, data: bytes, *, version: str, ttl_s: float) -> None:
        """Keeps an entry, unless it was forgotten since it was looked up under this version.

        Raises:
            SharedError: It does not answer.
        """

    async def forget(self, name: str, key: str | None) -> None:
        """Forgets an entry, or all of a cache.

        Raises:
            SharedError: It does not answer.
        """

    async def stop(self) -> None:
        """Gives back what it holds."""


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    size: int
    until_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A cache at a glance."""

    name: str
    entries: int
    size_bytes: int
    hits: int
    shared_hits: int
    misses: int
    ttl_s: int


class Cache(Generic[T]):
    """Values of one kind by their keys.

    Args:
        name: Name for operators.
        ttl_s: How long a value may be used.
        codec: Makes bytes of values.
        level: The shared level, and how its answers are waited for.
        monotonic: Tells seconds.
        tell: Tells the other processes what was forgotten.
    """

    def __init__(
        self, name: str, ttl_s: int, codec: Codec[T], level: "Level | None",
        monotonic: Callable[[], float], tell: Callable[[str, str | None], None],
    ) -> None:  # fmt: skip
        self.name = name
        self.ttl_s = ttl_s
        self._codec = codec
        self._level = level
        self._monotonic = monotonic
        self._tell = tell
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._size = 0
        # Makings under way. One that was taken out of here was overtaken by a change.
        self._flights: dict[str, asyncio.Task[T]] = {}
        self._hits = self._shared_hits = self._misses = 0
        self._forgetting: set[asyncio.Task[None]] = set()

    async def get(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """Returns the value of a key, made now when it is not known.

        Raises:
            Exception: Whatever `make` raises; nothing is kept then.
        """
        entry = self._entries.get(key)
        if entry is not None and entry.until_s > self._monotonic():
            self._entries.move_to_end(key)
            self._hits += 1
            return entry.value
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fetch(key, make))
            flight.add_done_callback(lambda done: self._landed(key, done))
        else:
            self._hits += 1
        # A caller who leaves does not take the value away from those who wait with it.
        return await asyncio.shield(flight)

    def forget(self, key: str | None = None) -> int:
        """Forgets an entry, or all, here and elsewhere; returns how many were here."""
        count = self.drop(key)
        if self._level is None:
            self._tell(self.name, key)
        else:
            task = asyncio.get_running_loop().create_task(self._forget_shared(self._level, key))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)
        return count

    def drop(self, key: str | None = None) -> int:
        """Forgets an entry, or all, in this process; returns how many there were."""
        if key is not None:
            self._flights.pop(key, None)
            return int(self._remove(key))
        count = len(self._entries)
        self._flights.clear()
        self._entries.clear()
        self._size = 0
        return count

    def count(self, key: str | None = None) -> int:
        """Returns how many entries are here."""
        return len(self._entries) if key is None else int(key in self._entries)

    def figures(self) -> Figures:
        """Returns the cache at a glance."""
        return Figures(
            self.name, len(self._entries), self._size, self._hits, self._shared_hits,
            self._misses, self.ttl_s,
        )  # fmt: skip

    async def settled(self) -> None:
        """Waits until what was forgotten here is forgotten in the shared level."""
        await asyncio.gather(*self._forgetting)

    async def _fetch(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        # While a change is on its way to the shared level, that one may have an old value.
        level = None if self._forgetting else self._level
        found = await level.get(self.name, key) if level else None
        if found is not None and found.data is not None:
            value = self._decoded(found.data)
            if value is not None:
                self._shared_hits += 1
                self._keep(key, value[0], len(found.data), found.left_s)
                return value[0]
        self._misses += 1
        made = await make()
        data = self._codec.dumps(made)
        is_current = self._keep(key, made, len(data), self.ttl_s)
        if level and found and is_current:
            await level.put(self.name, key, data, version=found.version, ttl_s=self.ttl_s)
        return made

    def _decoded(self, data: bytes) -> tuple[T] | None:
        try:
            return (self._codec.loads(data),)
        except Exception as error:  # noqa: BLE001 - Another version of this program wrote it.
            _log.warning("cached value not understood", cache=self.name, exc_info=error)
            return None

    def _keep(self, key: str, value: T, size: int, ttl_s: float) -> bool:
        """Keeps a value unless it was overtaken by a change; returns whether it was kept."""
        if self._flights.get(key) is not asyncio.current_task():
            return False
        self._remove(key)
        self._entries[key] = _Entry(value, size, self._monotonic() + ttl_s)
        self._size += size
        while len(self._entries) > _ENTRIES_MAX or self._size > _BYTES_MAX:
            self._remove(next(iter(self._entries)))
        return True

    def _remove(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._size -= entry.size
        return True

    def _landed(self, key: str, flight: "asyncio.Task[T]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            # Whoever waited has it too; without this a failure nobody waited for is reported.
            flight.exception()

    async def _forget_shared(self, level: "Level", key: str | None) -> None:
        # First the shared level: whoever hears of the change must not find the old value there.
        await level.forget(self.name, key)
        self._tell(self.name, key)


class Level:
    """The shared level, done without while it does not answer.

    Args:
        shared: The level.
        monotonic: Tells seconds.
    """

    def __init__(self, shared: Shared, monotonic: Callable[[], float]) -> None:
        self._shared = shared
        self._monotonic = monotonic
        self._closed_until_s = 0.0
        self._is_away = False
        # Caches of which something could not be forgotten: all of it is, before the next answer.
        self._owed: set[str] = set()

    async def get(self, name: str, key: str) -> Found | None:
        """Returns an entry; None when the level does not answer."""
        if name in self._owed:
            if not await self._ask(self._shared.forget(name, None)):
                return None
            self._owed.discard(name)
        answer = await self._ask(self._shared.get(name, key))
        return answer[0] if answer else None

    async def put(self, name: str, key: str, data: bytes, *, version: str, ttl_s: float) -> None:
        """Keeps an entry, if the level answers."""
        await self._ask(self._shared.put(name, key, data, version=version, ttl_s=ttl_s))

    async def forget(self, name: str, key: str | None) -> None:
        """Forgets an entry or all of a cache, at the latest before the next answer."""
        if not await self._ask(self._shared.forget(name, key)):
            self._owed.add(name)

    async def stop(self) -> None:
        """Gives back what it holds."""
        await self._shared.stop()

    async def _ask(self, answer: Awaitable[T]) -> tuple[T] | None:
        now = self._monotonic()
        if self._is_away and now < self._closed_until_s:
            _discard(answer)
            return None
        self._closed_until_s = now + _OPEN_S
        try:
            async with asyncio.timeout(_PATIENCE_S):
                value = await answer
        except (TimeoutError, SharedError) as error:
            if not self._is_away:
                _log.warning("shared cache away", reason=str(error) or "no answer")
            self._is_away = True
            return None
        self._is_away = False
        return (value,)


def _discard(answer: Awaitable[object]) -> None:
    close: Callable[[], None] | None = getattr(answer, "close", None)
    if close is not None:
        close()


class Caches:
    """All caches of a process.

    Args:
        monotonic: Tells seconds.
        bus: Carries what was forgotten to the other processes.
        shared: The level that processes share; None when there is none.
    """

    def __init__(
        self, monotonic: Callable[[], float], bus: Bus, shared: Shared | None = None
    ) -> None:
        self._monotonic = monotonic
        self._bus = bus
        self._level = Level(shared, monotonic) if shared else None
        self._by_name: dict[str, Cache[Any]] = {}
        self._warmers: list[Callable[[], Awaitable[object]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_telling = False
        bus.listen(_TOPIC, self._heard, missed=self._missed)

    @property
    def is_shared(self) -> bool:
        """Returns whether processes share a second level."""
        return self._level is not None

    def define(self, name: str, ttl_s: int, codec: Codec[T]) -> Cache[T]:
        """Returns a new cache."""
        assert name not in self._by_name, "A cache is defined once."
        made = Cache(name, ttl_s, codec, self._level, self._monotonic, self._tell)
        self._by_name[name] = made
        return made

    def named(self, name: str) -> Cache[Any] | None:
        """Returns a cache by its name."""
        return self._by_name.get(name)

    def figures(self) -> Sequence[Figures]:
        """Returns the caches, by name."""
        return [self._by_name[name].figures() for name in sorted(self._by_name)]

    def warm_by(self, work: Callable[[], Awaitable[object]]) -> None:
        """Has something looked up when the process starts, before anybody asks for it."""
        self._warmers.append(work)

    def changed(self, name: str, key: str | None) -> None:
        """Forgets what a committed transaction has changed. Called on any thread."""
        cache = self._by_name[name]
        if self._loop is None:
            # Nobody has asked yet, so nothing is known.
            return
        try:
            self._loop.call_soon_threadsafe(cache.forget, key)
        except RuntimeError:
            # The process ends.
            _log.debug("change not told", cache=name)

    async def start(self) -> None:
        """Looks up what is asked for first."""
        self._loop = asyncio.get_running_loop()
        for warm in self._warmers:
            try:
                await warm()
            except Exception as error:  # noqa: BLE001 - A cold cache is slow, not wrong.
                _log.warning("cache not warmed", exc_info=error)

    async def stop(self) -> None:
        """Waits for what is on its way to the shared level."""
        for cache in self._by_name.values():
            await cache.settled()
        if self._level:
            await self._level.stop()

    def _tell(self, name: str, key: str | None) -> None:
        self._is_telling = True
        self._bus.publish(_TOPIC, name.encode() if key is None else f"{name}\0{key}".encode())
        self._is_telling = False

    def _heard(self, message: bytes) -> None:
        if self._is_telling:
            # The bus gives a process its own messages at once, and here it is forgotten already.
            return
        name, has_key, key = message.decode().partition("\0")
        cache = self._by_name.get(name)
        if cache is not None:
            cache.drop(key if has_key else None)

    def _missed(self) -> None:
        for cache in self._by_name.values():
            cache.drop()
