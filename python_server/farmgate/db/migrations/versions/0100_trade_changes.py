"""Trades that are taken back, corrected, reviewed, or agreed outside the book.

Revision 0100.
"""

import sqlalchemy as sa
from alembic import op

revision = "0100"
down_revision = "0133"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)
_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TRADES = (
    ("maker_deposit_minor", sa.BigInteger, "0"),
    ("taker_deposit_minor", sa.BigInteger, "0"),
    ("status", sa.SmallInteger, "1"),
)
_NUMBERS = (
    "old_price_ticks", "old_quantity_lots", "new_price_ticks", "new_quantity_lots",
    "buyer_fee_minor", "seller_fee_minor", "change_time_ns", "sequence",
)  # fmt: skip


def upgrade() -> None:
    with op.batch_alter_table("trades") as trades:
        for name, kind, default in _TRADES:
            trades.add_column(sa.Column(name, kind, nullable=False, server_default=default))
    with op.batch_alter_table("orders") as orders:
        column = sa.Column("accept_sequence", sa.BigInteger, nullable=False, server_default="0")
        orders.add_column(column)
    op.create_table(
        "trade_changes",
        sa.Column("trade_id", _BigKey, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _NUMBERS),
        sa.Column("in_candles", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("trade_id", name="pk_trade_changes"),
    )
    op.create_table(
        "trade_reviews",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=26), nullable=False),
        sa.Column("requested_at", _Time, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trade_reviews"),
        sa.UniqueConstraint(
            "trade_id", "requested_by", name="uq_trade_reviews_trade_id_requested_by"
        ),
    )
    op.create_table(
        "block_reports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("instrument", sa.Integer(), nullable=False),
        sa.Column("price_ticks", sa.BigInteger(), nullable=False),
        sa.Column("quantity_lots", sa.BigInteger(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("counterparty", sa.BigInteger(), nullable=False),
        sa.Column("reported_by", sa.String(length=26), nullable=False),
        sa.Column("reported_at", _Time, nullable=False),
        sa.Column("expires_at", _Time, nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_block_reports"),
    )
    op.create_index(
        "ix_block_reports_counterparty_trade_id", "block_reports", ["counterparty", "trade_id"]
    )


def downgrade() -> None:
    op.drop_index("ix_block_reports_counterparty_trade_id", table_name="block_reports")
    op.drop_table("block_reports")
    op.drop_table("trade_reviews")
    op.drop_table("trade_changes")
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("accept_sequence")
    with op.batch_alter_table("trades") as trades:
        for name, *_ in reversed(_TRADES):
            trades.drop_column(name)
