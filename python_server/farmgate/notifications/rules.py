"""Where a notification goes and when: preferences, quiet hours, addresses of webhooks. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from farmgate.errors import DomainError
from farmgate.notifications import catalogue
from farmgate.notifications.catalogue import EMAIL, IN_APP, WEBHOOK

RETENTION_UNREAD: Final = timedelta(days=180)
RETENTION_READ: Final = timedelta(days=90)
RETENTION_OPERATORS: Final = timedelta(days=365)
DEDUPE_WINDOW: Final = timedelta(hours=24)
EMAILS_PER_DAY: Final = 60
DIGEST_HOURLY: Final = 2
DIGEST_DAILY: Final = 3
_MORNING_HOUR: Final = 7
WEBHOOKS_MAX: Final = 10
SECRET_BYTES: Final = 24
ROTATION: Final = timedelta(hours=24)
# Standard Webhooks: seconds until the next attempt, by the number of attempts made.
RETRIES_S: Final = (5, 30, 120, 600, 3_600, 21_600, 86_400)
DISABLED_AFTER: Final = timedelta(days=5)
_DEFAULTS: Final = {"i": IN_APP, "e": EMAIL, "w": WEBHOOK}
_MINUTES: Final = 60


@dataclass(frozen=True, slots=True)
class Preference:
    """What somebody wants of a type, a category or, named "*", of all.

    Attributes:
        channels: Numbers of the channels; empty keeps the defaults.
        min_severity: Lowest severity that leaves the exchange; 0 for any.
        digest: How e-mail is gathered; a number of the API's.
    """

    name: str
    channels: frozenset[int]
    min_severity: int
    digest: int = 0


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Minutes of the day between which e-mail waits; the end may be on the next day."""

    start: int
    end: int
    timezone: str

    def until(self, now: datetime) -> datetime:
        """Returns when what is due now may go: now, or when the quiet ends."""
        local = now.astimezone(ZoneInfo(self.timezone))
        minute = local.hour * _MINUTES + local.minute
        is_over_midnight = self.start > self.end
        inside = (
            (minute >= self.start or minute < self.end)
            if is_over_midnight
            else self.start <= minute < self.end
        )
        if not inside:
            return now
        day = local.date() + timedelta(days=1 if minute >= self.end else 0)
        hour, rest = divmod(self.end, _MINUTES)
        return datetime(day.year, day.month, day.day, hour, rest, tzinfo=local.tzinfo)


def channels_for(type_: str, preferences: Iterable[Preference]) -> frozenset[int]:
    """Returns the channels of a type: the preference nearest to it decides, else the catalogue.

    Being told inside the exchange can't be switched off.
    """
    kind = catalogue.kind_of(type_)
    found = {one.name: one for one in preferences}
    wanted = frozenset(_DEFAULTS[letter] for letter in kind.channels)
    for name in (type_, catalogue.category_of(type_), "*"):
        if name in found:
            chosen = found[name]
            if kind.severity < chosen.min_severity:
                return frozenset({IN_APP})
            if chosen.channels:
                wanted = chosen.channels
            break
    return wanted | {IN_APP}


def gathered_until(
    type_: str, preferences: Iterable[Preference], now: datetime, timezone: str
) -> datetime | None:
    """Returns when e-mail of a type goes out with others, or None when each goes at once.

    Args:
        type_: The type.
        preferences: What the reader wants; the preference nearest to the type decides.
        now: The time.
        timezone: The reader's, for what is gathered by the day.
    """
    kind = catalogue.kind_of(type_)
    found = {one.name: one for one in preferences}
    nearest = (type_, catalogue.category_of(type_), "*")
    chosen = next((found[name] for name in nearest if name in found), None)
    if chosen is None or kind.is_urgent:
        return None
    if chosen.digest == DIGEST_HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return next_morning(now, timezone) if chosen.digest == DIGEST_DAILY else None


def next_morning(now: datetime, timezone: str) -> datetime:
    """Returns when the next day's gathered e-mail goes out."""
    local = now.astimezone(ZoneInfo(timezone))
    day = local.date() + timedelta(days=int(local.hour >= _MORNING_HOUR))
    return datetime(day.year, day.month, day.day, _MORNING_HOUR, tzinfo=local.tzinfo)


def signature(secret: bytes, event_id: str, timestamp: int, body: str) -> str:
    """Returns the signature of a delivery as Standard Webhooks has it, "v1," and Base64."""
    signed = f"{event_id}.{timestamp}.{body}".encode()
    mac = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode('ascii')}"


def secret_text(secret: bytes) -> str:
    """Returns a secret as its receiver keeps it."""
    return f"whsec_{base64.b64encode(secret).decode('ascii')}"


def checked_url(url: str, *, may_be_private: bool) -> str:
    """Returns an address that deliveries may go to.

    Raises:
        DomainError: WEBHOOK_URL_FORBIDDEN.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise DomainError("WEBHOOK_URL_FORBIDDEN") from error
    schemes = {"https", "http"} if may_be_private else {"https"}
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in schemes or not host or parts.username or not is_plain:
        raise DomainError("WEBHOOK_URL_FORBIDDEN")
    return url


def are_public(addresses: Sequence[str]) -> bool:
    """Returns whether all addresses of a host are on the public network."""
    return bool(addresses) and all(ip_address(one).is_global for one in addresses)


def retry_at(now: datetime, attempts: int, spread: float) -> datetime | None:
    """Returns when a delivery is tried again, or None when it is given up.

    Args:
        now: The time.
        attempts: Attempts made, from 1.
        spread: From 0.8 to 1.2, so that failures do not come back at one moment.
    """
    if attempts > len(RETRIES_S):
        return None
    return now + timedelta(seconds=RETRIES_S[attempts - 1] * spread)
