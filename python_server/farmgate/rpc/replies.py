"""Replies that are kept for a while: those that are the same for every caller."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, Self, TypeVar

from farmgate.ports.cache import Cache, Codec

M = TypeVar("M", bound="Reply")
BYTES: Final = Codec[bytes](bytes, bytes)


class Reply(Protocol):
    """A protobuf message, as far as it matters here."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - The name is protobuf's.
        """Returns the bytes of the message."""

    @classmethod
    def FromString(cls, data: bytes) -> Self:  # noqa: N802 - The name is protobuf's.
        """Returns the message of the bytes."""


class Request(Protocol):
    """The request, as far as it matters here."""

    def SerializeToString(self, *, deterministic: bool) -> bytes:  # noqa: N802 - As above.
        """Returns the bytes of the message."""


class Replies:
    """Replies by their requests.

    Args:
        cache: Where they are kept.
    """

    def __init__(self, cache: Cache[bytes]) -> None:
        self._cache = cache

    async def to(self, request: Request, type_: type[M], make: Callable[[], Awaitable[M]]) -> M:
        """Returns the reply to a request, made now when it is not known.

        Raises:
            Exception: Whatever `make` raises; refusals are not kept.
        """
        asked = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()

        async def bytes_of_reply() -> bytes:
            return (await make()).SerializeToString()

        return type_.FromString(
            await self._cache.get(f"{type_.__qualname__} {asked}", bytes_of_reply)
        )
