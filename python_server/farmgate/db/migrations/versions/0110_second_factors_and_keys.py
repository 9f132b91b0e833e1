"""Letters, second factors, recovery codes, API keys, attempts with unknown addresses.

Revision 0110.
"""

import sqlalchemy as sa
from alembic import op

revision = "0110"
down_revision = "0135"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)


def _create_unknown_sign_ins() -> None:
    op.create_table(
        "unknown_sign_ins",
        sa.Column("address_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("locked_until", _Time, nullable=True),
        sa.Column("failed_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_unknown_sign_ins")),
    )
    op.create_index(op.f("ix_unknown_sign_ins_failed_at"), "unknown_sign_ins", ["failed_at"])


def _create_letters() -> None:
    op.create_table(
        "letters",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("requested_at", _Time, nullable=False),
        sa.Column("due_at", _Time, nullable=True),
        sa.Column("expires_at", _Time, nullable=False),
        sa.Column("used_at", _Time, nullable=True),
        sa.CheckConstraint(
            "purpose IN ('VERIFY_EMAIL', 'RESET_PASSWORD')",
            name=op.f("ck_letters_purpose_is_known"),
        ),
        sa.CheckConstraint(
            "state IN ('PENDING', 'SENT', 'DROPPED')", name=op.f("ck_letters_state_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    op.create_index(op.f("ix_letters_requested_at"), "letters", ["requested_at"])
    op.create_index(op.f("ix_letters_due_at"), "letters", ["due_at"])
    op.create_index(op.f("ix_letters_email_purpose"), "letters", ["email", "purpose"])


def _create_factors() -> None:
    op.create_table(
        "mfa_factors",
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("secret", sa.LargeBinary(length=64), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", _Time, nullable=True),
        sa.Column("created_at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_mfa_factors_user_id_users")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_mfa_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("used_at", _Time, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users")
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_user_id"), "recovery_codes", ["user_id"])


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("allowed_networks", sa.Text(), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("expires_at", _Time, nullable=True),
        sa.Column("last_used_at", _Time, nullable=True),
        sa.Column("revoked_at", _Time, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    op.create_index(op.f("ix_api_keys_revoked_at"), "api_keys", ["revoked_at"])
    op.create_index(op.f("ix_api_keys_user_id_id"), "api_keys", ["user_id", "id"])


def upgrade() -> None:
    _create_unknown_sign_ins()
    _create_letters()
    _create_factors()
    _create_api_keys()


def downgrade() -> None:
    for table in ("api_keys", "recovery_codes", "mfa_factors", "letters", "unknown_sign_ins"):
        op.drop_table(table)
