"""Brings notifications to mailboxes and webhooks: again after a failure, less and less often.

A process that dies between sending and noting it sends again: the message's ID and the event's
name are the same, so that the receiver knows it.
"""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Connection

from farmgate.api.notifications.v1 import preferences_pb2
from farmgate.db import outbox
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement
from farmgate.errors import DomainError
from farmgate.notifications import rules, store, webhook_store
from farmgate.notifications.catalogue import EMAIL
from farmgate.notifications.letters import letter
from farmgate.notifications.store import Notification
from farmgate.notifications.webhook_logic import SecretBox
from farmgate.notifications.webhook_store import Webhook, WebhookDelivery
from farmgate.ports.clock import Clock
from farmgate.ports.mail import Mailer
from farmgate.telemetry.logs import logger
from farmgate.users.facade import User, Users

_BATCH: Final = 20
# Notifications of one message.
_GATHERED_MAX: Final = 200
_WEBHOOK_TIMEOUT_S: Final = 10.0
_GONE: Final = 410
_ERROR_LENGTH: Final = 200
_log = logger(__name__)


class _Letter(NamedTuple):
    """What goes out in one message, and to whom."""

    told: list[Notification]
    attempts: int
    user: User | None
    locale: str


Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Postman:
    """Sends the e-mail that is due.

    Args:
        database: Where it waits.
        users: Who has which address.
        mailer: Sends it.
        clock: Tells the time.
        sender: Address it comes from.
    """

    def __init__(
        self, database: Database, users: Users, mailer: Mailer, clock: Clock, sender: str
    ) -> None:
        self._database = database
        self._users = users
        self._mailer = mailer
        self._clock = clock
        self._sender = sender

    async def run(self) -> None:
        """Sends all that is due."""
        while due := await self._database.read(self._due):
            for one in due:
                await self._send(*one)
            if len(due) < _BATCH:
                break
        while gathered := await self._database.read(self._gathered):
            await self._send(*gathered)

    def _due(self, connection: Connection) -> list[_Letter]:
        found = store.due(connection, EMAIL, self._clock.now(), _BATCH)
        return [self._letter(connection, [one], attempts) for one, attempts in found]

    def _gathered(self, connection: Connection) -> _Letter | None:
        found = store.gathered(connection, EMAIL, self._clock.now(), _GATHERED_MAX)
        if not found:
            return None
        return self._letter(connection, [one for one, _ in found], found[0][1])

    def _letter(self, connection: Connection, told: list[Notification], attempts: int) -> _Letter:
        user_id = told[0].user_id
        user = self._users.by_id(connection, user_id)
        document = store.preferences_of(connection, user_id)[0]
        wished = preferences_pb2.NotificationPreferences.FromString(document).locale
        return _Letter(told, attempts, user, wished or (user.locale if user else ""))

    async def _send(
        self, told: list[Notification], attempts: int, user: User | None, locale: str
    ) -> None:
        now = self._clock.now()
        one = told[0]
        attempts += 1
        state, due_at = "SENT", None
        try:
            if user is None:
                raise DomainError("NOT_FOUND", resource="user", id=one.user_id)  # noqa: TRY301 - Told below, as other failures are.
            await self._mailer.send(letter(told, user, self._sender, locale))
        except DomainError as error:
            due_at = rules.retry_at(now, attempts, random.uniform(0.8, 1.2))  # noqa: S311 - It spreads load.
            if error.reason != "DEPENDENCY_DOWN":
                due_at = None
            state = "PENDING" if due_at else "FAILED"
            _log.info("e-mail not sent", notification=one.id, reason=error.reason)

        def note(connection: Connection) -> None:
            for each in told:
                store.delivered(
                    connection, each.id, EMAIL, state=state, attempts=attempts, last_at=now,
                    due_at=due_at,
                )  # fmt: skip

        await self._database.write(note)


