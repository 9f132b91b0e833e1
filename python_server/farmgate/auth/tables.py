"""Tables of passwords, sessions and their tokens."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table

from farmgate.db.schema import Ulid, UtcTime, metadata

credentials: Final = Table(
    "credentials",
    metadata,
    Column("user_id", Ulid, ForeignKey("users.id"), primary_key=True),
    Column("password_hash", String(128), nullable=False),
    # Failures since the last success.
    Column("failed_count", Integer, nullable=False),
    Column("locked_until", UtcTime, nullable=True),
    Column("changed_at", UtcTime, nullable=False),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False, index=True),
    Column("device", String(64), nullable=False),
    Column("ip", String(45), nullable=False),
    Column("user_agent", String(256), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_used_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime, nullable=True, index=True),
    Column("revoke_reason", String(16), nullable=True),
)

# The tokens of a session are its refresh family: one is unused, a used one that comes again was
# stolen, then or now.
refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("session_id", Ulid, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("used_at", UtcTime, nullable=True),
)

spent_tickets: Final = Table(
    "spent_tickets",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("expires_at", UtcTime, nullable=False, index=True),
)
