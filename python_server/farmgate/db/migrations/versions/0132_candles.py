"""Candles, and the numbers of instruments.

Revision 0132.
"""

import sqlalchemy as sa
from alembic import op

revision = "0132"
down_revision = "0160"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables and the column."""
    op.create_table(
        "candles",
        sa.Column("instrument", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("interval", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("open_time_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open_ticks", sa.BigInteger(), nullable=False),
        sa.Column("high_ticks", sa.BigInteger(), nullable=False),
        sa.Column("low_ticks", sa.BigInteger(), nullable=False),
        sa.Column("close_ticks", sa.BigInteger(), nullable=False),
        sa.Column("volume_lots", sa.BigInteger(), nullable=False),
        sa.Column("notional_ticks", sa.BigInteger(), nullable=False),
        sa.Column("trade_count", sa.BigInteger(), nullable=False),
        sa.Column("first_trade", sa.BigInteger(), nullable=False),
        sa.Column("last_trade", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instrument", "interval", "open_time_s", name=op.f("pk_candles")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "candle_watermarks",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_candle_watermarks")),
    )
    op.add_column(
        "instruments", sa.Column("number", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_column("instruments", "number")
    op.drop_table("candle_watermarks")
    op.drop_table("candles")
