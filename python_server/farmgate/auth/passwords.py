"""Passwords: Argon2id in a bounded pool of threads."""

import asyncio
import os
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from passlib.hash import argon2

from farmgate.errors import DomainError

T = TypeVar("T")

# OWASP's least: 19 MiB, two passes, one lane. More memory took seconds when many sign in at once.
_HASHER: Final = argon2.using(type="ID", memory_cost=19_456, rounds=2, parallelism=1)
_IN_FLIGHT_PER_CORE: Final = 2
# Waiting for one of them takes 40 ms at worst per place in the queue: beyond it, refuse.
_QUEUE_MAX: Final = 32
_RETRY_AFTER_MS: Final = 1_000


class Passwords:
    """Hashes and checks passwords, off the event loop, so many at once and no more."""

    def __init__(self) -> None:
        self._threads = _IN_FLIGHT_PER_CORE * (os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="argon2")
        self._under_way_count = 0
        # Checked when nobody has the address: a guesser can't tell by the time it takes.
        self._nobodys_hash: str = _HASHER.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """Returns the salted hash of a password.

        Raises:
            DomainError: RATE_LIMITED when too many wait.
        """
        return await self._submit(lambda: str(_HASHER.hash(_normal(password))))

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Returns whether the password is the one that was hashed; takes as long without a hash.

        Raises:
            DomainError: RATE_LIMITED when too many wait.
        """
        known = password_hash or self._nobodys_hash
        fits = await self._submit(lambda: bool(_HASHER.verify(_normal(password), known)))
        return fits and password_hash is not None

    def is_weak(self, password_hash: str) -> bool:
        """Returns whether the hash was made with lower costs than today's."""
        return bool(_HASHER.needs_update(password_hash))

    async def start(self) -> None:
        """Does nothing: the threads start when they are needed."""

    async def stop(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    async def _submit(self, work: Callable[[], T]) -> T:
        if self._under_way_count >= self._threads + _QUEUE_MAX:
            raise DomainError(
                "RATE_LIMITED",
                limit=f"{self._threads + _QUEUE_MAX} password checks at once",
                retry_after_ms=_RETRY_AFTER_MS,
            ).retry_after(_RETRY_AFTER_MS)
        self._under_way_count += 1
        future = self._pool.submit(work)
        # Counted until the thread is done, not until the caller leaves.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._under_way_count -= 1


def _normal(password: str) -> str:
    # One form for what two keyboards write differently; RFC 8265, section 4.2.
    return unicodedata.normalize("NFC", password)
