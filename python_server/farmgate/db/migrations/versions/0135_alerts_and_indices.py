"""Price alerts and indices.

Revision 0135.
"""

import sqlalchemy as sa
from alembic import op

revision = "0135"
down_revision = "0134"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "price_alerts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("condition", sa.SmallInteger(), nullable=False),
        sa.Column("threshold_micro", sa.BigInteger(), nullable=False),
        sa.Column("high_micro", sa.BigInteger(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.SmallInteger(), nullable=False),
        sa.Column("cooldown_s", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("armed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fire_count", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_alerts")),
    )
    op.create_index(op.f("ix_price_alerts_status"), "price_alerts", ["status", "source", "symbol"])
    op.create_index(op.f("ix_price_alerts_user_id"), "price_alerts", ["user_id", "id"])
    op.create_table(
        "alert_watermarks",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_alert_watermarks")),
    )
    op.create_table(
        "market_indices",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("base_date", sa.String(length=10), nullable=False),
        sa.Column("base_value_centi", sa.BigInteger(), nullable=False),
        sa.Column("constituents", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_market_indices")),
    )


def downgrade() -> None:
    """Drops the tables."""
    for table in ("market_indices", "alert_watermarks", "price_alerts"):
        op.drop_table(table)
