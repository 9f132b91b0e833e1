"""Tables of passwords, sessions and their tokens."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

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

# Attempts with addresses that nobody has, so that these are locked as others are: what is told of
# an address does not show whether it is known.
unknown_sign_ins: Final = Table(
    "unknown_sign_ins",
    metadata,
    # Keyed hash: who reads the table does not learn the addresses.
    Column("address_hash", LargeBinary(32), primary_key=True),
    Column("failed_count", Integer, nullable=False),
    Column("locked_until", UtcTime, nullable=True),
    Column("failed_at", UtcTime, nullable=False, index=True),
)

# Requests for e-mail that proves who reads a mailbox. A row is written whether or not the address
# is known; the token is made of the row's ID when the letter is sent, and kept nowhere.
letters: Final = Table(
    "letters",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("email", String(254), nullable=False),
    # Who had the address when the letter was sent.
    Column("user_id", Ulid, nullable=True),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("requested_at", UtcTime, nullable=False, index=True),
    Column("due_at", UtcTime, nullable=True, index=True),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime, nullable=True),
    CheckConstraint("purpose IN ('VERIFY_EMAIL', 'RESET_PASSWORD')", name="purpose_is_known"),
    CheckConstraint("state IN ('PENDING', 'SENT', 'DROPPED')", name="state_is_known"),
    Index(None, "email", "purpose"),
)

mfa_factors: Final = Table(
    "mfa_factors",
    metadata,
    Column("user_id", Ulid, ForeignKey("users.id"), primary_key=True),
    # Encrypted under the installation's key, bound to the user.
    Column("secret", LargeBinary(64), nullable=False),
    # Time step of the last code that was taken: a code is good once.
    Column("last_step", BigInteger, nullable=False),
    Column("confirmed_at", UtcTime, nullable=True),
    Column("created_at", UtcTime, nullable=False),
)

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False, index=True),
    Column("used_at", UtcTime, nullable=True),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    # Space-separated, as the networks are.
    Column("scopes", String(64), nullable=False),
    Column("allowed_networks", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=True),
    Column("last_used_at", UtcTime, nullable=True),
    Column("revoked_at", UtcTime, nullable=True, index=True),
    Index(None, "user_id", "id"),
)
