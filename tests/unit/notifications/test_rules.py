import base64
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from farmgate.notifications import catalogue, rules
from farmgate.notifications.rules import Preference, QuietHours


def test_signature_is_the_vector_of_the_specification() -> None:
    """NTF-025."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = '{"type":"trade.executed","data":{"trade_id":"1"}}'
    found = rules.signature(secret, "evt_01JD8Z3N6V7Q2X4T5Y6R8W9A0B", 1764000000, body)
    assert found == "v1,exVVceY9DoEVVG0cqMJQTzX11+IHuv91dVWWTiN79kg="


@pytest.mark.parametrize(
    ("at", "until"),
    [("21:59", "21:59"), ("22:00", "06:30+"), ("23:59", "06:30+"), ("00:00", "06:30"),
     ("06:29", "06:30"), ("06:30", "06:30")],
)  # fmt: skip
def test_quiet_hours_end_in_the_readers_zone(at: str, until: str) -> None:
    """NTF-012."""
    zone = ZoneInfo("Africa/Lagos")
    quiet = QuietHours(22 * 60, 6 * 60 + 30, "Africa/Lagos")
    hour, minute = map(int, at.split(":"))
    now = datetime(2026, 6, 1, hour, minute, tzinfo=zone).astimezone(UTC)
    found = quiet.until(now).astimezone(zone)
    assert found.strftime("%H:%M") == until.removesuffix("+")
    assert found.day == (2 if until.endswith("+") else 1)


def test_the_nearest_preference_decides() -> None:
    """NTF-013."""
    every = {catalogue.IN_APP, catalogue.EMAIL, catalogue.WEBHOOK}
    quiet = Preference("*", frozenset({catalogue.IN_APP}), 0)
    contracts = Preference("contract", frozenset({catalogue.EMAIL}), 0)
    grave = Preference("contract.active", frozenset(), catalogue.CRITICAL)
    assert rules.channels_for("contract.active", []) == every
    assert rules.channels_for("contract.active", [quiet]) == {catalogue.IN_APP}
    assert rules.channels_for("contract.active", [quiet, contracts]) == {
        catalogue.IN_APP, catalogue.EMAIL,
    }  # fmt: skip
    assert rules.channels_for("contract.active", [contracts, grave]) == {catalogue.IN_APP}
    assert rules.channels_for("auth.refresh_reuse", [contracts]) == every - {catalogue.WEBHOOK}


def test_every_kind_is_worded_without_its_data() -> None:
    for name in catalogue.KINDS:
        title, body = catalogue.worded(name, {})
        assert "{" not in title + body
    assert catalogue.worded("new.kind", {}) == ("new.kind", "")


def test_retries_end_after_a_week_of_attempts() -> None:
    """NTF-020."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    waits = []
    for attempts in range(1, 8):
        at = rules.retry_at(now, attempts, 1.0)
        assert at is not None
        waits.append((at - now).total_seconds())
    assert waits == [5, 30, 120, 600, 3_600, 21_600, 86_400]
    assert rules.retry_at(now, 8, 1.0) is None
