"""Tables of the operators' own things."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

public_announcements: Final = Table(
    "public_announcements",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("body", Text, nullable=False),
    # 1 info, 2 warning, 3 critical.
    Column("severity", Integer, nullable=False),
    # Names of roles, separated by blanks; empty for everybody.
    Column("audience", String(100), nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=True),
    Column("deleted_at", UtcTime, nullable=True),
    Column("version", Integer, nullable=False),
    CheckConstraint("severity BETWEEN 1 AND 3", name="severity_is_known"),
    Index(None, "starts_at"),
)

# What a second person must agree to before it happens.
approvals: Final = Table(
    "approvals",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("resource", String(128), nullable=False),
    Column("requested_by", Ulid, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("approved_by", Ulid, nullable=True),
    UniqueConstraint("kind", "resource", "requested_at"),
    Index(None, "kind", "resource"),
)

# Reports that operators and auditors asked for, with their files for a month.
reports: Final = Table(
    "reports",
    metadata,
    Column("id", Ulid, primary_key=True),
    # Numbers of the API's enums.
    Column("kind", SmallInteger, nullable=False),
    Column("format", SmallInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("from_date", String(10), nullable=False),
    Column("to_date", String(10), nullable=False),
    Column("symbol", String(32), nullable=False),
    Column("size_bytes", BigKey, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("failure", String(200), nullable=False),
    Column("requested_by", Ulid, nullable=False),
    Column("content", LargeBinary, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint(
        "state IN ('QUEUED', 'RUNNING', 'READY', 'FAILED', 'EXPIRED')", name="state_is_known"
    ),
    Index(None, "kind", "id"),
    Index(None, "state", "expires_at"),
)
