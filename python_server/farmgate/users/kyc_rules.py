"""What each level of KYC needs and allows, and which steps a case may take. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from farmgate.errors import DomainError

# Numbers of the kinds of documents, as the API has them.
NATIONAL_ID, PASSPORT, DRIVER_LICENCE, PROOF_OF_ADDRESS = 1, 2, 3, 4
LAND_TITLE, FARM_REGISTRATION, COMPANY_CERT, UBO_REGISTER, BANK_LETTER = 6, 7, 8, 9, 10
DOCUMENT_BYTES_MAX: Final = 10 * 1024 * 1024
COOLDOWN: Final = timedelta(hours=24)
OPEN: Final = frozenset({"DRAFT", "NEEDS_INFO"})
LEVEL_MAX: Final = 3
WAITING: Final = ("SUBMITTED", "IN_REVIEW")
_DAYS_PER_MONTH: Final = 30.4375
_ADULT_YEARS: Final = 18
_SIGNS: Final = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"%PDF-": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a level allows; None is no limit, 0 is nothing."""

    level: int
    needs: str
    may_trade: bool
    may_contract: bool
    order: Decimal | None
    daily: Decimal | None
    contract: Decimal | None
    withdrawal: Decimal | None


def needed(level: int, role: str) -> list[frozenset[int]]:
    """Returns the documents a level needs: of each set, one."""
    if level == 2:  # noqa: PLR2004 - The level itself.
        sets = [frozenset({NATIONAL_ID, PASSPORT, DRIVER_LICENCE}), frozenset({PROOF_OF_ADDRESS})]
        if role == "FARMER":
            sets.append(frozenset({LAND_TITLE, FARM_REGISTRATION}))
        return sets
    if level == 3:  # noqa: PLR2004 - The level itself.
        return [frozenset({COMPANY_CERT}), frozenset({UBO_REGISTER}), frozenset({BANK_LETTER})]
    return []


def missing(level: int, role: str, kinds: Collection[int]) -> list[int]:
    """Returns the documents that are missing, the first of each set."""
    return [min(one) for one in needed(level, role) if not one & set(kinds)]


def media_type(data: bytes) -> str:
    """Returns what a document is, by what it begins with.

    Raises:
        DomainError: DOCUMENT_TYPE_UNSUPPORTED or PAYLOAD_TOO_LARGE.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        raise DomainError(
            "PAYLOAD_TOO_LARGE", size_bytes=len(data), size_bytes_max=DOCUMENT_BYTES_MAX
        )
    for sign, name in _SIGNS.items():
        if data.startswith(sign):
            return name
    raise DomainError("DOCUMENT_TYPE_UNSUPPORTED", type="other than JPEG, PNG and PDF")


def expiry(now: datetime, months: int) -> datetime:
    """Returns when an approval ends."""
    return now + timedelta(days=round(months * _DAYS_PER_MONTH))


def is_adult(born: date, today: date) -> bool:
    """Returns whether somebody has reached 18 years."""
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (not had_birthday) >= _ADULT_YEARS


def risk(attempts: int, country: str, owner_count: int) -> int:
    """Returns a first score, 0 to 100, for the queue; a reviewer sets the one that counts.

    It rises with attempts and with owners to look at, and when the country is not stated.
    """
    return min(100, 10 + 15 * (attempts - 1) + 3 * owner_count + (0 if country else 20))
