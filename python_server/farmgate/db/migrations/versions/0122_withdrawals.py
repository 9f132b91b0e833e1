"""Withdrawals, counted against the limit of their day.

Revision 0122.
"""

import sqlalchemy as sa
from alembic import op

revision = "0122"
down_revision = "0121"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.String(length=48), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("request_key", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_withdrawals_amount_is_positive")),
        sa.CheckConstraint(
            "state IN ('PENDING', 'DONE', 'REFUSED')", name=op.f("ck_withdrawals_state_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
        sa.UniqueConstraint(
            "user_id", "request_key", name=op.f("uq_withdrawals_user_id_request_key")
        ),
    )
    op.create_index(
        op.f("ix_withdrawals_account_asset_day"),
        "withdrawals",
        ["account", "asset", "day"],
        unique=False,
    )
    op.create_index(
        op.f("ix_withdrawals_state_created_at"),
        "withdrawals",
        ["state", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("withdrawals")
