"""Page tokens: opaque, signed, and good for one list with one set of filters only."""

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from farmgate.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 500
_SIGNATURE_BYTES: Final = 16
_TOKEN_LENGTH_MAX: Final = 1_024
# Fields of a request that may differ between the pages of one list.
_NOT_FILTERS: Final = ("page_size", "page_token", "fields", "include_total")

Key = tuple[str | int, ...]


class Pager:
    """Signs the place where a page ended, and reads it back.

    Args:
        key: Secret of the installation.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, request: Message, after: Key, *, caller: str = "") -> str:
        """Returns the token of the next page.

        Args:
            request: The list's request; its filters are bound into the token.
            after: Sort key of the last row of the page.
            caller: User ID, where lists differ by caller.
        """
        place = json.dumps(after, separators=(",", ":")).encode()
        signed = self._sign(request, caller, place) + place
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode("ascii")

    def after(self, request: Message, token: str, *, caller: str = "") -> Key | None:
        """Returns the sort key to go on after, or None for the first page.

        Raises:
            DomainError: PAGE_TOKEN_INVALID.
        """
        if not token:
            return None
        if len(token) > _TOKEN_LENGTH_MAX:
            raise DomainError("PAGE_TOKEN_INVALID")
        try:
            signed = base64.b64decode(
                token + "=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
        except ValueError as error:
            raise DomainError("PAGE_TOKEN_INVALID") from error
        signature, place = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(request, caller, place)):
            raise DomainError("PAGE_TOKEN_INVALID")
        key: Sequence[str | int] = json.loads(place)
        return tuple(key)

    def _sign(self, request: Message, caller: str, place: bytes) -> bytes:
        filters = type(request)()
        filters.CopyFrom(request)
        for name in _NOT_FILTERS:
            if name in filters.DESCRIPTOR.fields_by_name:
                filters.ClearField(name)
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (
            request.DESCRIPTOR.full_name.encode(),
            caller.encode(),
            filters.SerializeToString(deterministic=True),
            place,
        ):
            mac.update(len(part).to_bytes(4, "big"))
            mac.update(part)
        return mac.digest()[:_SIGNATURE_BYTES]


def page_size(wanted: int) -> int:
    """Returns the size of a page: 50 when not stated, at most 500."""
    return min(wanted, PAGE_SIZE_MAX) if wanted > 0 else PAGE_SIZE_DEFAULT
