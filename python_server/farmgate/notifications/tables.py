"""Tables of what people are told, and how."""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

notifications: Final = Table(
    "notifications",
    metadata,
    Column("id", Ulid, primary_key=True),
    # The order in which they were told; streams resume after it.
    Column("sequence", BigKey, nullable=False, unique=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("type", String(64), nullable=False),
    # 1 info, 2 success, 3 warning, 4 critical.
    Column("severity", Integer, nullable=False),
    Column("title", String(200), nullable=False),
    Column("body", String(1000), nullable=False),
    Column("data", Text, nullable=False),
    Column("about", String(128), nullable=False),
    Column("read_at", UtcTime, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("severity BETWEEN 1 AND 4", name="severity_is_known"),
    Index(None, "user_id", "sequence"),
    Index(None, "user_id", "type", "about"),
    Index(None, "expires_at"),
)

deliveries: Final = Table(
    "notification_deliveries",
    metadata,
    Column("notification_id", Ulid, ForeignKey("notifications.id"), primary_key=True),
    # 2 e-mail, 3 webhook; in-app needs no delivery.
    Column("channel", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_at", UtcTime, nullable=True),
    # NULL when nothing is to be done any more.
    Column("due_at", UtcTime, nullable=True),
    # Whether it goes out in one message with others that are due.
    Column("is_gathered", Boolean, nullable=False, server_default=false()),
    CheckConstraint("state IN ('PENDING', 'SENT', 'FAILED', 'SUPPRESSED')", name="state_is_known"),
    Index(None, "due_at"),
)

preferences: Final = Table(
    "notification_preferences",
    metadata,
    Column("user_id", Ulid, ForeignKey("users.id"), primary_key=True),
    # The message of the API, serialized.
    Column("document", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
)

webhooks: Final = Table(
    "webhooks",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("url", String(2048), nullable=False),
    # Names of types, categories or "*", separated by blanks.
    Column("events", Text, nullable=False),
    Column("description", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("failure_count", Integer, nullable=False),
    # When failures began that have not ended; NULL while all is well.
    Column("failing_since", UtcTime, nullable=True),
    # Secrets, encrypted; the older one counts until it expires.
    Column("secret", LargeBinary, nullable=False),
    Column("old_secret", LargeBinary, nullable=True),
    Column("old_expires_at", UtcTime, nullable=True),
    Column("last_delivery_at", UtcTime, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("state IN ('ACTIVE', 'PAUSED', 'DISABLED')", name="state_is_known"),
    Index(None, "user_id"),
)

webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("webhook_id", Ulid, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    # Name of the event to its receiver: the same at every attempt.
    Column("event_id", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("error", String(200), nullable=False),
    Column("attempt_at", UtcTime, nullable=True),
    Column("due_at", UtcTime, nullable=True),
    CheckConstraint(
        "state IN ('PENDING', 'DELIVERED', 'RETRYING', 'FAILED')", name="state_is_known"
    ),
    Index(None, "webhook_id", "id"),
    Index(None, "due_at"),
)
