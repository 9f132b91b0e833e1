"""Webhooks: signed, retried, rotated, and never into the own network of a production."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from farmgate.api.notifications.v1 import webhooks_pb2, webhooks_pb2_grpc
from farmgate.app.settings import Settings
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.notifications.courier import WebhookCourier
from farmgate.notifications.webhook_logic import SecretBox
from farmgate.ports.clock import FakeClock
from support import Api, SignedIn, refused

WAIT_S = 20.0


class Receiver:
    """A server that keeps what it is sent and answers as told."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.splitlines()[1:]
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines) if k}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        status = self.answers.pop(0) if self.answers else 200
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    def is_signed(self, number: int, secret: str) -> bool:
        headers, body = self.requests[number]
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return f"v1,{mac}" in headers["webhook-signature"].split()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"  # type: ignore[attr-defined]
    yield found
    server.close()
    await server.wait_closed()


def stub_of(api: Api) -> Any:
    return webhooks_pb2_grpc.WebhookServiceStub(api.channel)


async def made(api: Api, person: SignedIn, url: str, *events: str) -> Any:
    request = webhooks_pb2.CreateWebhookRequest(url=url, events=events or ("contract",))
    return await stub_of(api).CreateWebhook(request, metadata=person.metadata)


async def deliveries(api: Api, person: SignedIn, webhook_id: str) -> Any:
    request = webhooks_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook_id)
    reply = await stub_of(api).ListWebhookDeliveries(request, metadata=person.metadata)
    return reply.deliveries


async def received(receiver: Receiver, count: int, clock: FakeClock) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(receiver.requests) < count:
            clock.move(10)
            await asyncio.sleep(0.05)


async def test_a_receiver_that_fails_thrice_gets_the_event_on_the_fourth_attempt(
    api: Api, clock: FakeClock, receiver: Any
) -> None:
    """NTF-020: scenario A17."""
    person = await api.person()
    hook = await made(api, person, receiver.url)
    receiver.answers = [500, 503, 404, 200]
    told = Announcement(
        "contract.active", clock.now(), user_id=person.user.user_id, data={"number": "7"}
    )
    await api.application.base.database.write(lambda tx: announce(tx, told))
    await received(receiver, 4, clock)
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert all(receiver.is_signed(n, hook.secret) for n in range(4))
    assert json.loads(receiver.requests[3][1])["data"] == {"number": "7"}
    async with asyncio.timeout(WAIT_S):
        while True:
            (delivery,) = await deliveries(api, person, hook.webhook.webhook_id)
            if delivery.state == webhooks_pb2.WEBHOOK_DELIVERY_STATE_DELIVERED:
                break
            await asyncio.sleep(0.02)
    assert (delivery.attempt, delivery.status_code) == (4, 200)
    assert len(receiver.requests) == 4


async def test_secrets_rotate_and_both_count_for_a_day(
    api: Api, clock: FakeClock, receiver: Any
) -> None:
    """NTF-021."""
    person = await api.person()
    hook = await made(api, person, receiver.url, "*")
    webhook_id = hook.webhook.webhook_id
    rotate = webhooks_pb2.RotateWebhookSecretRequest(webhook_id=webhook_id)
    rotated = await stub_of(api).RotateWebhookSecret(rotate, metadata=person.metadata)
    test = webhooks_pb2.TestWebhookRequest(webhook_id=webhook_id)
    await stub_of(api).TestWebhook(test, metadata=person.metadata)
    await received(receiver, 1, clock)
    assert receiver.is_signed(0, hook.secret)
    assert receiver.is_signed(0, rotated.secret)
    clock.move(24 * 3_600)
    person = SignedIn(person.user, await api.log_in(person.user.email))
    await stub_of(api).TestWebhook(test, metadata=person.metadata)
    await received(receiver, 2, clock)
    assert not receiver.is_signed(1, hook.secret)
    assert receiver.is_signed(1, rotated.secret)