class WebhookCourier:
    """Calls webhooks with what is due to them, signed as Standard Webhooks has it.

    Args:
        database: Where it waits.
        box: Opens the secrets.
        clock: Tells the time.
        client: Makes the calls.
        may_be_private: Whether addresses of the own network are called.
        resolve: Returns the addresses of a host.
    """

    def __init__(
        self, database: Database, box: SecretBox, clock: Clock, client: httpx.AsyncClient, *,
        may_be_private: bool, resolve: Resolve | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._box = box
        self._clock = clock
        self._client = client
        self._may_be_private = may_be_private
        self._resolve = resolve or _resolved

    async def run(self) -> None:
        """Makes the calls that are due, those to different webhooks at once."""
        now = self._clock.now()
        due = await self._database.read(lambda tx: webhook_store.due(tx, now, _BATCH))
        by_webhook: dict[str, list[tuple[WebhookDelivery, Webhook]]] = {}
        for delivery, webhook in due:
            by_webhook.setdefault(webhook.id, []).append((delivery, webhook))
        await asyncio.gather(*map(self._in_turn, by_webhook.values()))

    async def _in_turn(self, waiting: list[tuple[WebhookDelivery, Webhook]]) -> None:
        for delivery, webhook in waiting:
            await self._deliver(delivery, webhook)

    async def _deliver(self, delivery: WebhookDelivery, webhook: Webhook) -> None:
        started = time.monotonic()
        status, error = 0, ""
        try:
            status = await self._call(delivery, webhook)
        except DomainError as refusal:
            error = refusal.reason
        except httpx.HTTPError as failure:
            error = type(failure).__name__
        latency_ms = int((time.monotonic() - started) * 1_000)
        await self._database.write(
            lambda tx: self._note(tx, delivery, status, error[:_ERROR_LENGTH], latency_ms)
        )

    async def _call(self, delivery: WebhookDelivery, webhook: Webhook) -> int:
        parts = urlsplit(webhook.url)
        if not self._may_be_private:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            if not rules.are_public(await self._resolve(parts.hostname or "", port)):
                raise DomainError("WEBHOOK_URL_FORBIDDEN")
        now = self._clock.now()
        stamp = int(now.timestamp())
        kept = [webhook.secret]
        if webhook.old_secret and webhook.old_expires_at and webhook.old_expires_at > now:
            kept.append(webhook.old_secret)
        signatures = (
            rules.signature(self._box.open(one), delivery.event_id, stamp, delivery.body)
            for one in kept
        )
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(signatures),
        }
        # The answer's body is nobody's business: only its head is read.
        async with self._client.stream(
            "POST", webhook.url, content=delivery.body, headers=headers,
            timeout=_WEBHOOK_TIMEOUT_S, follow_redirects=False,
        ) as answer:  # fmt: skip
            return answer.status_code

    def _note(
        self, connection: Connection, delivery: WebhookDelivery, status: int, error: str,
        latency_ms: int,
    ) -> None:  # fmt: skip
        now = self._clock.now()
        webhook = webhook_store.webhook(connection, delivery.webhook_id)
        if webhook is None:
            return
        attempt = delivery.attempt + 1
        is_good = 200 <= status < 300  # noqa: PLR2004 - HTTP's class of success.
        due_at = None
        if not is_good and status != _GONE:
            due_at = rules.retry_at(now, attempt, random.uniform(0.8, 1.2))  # noqa: S311 - It spreads load.
        state = "DELIVERED" if is_good else "RETRYING" if due_at else "FAILED"
        webhook_store.set_delivery(
            connection, delivery.id, state=state, attempt=attempt, status_code=status,
            latency_ms=latency_ms, error=error, attempt_at=now, due_at=due_at,
        )  # fmt: skip
        changed = _after(webhook, now, is_good=is_good, is_gone=status == _GONE)
        webhook_store.replace_webhook(connection, changed)
        if changed.state == "DISABLED":
            told = Announcement(
                "webhook.disabled", now, user_id=webhook.user_id, about=webhook.id,
                data={"url": webhook.url, "webhook_id": webhook.id},
            )  # fmt: skip
            outbox.announce(connection, told)


def _after(webhook: Webhook, now: datetime, *, is_good: bool, is_gone: bool) -> Webhook:
    if is_good:
        return replace(webhook, failure_count=0, failing_since=None, last_delivery_at=now)
    since = webhook.failing_since or now
    is_over = is_gone or now - since >= rules.DISABLED_AFTER
    return replace(
        webhook,
        failure_count=webhook.failure_count + 1,
        failing_since=since,
        state="DISABLED" if is_over else webhook.state,
    )


async def _resolved(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]) for entry in found]
