"""Identifiers: ULIDs, sortable by the time they were made."""

import secrets
import threading
from typing import Final, Protocol

from farmgate.ports.clock import Clock

ULID_LENGTH: Final = 26
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS: Final = 80


class Ids(Protocol):
    """Makes identifiers."""

    def ulid(self) -> str:
        """Returns a new ULID of 26 characters."""


class UlidSource:
    """Makes ULIDs that rise strictly within the process, also within a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def ulid(self) -> str:
        """Returns a new ULID of 26 characters."""
        stamp_ms = int(self._clock.epoch() * 1000)
        value = (stamp_ms << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        with self._lock:
            if value >> _RANDOM_BITS <= self._last >> _RANDOM_BITS:
                # The same millisecond, or a clock set back: a random step keeps the order and
                # gives nothing away about the neighbours.
                value = self._last + 1 + secrets.randbits(32)
            self._last = value
        return encode(value)


def encode(value: int) -> str:
    """Returns the 26 characters of a 128-bit number."""
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def ulid_bytes(text: str) -> bytes:
    """Returns the 16 bytes of a ULID, most significant first."""
    assert is_ulid(text), "IDs are ULIDs."
    value = 0
    for character in text:
        value = value << 5 | _ALPHABET.index(character)
    return value.to_bytes(16, "big")


def is_ulid(text: str) -> bool:
    """Returns whether the text has the form of a ULID."""
    return len(text) == ULID_LENGTH and text[0] <= "7" and all(c in _ALPHABET for c in text)
