from datetime import UTC, datetime, timedelta

import pytest

from farmgate.auth import rules
from farmgate.errors import DomainError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "password",
    [
        "Demo-Pass-2026!",
        "seven green tractors",
        "παλιό χωράφι με ελιές",
        "🌽🌾🚜🐄🐖🐓🌻🍅🥕🥔🧅🧄🌶🥒🥬",
        "a" * 10 + "bcdefghij" * 20,
    ],
)
def test_long_password_is_taken(password: str) -> None:
    """AUT-002."""
    rules.check_password(password, context=("amara@example.com", "amara"))


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "fourteen chars",
        "x" * 257,
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "passwordpassword",
        "PasswordPassword",
        "123456789012345",
        "543210987654321",
        "qwertyuiopasdfghjkl",
        "abcdefghijklmnopq",
        "amara@example.com",
        "amaraokaforamaraokafor1",
        "FarmgateFarmgate1",
        "CorrectHorseBatteryStaple",
    ],
)
def test_weak_password_is_refused(password: str) -> None:
    """AUT-002."""
    context = ("amara@example.com", "amaraokafor", "farmgate")
    with pytest.raises(DomainError) as caught:
        rules.check_password(password, context=context)
    assert caught.value.reason == "PASSWORD_WEAK"


def test_lock_ends_by_itself() -> None:
    until = NOW + timedelta(seconds=1)
    refusal = rules.lock_refusal(until, NOW)
    assert refusal is not None
    assert refusal.retry_after_ms == 1_000
    assert rules.lock_refusal(until, until) is None
    assert rules.lock_refusal(None, NOW) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("ACTIVE", None),
        ("PENDING_EMAIL", "EMAIL_NOT_VERIFIED"),
        ("CLOSED", "BAD_CREDENTIALS"),
        ("SUSPENDED", "ACCOUNT_SUSPENDED"),
        ("LOCKED", "ACCOUNT_SUSPENDED"),
    ],
)
def test_status_decides(status: str, reason: str | None) -> None:
    refusal = rules.status_refusal(status)
    assert (refusal.reason if refusal else None) == reason


def test_device_is_what_the_program_calls_itself() -> None:
    assert rules.device("grpc-python/1.76.0 grpc-c/51") == "grpc-python"
    assert rules.device("") == ""
    assert len(rules.device("x" * 500)) == 64
