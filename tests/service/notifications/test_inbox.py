"""What people are told: inbox, streams, preferences, e-mail."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.notifications.v1 import (
    events_pb2,
    events_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    preferences_pb2,
    preferences_pb2_grpc,
)
from farmgate.app import wire
from farmgate.app.settings import Settings
from farmgate.db.outbox import Announcement, announce
from farmgate.ports.clock import FakeClock
from support import PASSWORD, Api, FakeAccounts, SignedIn, refused, running

WAIT_S = 20.0


def inbox(api: Api) -> Any:
    return notifications_pb2_grpc.NotificationServiceStub(api.channel)


async def tell(api: Api, *told: Announcement) -> None:
    await api.application.base.database.write(lambda tx: announce(tx, *told))


def about(person: SignedIn, api: Api, type_: str = "contract.active", **given: Any) -> Announcement:
    now = api.application.base.clock.now()
    return Announcement(type_, now, user_id=person.user.user_id, **given)


async def listed(api: Api, person: SignedIn, count: int, **given: Any) -> Any:
    """Waits until so many notifications are listed."""
    request = notifications_pb2.ListNotificationsRequest(include_total=True, **given)
    async with asyncio.timeout(WAIT_S):
        while True:
            reply = await inbox(api).ListNotifications(request, metadata=person.metadata)
            if reply.total_size >= count:
                assert reply.total_size == count
                return reply
            await asyncio.sleep(0.02)


async def test_security_events_reach_the_inbox_newest_first(api_on_any: Api) -> None:
    """NTF-001, NTF-002."""
    api = api_on_any
    person = await api.person()
    change = auth_pb2.ChangePasswordRequest(
        current_password=PASSWORD, new_password="eleven red harvesters"
    )
    await api.auth.ChangePassword(change, metadata=person.metadata)
    reply = await listed(api, person, 2)
    assert [one.type for one in reply.notifications] == ["auth.password_changed", "user.welcome"]
    first = reply.notifications[0]
    assert first.title == "Password changed"
    assert first.severity == notifications_pb2.NOTIFICATION_SEVERITY_WARN
    assert (reply.unread_count, first.is_read) == (2, False)


async def test_notifications_are_read_deleted_and_counted_by_their_reader_only(api: Api) -> None:
    """NTF-003, NTF-004."""
    person, stranger = await api.person(), await api.person()
    reply = await listed(api, person, 1)
    own = reply.notifications[0].notification_id
    mark = notifications_pb2.MarkNotificationReadRequest(notification_id=own)
    drop = notifications_pb2.DeleteNotificationRequest(notification_id=own)
    for call, request in (
        (inbox(api).MarkNotificationRead, mark),
        (inbox(api).DeleteNotification, drop),
    ):
        assert (await refused(call(request, metadata=stranger.metadata))).reason == "NOT_FOUND"
    marked = await inbox(api).MarkNotificationRead(mark, metadata=person.metadata)
    assert marked.notification.is_read
    again = await inbox(api).MarkNotificationRead(mark, metadata=person.metadata)
    assert again.notification.read_time == marked.notification.read_time
    mark.is_unread = True
    marked = await inbox(api).MarkNotificationRead(mark, metadata=person.metadata)
    assert not marked.notification.is_read
    everything = notifications_pb2.MarkAllReadRequest()
    answer = await inbox(api).MarkAllRead(everything, metadata=person.metadata)
    assert answer.marked_count == 1
    count = notifications_pb2.GetUnreadCountRequest()
    assert (await inbox(api).GetUnreadCount(count, metadata=person.metadata)).unread_count == 0
    await inbox(api).DeleteNotification(drop, metadata=person.metadata)
    await listed(api, person, 0)


async def test_pages_hold_every_notification_once(api: Api) -> None:
    """NTF-005."""
    person = await api.person()
    await tell(api, *(about(person, api, data={"number": str(n)}) for n in range(23)))
    await listed(api, person, 24)
    seen: list[str] = []
    request = notifications_pb2.ListNotificationsRequest(page_size=5)
    while True:
        reply = await inbox(api).ListNotifications(request, metadata=person.metadata)
        seen += [one.title for one in reply.notifications]
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    expected = [f"Contract {n} in force" for n in reversed(range(23))]
    assert seen == [*expected, "Welcome to Farmgate"]
    request.types.append("user.welcome")
    refusal = await refused(inbox(api).ListNotifications(request, metadata=person.metadata))
    assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_the_same_is_told_once_a_day(api: Api, clock: FakeClock) -> None:
    """NTF-006."""
    person = await api.person()
    await tell(api, about(person, api, about="c1"), about(person, api, about="c1"))
    await tell(api, about(person, api, about="c2"))
    await listed(api, person, 3)
    clock.move(24 * 3_600 + 1)
    person = SignedIn(person.user, await api.log_in(person.user.email))
    await tell(api, about(person, api, about="c1"))
    await listed(api, person, 4)


async def test_a_stream_resumes_without_gap_or_repeat(api: Api) -> None:
    """NTF-007."""
    person = await api.person()
    welcome = (await listed(api, person, 1)).notifications[0]
    await tell(api, *(about(person, api, data={"number": str(n)}) for n in range(3)))
    request = notifications_pb2.WatchNotificationsRequest(
        after_notification_id=welcome.notification_id
    )

    async def next_titles(wanted: int) -> list[str]:
        stream = inbox(api).WatchNotifications(request, metadata=person.metadata, timeout=WAIT_S)
        titles = []
        async for step in stream:
            if not step.is_heartbeat:
                titles.append(step.notification.title)
                request.after_notification_id = step.notification.notification_id
            if len(titles) == wanted:
                break
        stream.cancel()
        return titles

    assert await next_titles(2) == ["Contract 0 in force", "Contract 1 in force"]
    await tell(api, about(person, api, data={"number": "3"}))
    assert await next_titles(2) == ["Contract 2 in force", "Contract 3 in force"]


async def test_event_source_resumes_after_the_last_event(api: Api) -> None:
    """NTF-008."""
    person = await api.person()
    await tell(api, *(about(person, api, data={"number": str(n)}) for n in range(4)))
    await listed(api, person, 5)
    stub: Any = events_pb2_grpc.NotificationEventServiceStub(api.channel)
    after = "0" * 26

    async def events(wanted: int, *metadata: tuple[str, str]) -> list[dict[str, str]]:
        request = events_pb2.StreamNotificationEventsRequest(
            after_notification_id="" if metadata else after
        )
        stream = stub.StreamNotificationEvents(
            request, metadata=(*person.metadata, *metadata), timeout=WAIT_S
        )
        found = []
        async for body in stream:
            lines = body.data.decode().splitlines()
            event = dict(line.split(": ", 1) for line in lines if ": " in line)
            if event.get("event") == "notification":
                found.append(event)
            if len(found) == wanted:
                break
        stream.cancel()
        return found

    first = await events(2)
    rest = await events(3, ("last-event-id", first[-1]["id"]))
    titles = [json.loads(e["data"])["notification"]["title"] for e in first + rest]
    assert titles == ["Welcome to Farmgate", *(f"Contract {n} in force" for n in range(4))]


async def test_preferences_are_kept_and_checked(api: Api) -> None:
    """NTF-009."""
    person = await api.person()
    stub: Any = preferences_pb2_grpc.NotificationPreferenceServiceStub(api.channel)
    wanted = preferences_pb2.NotificationPreferences(
        preferences=[
            preferences_pb2.NotificationPreference(
                type="contract", channels=[notifications_pb2.NOTIFICATION_CHANNEL_IN_APP]
            )
        ],
        quiet_hours=preferences_pb2.QuietHours(start="22:00", end="06:30", timezone="Africa/Lagos"),
    )
    request = preferences_pb2.UpdateNotificationPreferencesRequest(
        preferences=wanted, expected_version=1
    )
    changed = await stub.UpdateNotificationPreferences(request, metadata=person.metadata)
    assert changed.preferences.version == 2
    read = await stub.GetNotificationPreferences(
        preferences_pb2.GetNotificationPreferencesRequest(), metadata=person.metadata
    )
    assert read.preferences == changed.preferences
    again = await refused(stub.UpdateNotificationPreferences(request, metadata=person.metadata))
    assert again.reason == "VERSION_CONFLICT"
    for fault in (
        {"preferences": [{"type": "nothing.known"}]},
        {"preferences": [{"type": "contract"}, {"type": "contract"}]},
        {"quiet_hours": {"start": "22:00", "end": "06:00", "timezone": "Mars/Olympus"}},
    ):
        bad = preferences_pb2.UpdateNotificationPreferencesRequest(
            preferences=preferences_pb2.NotificationPreferences(**fault)
        )
        refusal = await refused(stub.UpdateNotificationPreferences(bad, metadata=person.metadata))
        assert refusal.reason == "INVALID_ARGUMENT"


class Mailbox:
    """Keeps what an SMTP server was given; refuses the first ones when told to."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.refusals = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refusals:
            self.refusals -= 1
            return "451 Later"
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 Kept"


