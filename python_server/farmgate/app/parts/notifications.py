"""Notifications' part in the process."""

from typing import Final

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.blockchain import Opened
from farmgate.db.outbox import Announcement, announce
from farmgate.jobs.feed import Feed
from farmgate.jobs.periodic import Periodic
from farmgate.notifications import operator_store
from farmgate.notifications.courier import Postman, WebhookCourier
from farmgate.notifications.dispatch import Dispatch
from farmgate.notifications.logic import Inbox, Preferences
from farmgate.notifications.service import (
    NotificationEventServicer,
    NotificationPreferenceServicer,
    NotificationServicer,
    NotificationStreamServicer,
    Stream,
)
from farmgate.notifications.store import last_sequence
from farmgate.notifications.webhook_logic import SecretBox, Webhooks
from farmgate.notifications.webhook_service import WebhookServicer
from farmgate.ports.mail import MailFolder, SmtpServer

_DISPATCH_S: Final = 0.25
_COURIER_S: Final = 1.0
_PURGE_S: Final = 3_600.0
_KEY_BYTES: Final = 32
_TOPIC: Final = "notifications"


def part(base: Base, opened: Opened | None = None) -> Part:
    """Returns inbox, preferences and webhooks, and what brings notifications to people.

    Args:
        base: What it builds on.
        opened: The chain, whose operations that wait too long admins are told of.
    """
    if opened is not None:
        opened.alerts.append(lambda tx, operation_id: _stalled(base, tx, operation_id))
    settings, database, clock = base.settings, base.database, base.clock
    feed = _feed(base)
    inbox = Inbox(database, clock)
    stream = Stream(inbox, feed)
    box = SecretBox(_key(base.secrets.key))
    may_be_private = not settings.is_production
    webhooks = Webhooks(database, box, clock, base.ids, may_be_private=may_be_private)
    address = settings.smtp_url.get_secret_value()
    mailer = SmtpServer(address) if address else MailFolder(settings.data_dir / "mail")
    postman = Postman(database, base.users, mailer, clock, settings.mail_from)
    client = httpx.AsyncClient(trust_env=False)
    courier = WebhookCourier(database, box, clock, client, may_be_private=may_be_private)
    dispatch = Dispatch(
        database, base.users, clock, base.ids, told=lambda: base.bus.publish(_TOPIC, b"")
    )
    return Part(
        servicers=[
            NotificationServicer(inbox, stream, base.pager),
            NotificationEventServicer(stream),
            NotificationPreferenceServicer(Preferences(database)),
            WebhookServicer(webhooks, base.pager),
        ],
        components=[
            feed,
            _Client(client),
            Periodic("notifications", _DISPATCH_S, dispatch.run),
            Periodic("e-mail", _COURIER_S, postman.run),
            Periodic("webhooks", _COURIER_S, courier.run),
            Periodic("old notifications", _PURGE_S, dispatch.purge),
        ],
    )


def streams(base: Base) -> Part:
    """Returns the streams of notifications, for processes that do nothing else."""
    feed = _feed(base)
    stream = Stream(Inbox(base.database, base.clock), feed)
    return Part(
        servicers=[NotificationStreamServicer(stream), NotificationEventServicer(stream)],
        components=[feed],
    )


def _feed(base: Base) -> Feed:
    """Returns what tells streams of new notifications: by the bus at once, else when it looks."""
    return _poked(base, Feed("notifications", lambda: base.database.read(last_sequence)))


def operators_feed(base: Base) -> Feed:
    """Returns what tells streams of new events for operators."""
    newest = operator_store.last_sequence
    return _poked(base, Feed("operator events", lambda: base.database.read(newest)))


def _poked(base: Base, feed: Feed) -> Feed:
    base.bus.listen(_TOPIC, lambda _: feed.poke())
    return feed


def _stalled(base: Base, connection: Connection, operation_id: str) -> None:
    told = Announcement(
        "admin.chain_stalled", base.clock.now(), role="ADMIN", about=operation_id,
        data={"operation_id": operation_id},
    )  # fmt: skip
    announce(connection, told)


class _Client:
    """Closes the client of webhooks with the process."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Closes its connections."""
        await self._client.aclose()


def _key(secret: bytes) -> bytes:
    derivation = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=b"farmgate webhooks")
    return derivation.derive(secret)
