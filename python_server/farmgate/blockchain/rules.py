"""Rules of content and of fees. Pure."""

import json
import re
from typing import Final

from farmgate.errors import DomainError

MIB: Final = 1024 * 1024
UPLOAD_BYTES_MAX: Final = 10 * MIB
_JSON: Final = "application/json"
_CSV: Final = "text/csv"
_PLAIN: Final = "text/plain"
_TYPE_CHARACTERS_MAX: Final = 64
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
# What replaces a transaction must pay this much more of both fees; nodes ask for 10 %.
_BUMP_NUMERATOR: Final = 9
_BUMP_DENOMINATOR: Final = 8
_GAS_MARGIN_PERCENT: Final = 20
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def media_type(data: bytes, stated: str) -> str:
    """Returns the type of content by its bytes; what was stated only tells texts apart.

    Raises:
        DomainError: DOCUMENT_TYPE_UNSUPPORTED.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    wanted = stated.split(";", 1)[0].strip().lower()[:_TYPE_CHARACTERS_MAX]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DomainError("DOCUMENT_TYPE_UNSUPPORTED", type=wanted or "unknown")
    if wanted == _JSON and _is_json(text):
        return _JSON
    return _CSV if wanted == _CSV else _PLAIN


def raised_fee(wei: int) -> int:
    """Returns a fee of 12.5 % more, rounded up."""
    return -(-wei * _BUMP_NUMERATOR // _BUMP_DENOMINATOR)


def gas_limit(estimate: int) -> int:
    """Returns the limit for an estimate: some more, as the chain may move in between."""
    return estimate + estimate * _GAS_MARGIN_PERCENT // 100


def max_fee(base_fee_wei: int, tip_wei: int, *, cap_wei: int) -> int | None:
    """Returns the highest fee to offer, or None when today's fee is above the cap.

    Twice the base fee lasts for six full blocks; the rest is given back.
    """
    if base_fee_wei + tip_wei > cap_wei:
        return None
    return min(2 * base_fee_wei + tip_wei, cap_wei)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_address(text: str) -> bool:
    """Returns whether the text has the form of an address; zero is nobody's."""
    return bool(_ADDRESS.fullmatch(text)) and int(text, 16) > 0
