"""Tables of people and of who owns which trading account."""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Table,
    text,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

users: Final = Table(
    "users",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("phone", String(32), nullable=False, server_default=""),
    Column("display_name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("kyc_level", SmallInteger, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("country", String(2), nullable=False),
    Column("wallet_address", String(42), nullable=True, unique=True),
    Column("wallet_verified_at", UtcTime, nullable=True),
    Column("mfa_enabled", Boolean(create_constraint=False), nullable=False),
    Column("organization_id", Ulid, nullable=True),
    # Raised to close every session at once; tokens carry the version they were made under.
    Column("session_version", Integer, nullable=False),
    Column("sessions_closed_at", UtcTime, nullable=True, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("last_login_at", UtcTime, nullable=True),
    Column("deleted_at", UtcTime, nullable=True),
    Column("version", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("email = lower(email)", name="email_is_lower"),
    CheckConstraint("kyc_level BETWEEN 0 AND 3", name="kyc_level_in_range"),
    CheckConstraint("version >= 1", name="version_is_positive"),
    CheckConstraint(
        "role IN ('FARMER', 'TRADER', 'COOP_MANAGER', 'INSPECTOR', 'AUDITOR', 'ADMIN')",
        name="role_is_known",
    ),
    CheckConstraint(
        "status IN ('PENDING_EMAIL', 'ACTIVE', 'LOCKED', 'SUSPENDED', 'CLOSED')",
        name="status_is_known",
    ),
)

accounts: Final = Table(
    "accounts",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False, unique=True),
    # Number in the matching core; NULL until the core has opened the account.
    Column("engine_number", BigKey, nullable=True, unique=True),
    Column("created_at", UtcTime, nullable=False),
)
