"""Tables of people and of who owns which trading account."""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
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
    # Whether its owner agreed on limits other than those of the KYC level, as market makers do.
    Column(
        "has_own_limits", Boolean(create_constraint=False), nullable=False, server_default=false()
    ),
    Column("created_at", UtcTime, nullable=False),
)

wallet_challenges: Final = Table(
    "wallet_challenges",
    metadata,
    Column("nonce", String(64), primary_key=True),
    # Who links a wallet; empty for somebody who signs in by it.
    Column("user_id", String(26), nullable=False),
    # In lower case.
    Column("address", String(42), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime, nullable=True),
    Index(None, "expires_at"),
)

farms: Final = Table(
    "farms",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("owner_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("country", String(2), nullable=False),
    Column("region", String(100), nullable=False),
    # Degrees and hectares as decimals in text: they are told as they were stated.
    Column("latitude", String(24), nullable=False),
    Column("longitude", String(24), nullable=False),
    Column("boundary", Text, nullable=False),
    Column("area_ha", String(24), nullable=False),
    Column("soil", String(100), nullable=False),
    Column("irrigation", SmallInteger, nullable=False),
    Column("storage_capacity_t", String(24), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("deleted_at", UtcTime, nullable=True),
    Column("version", Integer, nullable=False),
    Index(None, "owner_id", "name"),
)

farm_certifications: Final = Table(
    "farm_certifications",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("farm_id", Ulid, ForeignKey("farms.id"), nullable=False),
    Column("scheme", SmallInteger, nullable=False),
    Column("number", String(64), nullable=False),
    Column("valid_to", String(10), nullable=False),
    Column("document_id", String(26), nullable=False),
    Index(None, "farm_id"),
)

crop_plans: Final = Table(
    "crop_plans",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("farm_id", Ulid, ForeignKey("farms.id"), nullable=False),
    Column("commodity_code", String(48), nullable=False),
    Column("season", String(16), nullable=False),
    Column("planted_ha", String(24), nullable=False),
    Column("planted_on", String(10), nullable=False),
    Column("harvest_start", String(10), nullable=False),
    Column("harvest_end", String(10), nullable=False),
    Column("expected_yield_t_ha", String(24), nullable=False),
    Index(None, "farm_id"),
)

kyc_cases: Final = Table(
    "kyc_cases",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False),
    Column("target_level", SmallInteger, nullable=False),
    Column("status", String(16), nullable=False),
    # The form as a message, encrypted under the installation's key; NULL when it was erased.
    Column("form", LargeBinary, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("risk_score", SmallInteger, nullable=False),
    Column("assigned_to", String(26), nullable=False),
    # Who approved first, where two must.
    Column("first_approver", String(26), nullable=False),
    Column("decision_reason", String(500), nullable=False),
    Column("submitted_at", UtcTime, nullable=True),
    Column("decided_at", UtcTime, nullable=True),
    Column("expires_at", UtcTime, nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("target_level BETWEEN 1 AND 3", name="target_level_in_range"),
    CheckConstraint(
        "status IN ('DRAFT', 'SUBMITTED', 'IN_REVIEW', 'APPROVED', 'REJECTED', 'NEEDS_INFO', "
        "'EXPIRED', 'REVOKED')",
        name="status_is_known",
    ),
    Index(None, "user_id", "id"),
    Index(None, "status", "id"),
)

kyc_documents: Final = Table(
    "kyc_documents",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("case_id", Ulid, ForeignKey("kyc_cases.id"), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("size_bytes", BigKey, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("reject_code", String(64), nullable=False),
    # The document's own key, wrapped by the installation's; without it the content is noise.
    Column("wrapped_key", LargeBinary, nullable=True),
    Column("content", LargeBinary, nullable=True),
    Column("uploaded_at", UtcTime, nullable=False),
    CheckConstraint(
        "status IN ('UPLOADED', 'ACCEPTED', 'REJECTED', 'SHREDDED')", name="status_is_known"
    ),
    Index(None, "case_id"),
)

organizations: Final = Table(
    "organizations",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("name", String(200), nullable=False),
    # Number of the API's enum.
    Column("kind", SmallInteger, nullable=False),
    Column("registration_number", String(64), nullable=False),
    Column("tax_id", String(64), nullable=False),
    Column("country", String(2), nullable=False),
    Column("address", String(500), nullable=False),
    Column("kyb_status", String(16), nullable=False),
    Column("settlement_account_id", Ulid, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("country", "registration_number"),
    CheckConstraint("version >= 1", name="version_is_positive"),
)

memberships: Final = Table(
    "memberships",
    metadata,
    Column("organization_id", Ulid, ForeignKey("organizations.id"), primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), primary_key=True),
    Column("role", String(16), nullable=False),
    # Per cent as a decimal, empty for none.
    Column("share_pct", String(24), nullable=False),
    Column("status", String(16), nullable=False),
    Column("joined_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("role IN ('MANAGER', 'TRADER', 'MEMBER', 'VIEWER')", name="role_is_known"),
    CheckConstraint("status IN ('ACTIVE', 'LEFT', 'REMOVED')", name="status_is_known"),
    Index(None, "user_id", "status"),
)

organization_invitations: Final = Table(
    "organization_invitations",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("organization_id", Ulid, ForeignKey("organizations.id"), nullable=False),
    # In lower case; whether anybody has the address is nobody's business.
    Column("email", String(254), nullable=False),
    Column("role", String(16), nullable=False),
    Column("share_pct", String(24), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("role IN ('MANAGER', 'TRADER', 'MEMBER', 'VIEWER')", name="role_is_known"),
    CheckConstraint("state IN ('OPEN', 'ACCEPTED', 'DECLINED', 'REPLACED')", name="state_is_known"),
    Index(None, "email", "state"),
    Index(None, "organization_id", "state"),
)

warehouse_receipts: Final = Table(
    "warehouse_receipts",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("number", String(24), nullable=False, unique=True),
    Column("account_id", Ulid, ForeignKey("accounts.id"), nullable=False),
    # Code of the asset in the core: commodity, grade and place.
    Column("asset", String(48), nullable=False),
    # In thousandths of the unit, as the core counts.
    Column("quantity_minor", BigKey, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("crop_year", String(16), nullable=False),
    # What was measured, as JSON.
    Column("quality", Text, nullable=False),
    Column("storage_paid_to", String(10), nullable=False),
    Column("status", String(16), nullable=False),
    # Whether the core has it: IN and OUT are on their way.
    Column("booking", String(8), nullable=False),
    # Idempotency key of the call that took the goods out.
    Column("request_key", String(255), nullable=False),
    Column("parent_id", String(26), nullable=False),
    Column("document_cid", String(128), nullable=False),
    Column("issued_by", Ulid, ForeignKey("users.id"), nullable=False),
    Column("issued_at", UtcTime, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("quantity_minor > 0", name="quantity_is_positive"),
    CheckConstraint(
        "status IN ('ISSUED', 'PLEDGED', 'LOCKED', 'SPLIT', 'CANCELLED', 'DELIVERED')",
        name="status_is_known",
    ),
    CheckConstraint("booking IN ('IN', 'DONE', 'OUT')", name="booking_is_known"),
    Index(None, "account_id", "id"),
    Index(None, "asset", "status"),
    Index(None, "booking"),
)

data_exports: Final = Table(
    "data_exports",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, ForeignKey("users.id"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("size_bytes", BigKey, nullable=False),
    Column("sha256", String(64), nullable=False),
    # The archive's own key, wrapped by the installation's, and the archive; NULL until it is made
    # and once its time is over.
    Column("wrapped_key", LargeBinary, nullable=True),
    Column("content", LargeBinary, nullable=True),
    Column("requested_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint(
        "state IN ('QUEUED', 'RUNNING', 'READY', 'FAILED', 'EXPIRED')", name="state_is_known"
    ),
    Index(None, "state", "expires_at"),
)