async def test_who_is_gone_is_disabled_and_its_owner_told(
    api: Api, clock: FakeClock, receiver: Any
) -> None:
    """NTF-022."""
    person = await api.person()
    hook = await made(api, person, receiver.url, "*")
    receiver.answers = [410]
    test = webhooks_pb2.TestWebhookRequest(webhook_id=hook.webhook.webhook_id)
    await stub_of(api).TestWebhook(test, metadata=person.metadata)
    await received(receiver, 1, clock)
    request = webhooks_pb2.ListWebhooksRequest()
    async with asyncio.timeout(WAIT_S):
        while True:
            reply = await stub_of(api).ListWebhooks(request, metadata=person.metadata)
            if reply.webhooks[0].state == webhooks_pb2.WEBHOOK_STATE_DISABLED:
                break
            await asyncio.sleep(0.02)
    change = webhooks_pb2.UpdateWebhookRequest(
        webhook_id=hook.webhook.webhook_id, is_paused=False, description="again"
    )
    changed = await stub_of(api).UpdateWebhook(change, metadata=person.metadata)
    assert changed.webhook.state == webhooks_pb2.WEBHOOK_STATE_ACTIVE
    assert changed.webhook.failure_count == 0
    found = (await deliveries(api, person, hook.webhook.webhook_id))[0]
    again = webhooks_pb2.RedeliverWebhookRequest(
        webhook_id=hook.webhook.webhook_id, delivery_id=found.delivery_id
    )
    sent = await stub_of(api).RedeliverWebhook(again, metadata=person.metadata)
    assert sent.delivery.event_id == found.event_id
    await received(receiver, 2, clock)


async def test_bad_webhooks_are_refused(api: Api) -> None:
    """NTF-023."""
    person, stranger = await api.person(), await api.person()
    for url in ("ftp://example.com", "https://user:pw@example.com", "http://", "https://[::1", "x"):
        assert (await refused(made(api, person, url))).reason == "WEBHOOK_URL_FORBIDDEN", url
    refusal = await refused(made(api, person, "https://example.com", "nothing.known"))
    assert refusal.reason == "INVALID_ARGUMENT"
    for _ in range(10):
        hook = await made(api, person, "https://example.com/hook")
    assert (await refused(made(api, person, "https://example.com"))).reason == "WEBHOOK_LIMIT"
    drop = webhooks_pb2.DeleteWebhookRequest(webhook_id=hook.webhook.webhook_id)
    call = stub_of(api).DeleteWebhook
    assert (await refused(call(drop, metadata=stranger.metadata))).reason == "NOT_FOUND"
    await call(drop, metadata=person.metadata)
    assert (await refused(call(drop, metadata=person.metadata))).reason == "NOT_FOUND"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["93.184.215.14", "192.168.0.1"],
        ["::1"],
        ["169.254.169.254"],
        [],
    ],
)
async def test_production_calls_no_private_address(addresses: list[str]) -> None:
    """NTF-024."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return addresses

    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was called.")

    client = httpx.AsyncClient(transport=httpx.MockTransport(never))
    courier = WebhookCourier(
        None, SecretBox(bytes(32)), FakeClock(), client,  # type: ignore[arg-type]
        may_be_private=False, resolve=resolve,
    )  # fmt: skip
    webhook: Any = type("Webhook", (), {"url": "https://inside.example/hook"})()
    with pytest.raises(DomainError, match="WEBHOOK_URL_FORBIDDEN"):
        await courier._call(None, webhook)  # type: ignore[arg-type]
    await client.aclose()


def test_production_takes_https_only(make_settings: Callable[..., Settings]) -> None:
    """NTF-024."""
    from farmgate.notifications.rules import checked_url  # noqa: PLC0415 - Only here.

    assert checked_url("https://example.com/hook", may_be_private=False)
    with pytest.raises(DomainError):
        checked_url("http://example.com/hook", may_be_private=False)