@pytest.fixture
async def mailbox() -> AsyncIterator[Any]:
    box: Any = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()
    await server.wait_closed()


async def test_email_is_sent_once_and_again_after_a_failure(
    make_settings: Callable[..., Settings], clock: FakeClock, mailbox: Any
) -> None:
    """NTF-010."""
    settings = make_settings(
        smtp_url=f"smtp://127.0.0.1:{mailbox.port}", mail_from="exchange@farmgate.example"
    )
    mailbox.refusals = 1
    application = wire.build(settings, accounts=FakeAccounts(), clock=clock)
    async with running(application) as api:
        person = await api.person()
        await tell(api, about(person, api, data={"number": "7"}))
        async with asyncio.timeout(WAIT_S):
            while mailbox.refusals:
                await asyncio.sleep(0.02)
            await listed(api, person, 2)
            while not mailbox.messages:
                clock.move(1)
                await asyncio.sleep(0.05)
        reply = await listed(api, person, 2)
        email = reply.notifications[0].deliveries[1]
        async with asyncio.timeout(WAIT_S):
            while email.state != notifications_pb2.NOTIFICATION_DELIVERY_STATE_SENT:
                email = (await listed(api, person, 2)).notifications[0].deliveries[1]
        assert email.attempts == 2
    (message,) = mailbox.messages
    assert message["subject"] == "Contract 7 in force"
    assert message["to"] == person.user.email
    assert "Contract 7 is in force." in message.get_body(("plain",)).get_content()
    assert "<h2>" in message.get_body(("html",)).get_content()


async def test_without_a_mail_server_email_is_written_into_a_folder(api: Api) -> None:
    """NTF-011."""
    person = await api.person(display_name="Amara <b>Okafor</b>")
    await tell(api, about(person, api, data={"number": "8"}))
    folder = api.application.settings.data_dir / "mail"
    async with asyncio.timeout(WAIT_S):
        while not (folder.is_dir() and list(folder.glob("*.eml"))):
            await asyncio.sleep(0.05)
    (path,) = folder.glob("*.eml")
    html = message_from_bytes(path.read_bytes(), policy=policy.default).get_body(("html",))
    assert "&lt;b&gt;Okafor" in html.get_content()  # type: ignore[union-attr]
