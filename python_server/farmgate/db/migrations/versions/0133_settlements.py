"""Settlement prices of business days.

Revision 0133.
"""

import sqlalchemy as sa
from alembic import op

revision = "0133"
down_revision = "0132"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "daily_settlements",
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("business_date", sa.String(length=10), nullable=False),
        sa.Column("settlement_ticks", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.String(length=6), nullable=False),
        sa.Column("prior_ticks", sa.BigInteger(), nullable=False),
        sa.Column("limit_low_ticks", sa.BigInteger(), nullable=False),
        sa.Column("limit_high_ticks", sa.BigInteger(), nullable=False),
        sa.Column("next_low_ticks", sa.BigInteger(), nullable=False),
        sa.Column("next_high_ticks", sa.BigInteger(), nullable=False),
        sa.Column("hit_limit", sa.String(length=4), nullable=False),
        sa.Column("open_interest", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "business_date", name=op.f("pk_daily_settlements")),
    )


def downgrade() -> None:
    """Drops the table."""
    op.drop_table("daily_settlements")
