"""What organisations may say of themselves, and who may do what in them. Pure."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from farmgate.errors import invalid

MANAGER: Final = "MANAGER"
EXCHANGE_KIND: Final = 5
INVITATION: Final = timedelta(days=14)
# More are hardly looked at, and each may be an e-mail.
INVITATIONS_OPEN_MAX: Final = 200
EDITABLE: Final = ("name", "tax_id", "address")
_WHOLE: Final = Decimal(100)


def line(field: str, text: str) -> str:
    """Returns a text without blanks around it.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    stripped = text.strip()
    if not stripped or not stripped.isprintable():
        raise invalid(field, "must have printable characters")
    return stripped


def fields_to_change(mask: Collection[str]) -> frozenset[str]:
    """Returns the fields a change is about.

    Raises:
        DomainError: INVALID_ARGUMENT for a path that can't be changed.
    """
    if not mask or not set(mask) <= set(EDITABLE):
        raise invalid("update_mask", f"must name some of {', '.join(EDITABLE)}")
    return frozenset(mask)


def share(text: str, others: Iterable[str]) -> str:
    """Returns a share in per cent that fits beside those of the other members.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not text:
        return ""
    rest = _WHOLE - sum((Decimal(one) for one in others if one), start=Decimal(0))
    if Decimal(text) > rest:
        raise invalid("share_pct", f"must be at most {rest:f}, what the other members leave")
    return f"{Decimal(text).normalize():f}"
