"""People, sessions, kept replies and the audit log.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)
_Ulid = sa.String(26)
_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_users()
    _create_sessions()
    op.create_table(
        "kept_replies",
        sa.Column("caller", sa.String(32), nullable=False),
        sa.Column("method", sa.String(128), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("holder", _Ulid, nullable=False),
        sa.Column("claimed_until", _Time, nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("caller", "method", "key", name="pk_kept_replies"),
    )
    op.create_index("ix_kept_replies_created_at", "kept_replies", ["created_at"])
    op.create_table(
        "audit_log",
        sa.Column("sequence", _BigKey, autoincrement=False, nullable=False),
        sa.Column("at", _Time, nullable=False),
        sa.Column("actor", sa.String(26), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("action", sa.String(96), nullable=False),
        sa.Column("resource", sa.String(128), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_actor_sequence", "audit_log", ["actor", "sequence"])
    op.create_index("ix_audit_log_resource_sequence", "audit_log", ["resource", "sequence"])


def downgrade() -> None:
    for table in (
        "audit_log",
        "kept_replies",
        "spent_tickets",
        "refresh_tokens",
        "sessions",
        "credentials",
        "accounts",
        "users",
    ):
        op.drop_table(table)


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", _Ulid, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("phone", sa.String(32), nullable=False, server_default=""),
        sa.Column("display_name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("kyc_level", sa.SmallInteger, nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("wallet_address", sa.String(42), nullable=True),
        sa.Column("wallet_verified_at", _Time, nullable=True),
        sa.Column("mfa_enabled", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("organization_id", _Ulid, nullable=True),
        sa.Column("session_version", sa.Integer, nullable=False),
        sa.Column("sessions_closed_at", _Time, nullable=True),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("last_login_at", _Time, nullable=True),
        sa.Column("deleted_at", _Time, nullable=True),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("wallet_address", name="uq_users_wallet_address"),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_is_lower")),
        sa.CheckConstraint("kyc_level BETWEEN 0 AND 3", name=op.f("ck_users_kyc_level_in_range")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_users_version_is_positive")),
        sa.CheckConstraint(
            "role IN ('FARMER', 'TRADER', 'COOP_MANAGER', 'INSPECTOR', 'AUDITOR', 'ADMIN')",
            name=op.f("ck_users_role_is_known"),
        ),
        sa.CheckConstraint(
            "status IN ('PENDING_EMAIL', 'ACTIVE', 'LOCKED', 'SUSPENDED', 'CLOSED')",
            name=op.f("ck_users_status_is_known"),
        ),
    )
    op.create_index("ix_users_sessions_closed_at", "users", ["sessions_closed_at"])
    op.create_table(
        "accounts",
        sa.Column("id", _Ulid, nullable=False),
        sa.Column("user_id", _Ulid, nullable=False),
        sa.Column("engine_number", _BigKey, nullable=True),
        sa.Column("created_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_accounts_user_id_users"),
        sa.UniqueConstraint("user_id", name="uq_accounts_user_id"),
        sa.UniqueConstraint("engine_number", name="uq_accounts_engine_number"),
    )


def _create_sessions() -> None:
    op.create_table(
        "credentials",
        sa.Column("user_id", _Ulid, nullable=False),
        sa.Column("password_hash", sa.String(128), nullable=False),
        sa.Column("failed_count", sa.Integer, nullable=False),
        sa.Column("locked_until", _Time, nullable=True),
        sa.Column("changed_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_credentials"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_credentials_user_id_users"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", _Ulid, nullable=False),
        sa.Column("user_id", _Ulid, nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(256), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("last_used_at", _Time, nullable=False),
        sa.Column("expires_at", _Time, nullable=False),
        sa.Column("revoked_at", _Time, nullable=True),
        sa.Column("revoke_reason", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id_users"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_revoked_at", "sessions", ["revoked_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("session_id", _Ulid, nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("used_at", _Time, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_refresh_tokens_session_id_sessions"
        ),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.create_table(
        "spent_tickets",
        sa.Column("id", _Ulid, nullable=False),
        sa.Column("expires_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spent_tickets"),
    )
    op.create_index("ix_spent_tickets_expires_at", "spent_tickets", ["expires_at"])
