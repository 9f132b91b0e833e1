"""Notifications, preferences and webhooks as messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.notifications.v1 import notifications_pb2, webhooks_pb2
from farmgate.notifications.catalogue import IN_APP
from farmgate.notifications.store import Notification
from farmgate.notifications.webhook_store import Webhook, WebhookDelivery
from farmgate.users.messages import timestamp


def maybe(at: datetime | None) -> Timestamp | None:
    """Returns the message of a time, or None."""
    return timestamp(at) if at else None


def notification_message(one: Notification) -> notifications_pb2.Notification:
    """Returns the message of a notification."""
    message = notifications_pb2.Notification(
        notification_id=one.id,
        type=one.type,
        severity=notifications_pb2.NotificationSeverity.ValueType(one.severity),
        title=one.title,
        body=one.body,
        data_json=one.data,
        is_read=one.read_at is not None,
        read_time=maybe(one.read_at),
        create_time=timestamp(one.created_at),
        expire_time=timestamp(one.expires_at),
    )
    # It is in the inbox by being there.
    message.deliveries.add(
        channel=notifications_pb2.NotificationChannel.ValueType(IN_APP),
        state=notifications_pb2.NOTIFICATION_DELIVERY_STATE_SENT,
        attempts=1,
        last_attempt_time=timestamp(one.created_at),
    )
    for sent in one.deliveries:
        message.deliveries.add(
            channel=notifications_pb2.NotificationChannel.ValueType(sent.channel),
            state=notifications_pb2.NotificationDeliveryState.Value(
                f"NOTIFICATION_DELIVERY_STATE_{sent.state}"
            ),
            attempts=sent.attempts,
            last_attempt_time=maybe(sent.last_at),
        )
    return message


def webhook_message(one: Webhook) -> webhooks_pb2.Webhook:
    """Returns the message of a webhook, without its secrets."""
    return webhooks_pb2.Webhook(
        webhook_id=one.id,
        url=one.url,
        events=one.events,
        description=one.description,
        state=webhooks_pb2.WebhookState.Value(f"WEBHOOK_STATE_{one.state}"),
        failure_count=one.failure_count,
        secret_count=2 if one.old_secret else 1,
        last_delivery_time=maybe(one.last_delivery_at),
        create_time=timestamp(one.created_at),
        version=one.version,
    )


def delivery_message(one: WebhookDelivery) -> webhooks_pb2.WebhookDelivery:
    """Returns the message of a delivery to a webhook."""
    return webhooks_pb2.WebhookDelivery(
        delivery_id=one.id,
        webhook_id=one.webhook_id,
        event_id=one.event_id,
        event_type=one.type,
        state=webhooks_pb2.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{one.state}"),
        attempt=one.attempt,
        status_code=one.status_code,
        latency_ms=one.latency_ms,
        error=one.error,
        attempt_time=maybe(one.attempt_at),
        next_attempt_time=maybe(one.due_at),
    )
