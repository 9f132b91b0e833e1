"""Queries of webhooks and of what goes to them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from farmgate.db import outbox
from farmgate.notifications import catalogue
from farmgate.notifications.store import Notification, plain
from farmgate.notifications.tables import webhook_deliveries, webhooks
from farmgate.ports.ids import Ids


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told.

    Attributes:
        events: Names of types, categories or "*".
        state: ACTIVE, PAUSED or DISABLED.
        secret: The secret, encrypted.
        old_secret: The one before, encrypted, while it counts.
    """

    id: str
    user_id: str
    url: str
    events: tuple[str, ...]
    description: str
    state: str
    failure_count: int
    failing_since: datetime | None
    secret: bytes
    old_secret: bytes | None
    old_expires_at: datetime | None
    last_delivery_at: datetime | None
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event on its way to one address.

    Attributes:
        state: PENDING, DELIVERED, RETRYING or FAILED.
        status_code: HTTP status of the last attempt; 0 for none.
    """

    id: str
    webhook_id: str
    event_id: str
    type: str
    body: str
    state: str
    attempt: int
    status_code: int
    latency_ms: int
    error: str
    attempt_at: datetime | None
    due_at: datetime | None


def insert_webhook(connection: Connection, webhook: Webhook) -> None:
    """Stores a new webhook."""
    connection.execute(insert(webhooks).values(**_values(webhook)))


def replace_webhook(connection: Connection, webhook: Webhook) -> None:
    """Stores a webhook over the one of its ID."""
    connection.execute(
        update(webhooks).where(webhooks.c.id == webhook.id).values(**_values(webhook))
    )


def remove_webhook(connection: Connection, webhook_id: str) -> None:
    """Removes a webhook with what was to go to it."""
    connection.execute(
        delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
    )
    connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


def webhook(connection: Connection, webhook_id: str) -> Webhook | None:
    """Returns a webhook."""
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).first()
    return None if row is None else _webhook(row)


def webhook_page(
    connection: Connection, user_id: str | None, *, after: str, limit: int
) -> list[Webhook]:
    """Returns somebody's webhooks, or everybody's with None, oldest first."""
    query = select(webhooks).where(webhooks.c.id > after)
    if user_id is not None:
        query = query.where(webhooks.c.user_id == user_id)
    return [_webhook(row) for row in connection.execute(query.order_by(webhooks.c.id).limit(limit))]


def webhook_count(connection: Connection, user_id: str) -> int:
    """Returns how many webhooks somebody has."""
    query = select(func.count()).select_from(webhooks).where(webhooks.c.user_id == user_id)
    return connection.execute(query).scalar() or 0


def queue(connection: Connection, notification: Notification, ids: Ids, now: datetime) -> None:
    """Queues a notification for the webhooks of its reader that asked for it."""
    query = select(webhooks).where(
        webhooks.c.user_id == notification.user_id, webhooks.c.state == "ACTIVE"
    )
    for row in connection.execute(query).all():
        if any(catalogue.matches(name, notification.type) for name in row.events.split()):
            body = outbox.text_of(
                {
                    "type": notification.type,
                    "timestamp": now.isoformat().replace("+00:00", "Z"),
                    "data": plain(notification.data),
                }
            )
            queue_body(
                connection, row.id, f"evt_{notification.id}", notification.type, body,
                delivery_id=ids.ulid(), now=now,
            )  # fmt: skip


def queue_body(
    connection: Connection, webhook_id: str, event_id: str, type_: str, body: str, *,
    delivery_id: str, now: datetime,
) -> WebhookDelivery:  # fmt: skip
    """Queues a body for a webhook and returns the delivery."""
    delivery = WebhookDelivery(
        delivery_id, webhook_id, event_id, type_, body, "PENDING", 0, 0, 0, "", None, now
    )
    connection.execute(
        insert(webhook_deliveries).values(
            **{name: getattr(delivery, name) for name in WebhookDelivery.__slots__}
        )
    )
    return delivery


def due(connection: Connection, now: datetime, limit: int) -> list[tuple[WebhookDelivery, Webhook]]:
    """Returns deliveries to active webhooks that are due, oldest first."""
    table = webhook_deliveries.c
    query = (
        select(webhook_deliveries)
        .join(webhooks, webhooks.c.id == table.webhook_id)
        .where(table.due_at <= now, webhooks.c.state == "ACTIVE")
        .order_by(table.due_at)
        .limit(limit)
    )
    found = [_delivery(row) for row in connection.execute(query).all()]
    targets = {one.webhook_id: webhook(connection, one.webhook_id) for one in found}
    return [(one, target) for one in found if (target := targets[one.webhook_id])]


def set_delivery(connection: Connection, delivery_id: str, **values: Any) -> None:
    """Stores how a delivery went."""
    connection.execute(
        update(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id).values(**values)
    )


def delivery(connection: Connection, webhook_id: str, delivery_id: str) -> WebhookDelivery | None:
    """Returns a delivery of a webhook."""
    table = webhook_deliveries.c
    query = select(webhook_deliveries).where(
        table.id == delivery_id, table.webhook_id == webhook_id
    )
    row = connection.execute(query).first()
    return None if row is None else _delivery(row)


def delivery_page(
    connection: Connection, webhook_id: str, *, state: str, before: str, limit: int
) -> list[WebhookDelivery]:
    """Returns deliveries of a webhook, newest first."""
    table = webhook_deliveries.c
    query = select(webhook_deliveries).where(table.webhook_id == webhook_id)
    if before:
        query = query.where(table.id < before)
    if state:
        query = query.where(table.state == state)
    return [
        _delivery(row) for row in connection.execute(query.order_by(table.id.desc()).limit(limit))
    ]


def _values(one: Webhook) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in Webhook.__slots__}
    return values | {"events": " ".join(one.events)}


def _webhook(row: Row[Any]) -> Webhook:
    values = {name: getattr(row, name) for name in Webhook.__slots__}
    return Webhook(**values | {"events": tuple(row.events.split())})


def _delivery(row: Row[Any]) -> WebhookDelivery:
    return WebhookDelivery(**{name: getattr(row, name) for name in WebhookDelivery.__slots__})
