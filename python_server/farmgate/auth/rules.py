"""What makes a password, and when a sign-in is refused."""

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Final

import pyotp
from pyotp.utils import strings_equal

from farmgate.errors import DomainError, FieldViolation, invalid

PASSWORD_LENGTH_MIN: Final = 15
PASSWORD_LENGTH_MAX: Final = 256
_DISTINCT_MIN: Final = 6
# A name of four letters in a long password gives nothing away; a longer one does.
_CONTEXT_LENGTH_MIN: Final = 5
_CONTEXT_SHARE: Final = 0.5
# RFC 6238: a step is 30 s; a clock may be one step off.
_STEP_S: Final = 30
_STEPS_OFF: Final = (0, -1, 1)
_KEY_TTL_MAX_S: Final = 10 * 366 * 86_400
# Rows that fingers walk along; a password that walks one both ways is found first.
_WALKS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "azertyuiopqsdfghjklmwxcvbn",
    "qwertzuiopasdfghjklyxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "!@#$%^&*()_+",
)
# Of 15 characters or more, the commonest in lists of passwords that leaked; the rules catch most.
_COMMON: Final = frozenset({
    "administrator123", "changemechangeme", "correcthorsebatterystaple",
    "iloveyouforever", "letmeinletmein1", "passwordpassword", "password12345678",
    "password123456789", "qwertyuiop123456", "thisisapassword", "thisismypassword",
    "trustno1trustno1", "welcometofarmgate",
})  # fmt: skip


def check_password(password: str, *, context: Iterable[str] = ()) -> None:
    """Checks a new password. Length is what counts; no kinds of characters are demanded.

    Args:
        password: The password, as it was typed.
        context: Words that are easily guessed here, such as the e-mail address.

    Raises:
        DomainError: PASSWORD_WEAK.
        Source: NIST SP 800-63B-4, section 3.1.1.2.
    """
    text = unicodedata.normalize("NFC", password)
    if not PASSWORD_LENGTH_MIN <= len(text) <= PASSWORD_LENGTH_MAX:
        raise _weak(f"it must have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters")
    plain = text.casefold()
    if plain in _COMMON or len(set(plain)) < _DISTINCT_MIN or _repeats(plain) or _walks(plain):
        raise _weak("it is one of the first that are guessed")
    for word in context:
        known = word.casefold()
        if len(known) >= _CONTEXT_LENGTH_MIN and (
            plain.count(known) * len(known) >= len(plain) * _CONTEXT_SHARE
        ):
            raise _weak("it is mostly your name, your e-mail address or the name of the exchange")


def status_refusal(status: str) -> DomainError | None:
    """Returns why a user of this status can't sign in, or None."""
    match status:
        case "ACTIVE":
            return None
        case "PENDING_EMAIL":
            return DomainError("EMAIL_NOT_VERIFIED")
        case "CLOSED":
            return DomainError("BAD_CREDENTIALS")
        case _:
            return DomainError("ACCOUNT_SUSPENDED")


def lock_refusal(locked_until: datetime | None, now: datetime) -> DomainError | None:
    """Returns the refusal of an account that is locked now, or None."""
    if locked_until is None or locked_until <= now:
        return None
    wait_ms = (locked_until - now) // timedelta(milliseconds=1)
    until = locked_until.isoformat(timespec="seconds").replace("+00:00", "Z")
    return DomainError("ACCOUNT_LOCKED", until=until).retry_after(wait_ms)


def device(user_agent: str) -> str:
    """Returns what a program calls itself, as far as it is known."""
    return user_agent.split("/", 1)[0].split(" ", 1)[0][:64]


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """Returns the time step that a code of an authenticator is of, or None when it is of none.

    Args:
        secret: The authenticator's secret, base32.
        code: The code as it was typed.
        now: The time.
    """
    authenticator = pyotp.TOTP(secret, interval=_STEP_S)
    current = int(now.timestamp()) // _STEP_S
    typed = code.replace(" ", "")
    found = [
        current + off
        for off in _STEPS_OFF
        if strings_equal(authenticator.generate_otp(current + off), typed)
    ]
    return found[0] if found else None


def key_name(name: str) -> str:
    """Returns the name of a key as it is kept.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    text = " ".join(name.split())
    if not text or not text.isprintable():
        raise invalid("name", "must have a printable character, and no others")
    return text


def key_expiry(epoch_s: int | None, now: datetime) -> datetime | None:
    """Returns when a key expires, or None for never.

    Args:
        epoch_s: Seconds since 1970, or None.
        now: The time.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if epoch_s is None:
        return None
    if not 0 < epoch_s - now.timestamp() <= _KEY_TTL_MAX_S:
        raise invalid("expire_time", "must be in the future, ten years ahead at most")
    return datetime.fromtimestamp(epoch_s, UTC)


def networks(told: Iterable[str]) -> tuple[str, ...]:
    """Returns networks in the form they are kept in.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    try:
        return tuple(sorted({str(ip_network(one)) for one in told}))
    except ValueError:
        rule = 'must be networks such as "192.0.2.0/24" or "2001:db8::/32"'
        raise invalid("allowed_networks", rule) from None


def _repeats(text: str) -> bool:
    """Returns whether the text is one part again and again, such as "abcabcabc"."""
    return text in (text + text)[1:-1]


def _walks(text: str) -> bool:
    return any(text in walk * 3 or text in walk[::-1] * 3 for walk in _WALKS)


def _weak(rule: str) -> DomainError:
    return DomainError("PASSWORD_WEAK", rule=rule).of_fields(FieldViolation("password", rule))
