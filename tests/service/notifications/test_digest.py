"""E-mail that is gathered, and the language around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from farmgate.api.notifications.v1 import notifications_pb2, preferences_pb2
from farmgate.app.foundation import open_base
from farmgate.app.parts.base import Base
from farmgate.app.settings import Settings
from farmgate.db.outbox import Announcement, announce
from farmgate.db.schema import metadata
from farmgate.errors import DomainError
from farmgate.notifications import rules, store
from farmgate.notifications.courier import Postman
from farmgate.notifications.dispatch import Dispatch
from farmgate.notifications.letters import WORDS, language_of
from farmgate.ports.clock import FakeClock
from farmgate.users.tables import users

HOURLY = preferences_pb2.DIGEST_INTERVAL_HOURLY
DAILY = preferences_pb2.DIGEST_INTERVAL_DAILY
EMAIL = notifications_pb2.NOTIFICATION_CHANNEL_EMAIL


class Desk:
    """Tells one person things, and keeps the e-mail that goes out."""

    def __init__(self, base: Base, clock: FakeClock) -> None:
        self.base, self.clock = base, clock
        self.sent: list[EmailMessage] = []
        self.fails = 0
        self.user_id = base.ids.ulid()
        self._dispatch = Dispatch(base.database, base.users, clock, base.ids, told=lambda: None)
        self._postman = Postman(base.database, base.users, self, clock, "post@farmgate.example")
        self._count = 0

    async def send(self, message: EmailMessage) -> None:
        if self.fails:
            self.fails -= 1
            raise DomainError("DEPENDENCY_DOWN", name="mail server")
        self.sent.append(message)

    async def open(self, **given: Any) -> None:
        filled = {
            "kyc_level": 2, "country": "NG", "mfa_enabled": False, "session_version": 0,
            "created_at": self.clock.now(),
        }  # fmt: skip
        values = filled | {
            "id": self.user_id, "email": "amara@example.com", "display_name": "Amara",
            "role": "FARMER", "status": "ACTIVE", "locale": "en", "timezone": "Africa/Lagos",
        } | given  # fmt: skip
        await self.base.database.write(lambda tx: tx.execute(users.insert().values(values)))

    async def wish(self, *wishes: tuple[str, int], locale: str = "", quiet: Any = None) -> None:
        message = preferences_pb2.NotificationPreferences(locale=locale, quiet_hours=quiet)
        for type_, digest in wishes:
            message.preferences.add(type=type_, digest=digest, channels=[EMAIL])
        document = message.SerializeToString()
        await self.base.database.write(
            lambda tx: store.put_preferences(tx, self.user_id, document, version=1)
        )

    async def tell(self, type_: str, count: int = 1, **data: Any) -> None:
        self._count += count
        told = [
            Announcement(
                type_, self.clock.now(), user_id=self.user_id, about=f"{self._count}/{number}",
                data={"number": number, **data},
            )
            for number in range(count)
        ]  # fmt: skip
        await self.base.database.write(lambda tx: announce(tx, *told))
        await self._dispatch.run()

    async def until(self, at: datetime) -> list[str]:
        """Moves on to a time; returns the subjects of what went out then."""
        self.clock.move((at - self.clock.now()).total_seconds())
        before = len(self.sent)
        await self._postman.run()
        return [str(one["subject"]) for one in self.sent[before:]]


@pytest.fixture
async def desk(make_settings: Callable[..., Settings]) -> AsyncIterator[Desk]:
    clock = FakeClock(datetime(2026, 6, 1, 12, 10, tzinfo=UTC))
    base = open_base(make_settings(), clock)
    metadata.create_all(base.database.engine)
    with closing(base.database):
        yield Desk(base, clock)


async def test_hourly_digests_hold_all_of_the_hour(desk: Desk) -> None:
    """NTF-014: what is urgent or not named goes at once."""
    await desk.open()
    await desk.wish(("contract", HOURLY))
    await desk.tell("contract.active", 3)
    await desk.tell("kyc.approved", level=2)
    assert await desk.until(desk.clock.now()) == ["Level 2 granted"]
    assert await desk.until(datetime(2026, 6, 1, 12, 59, 59, tzinfo=UTC)) == []
    await desk.tell("contract.active")
    assert await desk.until(datetime(2026, 6, 1, 13, tzinfo=UTC)) == ["4 notifications"]
    text = desk.sent[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert [f"Contract {number} is in force." in text for number in range(3)] == [True] * 3
    assert await desk.until(datetime(2026, 6, 1, 15, tzinfo=UTC)) == []


async def test_daily_digests_go_in_the_readers_morning(desk: Desk) -> None:
    """NTF-014: at seven where the reader is; the nearest preference decides."""
    await desk.open()
    await desk.wish(("*", DAILY), ("kyc", HOURLY))
    await desk.tell("contract.active", 2)
    await desk.tell("kyc.approved", level=2)
    assert await desk.until(datetime(2026, 6, 1, 13, tzinfo=UTC)) == ["Level 2 granted"]
    # Seven in Lagos is six in Greenwich.
    assert await desk.until(datetime(2026, 6, 2, 5, 59, tzinfo=UTC)) == []
    assert await desk.until(datetime(2026, 6, 2, 6, tzinfo=UTC)) == ["2 notifications"]
    await desk.tell("auth.mfa_disabled")
    assert await desk.until(desk.clock.now()) == ["Second factor off"], "Urgent: at once."


async def test_a_digest_is_sent_again_after_a_failure(desk: Desk) -> None:
    """NTF-014."""
    await desk.open()
    await desk.wish(("contract", HOURLY))
    await desk.tell("contract.active", 2)
    desk.fails = 1
    assert await desk.until(datetime(2026, 6, 1, 13, tzinfo=UTC)) == []
    assert await desk.until(desk.clock.now() + timedelta(seconds=10)) == ["2 notifications"]


async def test_quiet_hours_hold_digests_back(desk: Desk) -> None:
    """NTF-012, NTF-014."""
    await desk.open()
    quiet = preferences_pb2.QuietHours(start="13:30", end="18:00", timezone="Africa/Lagos")
    await desk.wish(("contract", HOURLY), quiet=quiet)
    await desk.tell("contract.active", 2)
    assert await desk.until(datetime(2026, 6, 1, 13, tzinfo=UTC)) == []
    assert await desk.until(datetime(2026, 6, 1, 17, tzinfo=UTC)) == ["2 notifications"]


async def test_much_e_mail_becomes_a_digest(desk: Desk) -> None:
    """NTF-015: from the sixty-first of a day on, the next morning; what is urgent never waits."""
    await desk.open()
    for _ in range(rules.EMAILS_PER_DAY):
        await desk.tell("contract.active")
        assert len(await desk.until(desk.clock.now())) == 1
    await desk.tell("contract.active", 3)
    await desk.tell("trade.busted", trade_id=7, symbol="CORN", reason="mistake")
    assert await desk.until(desk.clock.now()) == ["Trade 7 busted"]
    assert await desk.until(datetime(2026, 6, 2, 6, tzinfo=UTC)) == ["3 notifications"]


@pytest.mark.parametrize(
    ("locale", "wished", "expected"),
    [
        ("fr-SN", "", "Bonjour Amara,"),
        ("es", "", "Hola, Amara:"),
        ("hi_IN", "", "नमस्ते Amara,"),
        ("am", "", "ሰላም Amara፣"),
        ("sw", "", "Hello Amara,"),
        ("fr", "en-GB", "Hello Amara,"),
    ],
)
async def test_letters_are_in_the_readers_language(
    desk: Desk, locale: str, wished: str, expected: str
) -> None:
    """NTF-016: the wish before the profile, English for what is not known."""
    await desk.open(locale=locale)
    await desk.wish(("contract", HOURLY), locale=wished)
    await desk.tell("contract.active", 2)
    await desk.tell("kyc.approved", level=2)
    await desk.until(datetime(2026, 6, 1, 13, tzinfo=UTC))
    assert len(desk.sent) == 2
    words = WORDS[language_of(wished or locale)]
    for message in desk.sent:
        text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        page = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
        assert text.startswith(expected)
        assert words.why in text
        assert f'<html lang="{language_of(wished or locale)}">' in page
        assert words.why in page.replace("&#39;", "'")
    assert desk.sent[-1]["subject"] == words.gathered.format(count=2)


def test_every_language_has_all_words() -> None:
    """NTF-016."""
    assert set(WORDS) == {"en", "fr", "es", "hi", "am"}
    for words in WORDS.values():
        assert "{name}" in words.greeting
        assert "{count}" in words.gathered
        assert words.why
