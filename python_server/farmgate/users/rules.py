"""What people may say about themselves."""

import re
from collections.abc import Collection
from typing import Final

from farmgate.errors import invalid

DISPLAY_NAME_LENGTH_MAX: Final = 100
# The fields of a user that its owner changes.
EDITABLE: Final = ("display_name", "phone", "country", "locale", "timezone")
# Roles that hold a trading account.
TRADING_ROLES: Final = frozenset({"FARMER", "TRADER", "COOP_MANAGER"})
_LOCALE_LENGTH_MAX: Final = 16
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
_COUNTRY: Final = re.compile(r"([A-Z]{2})?", re.ASCII)
# ITU-T E.164: at most 15 digits.
_PHONE: Final = re.compile(r"(\+[1-9][0-9]{6,14})?", re.ASCII)


def email_key(email: str) -> str | None:
    """Returns the form in which an address is kept, or None when nobody can have it."""
    return email.lower() if email.isascii() and email.isprintable() else None


def display_name(text: str) -> str:
    """Returns the name without blanks around it.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    name = text.strip()
    if not (1 <= len(name) <= DISPLAY_NAME_LENGTH_MAX and name.isprintable()):
        raise invalid("display_name", "must have 1 to 100 printable characters")
    return name


def locale(text: str) -> str:
    """Returns the language tag, "en" when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not text:
        return "en"
    if len(text) > _LOCALE_LENGTH_MAX or not _LOCALE.fullmatch(text):
        raise invalid("locale", 'must be a language tag such as "en" or "pt-BR"')
    return text


def timezone(text: str, known: Collection[str]) -> str:
    """Returns the name of a time zone, "UTC" when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not text or text == "UTC":
        return "UTC"
    if text not in known:
        raise invalid("timezone", 'must be a name such as "Africa/Lagos" or "UTC"')
    return text


def country(text: str) -> str:
    """Returns the country, empty when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not _COUNTRY.fullmatch(text):
        raise invalid("country", 'must be two capital letters such as "NG"')
    return text


def phone(text: str) -> str:
    """Returns the telephone number, empty when none is stated.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if not _PHONE.fullmatch(text):
        raise invalid("phone", 'must be a number such as "+2348012345678"')
    return text


def fields_to_change(mask: Collection[str], stated: Collection[str]) -> frozenset[str]:
    """Returns the fields a change is about.

    Args:
        mask: Paths of the update mask; empty means every editable field that is stated, "*" every
            editable field.
        stated: Names of the fields that are not empty in the request.

    Raises:
        DomainError: INVALID_ARGUMENT for a path that can't be changed.
    """
    if not mask:
        return frozenset(stated).intersection(EDITABLE)
    if set(mask) == {"*"}:
        return frozenset(EDITABLE)
    if not set(mask) <= set(EDITABLE):
        raise invalid("update_mask", f"may name {', '.join(EDITABLE)} only")
    return frozenset(mask)
