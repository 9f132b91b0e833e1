"""History of trading and the instruments' descriptions.

Revision 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Big = sa.BigInteger
_Small = sa.SmallInteger
_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "watermarks",
        sa.Column("shard", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sequence", _Big, nullable=False),
        sa.Column("time_ns", _Big, nullable=False),
        sa.PrimaryKeyConstraint("shard", name="pk_watermarks"),
    )
    _create_orders()
    _create_trades()
    _create_ledger()
    op.create_table(
        "instruments",
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("commodity_code", sa.String(32), nullable=False),
        sa.Column("grade_code", sa.String(32), nullable=False),
        sa.Column("location_code", sa.String(16), nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("calendar_code", sa.String(32), nullable=False),
        sa.Column("delivery_start", sa.String(10), nullable=False),
        sa.Column("delivery_end", sa.String(10), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("symbol", name="pk_instruments"),
    )
    op.create_table(
        "commodities",
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("category", sa.String(16), nullable=False),
        sa.Column("base_unit", sa.String(16), nullable=False),
        sa.Column("unit_mass_kg", sa.String(24), nullable=False),
        sa.Column("harvest_months", sa.String(32), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_commodities"),
    )


def downgrade() -> None:
    for table in (
        "commodities",
        "instruments",
        "ledger_entries",
        "trades",
        "orders",
        "watermarks",
    ):
        op.drop_table(table)


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", _BigKey, autoincrement=False, nullable=False),
        sa.Column("account", _Big, nullable=False),
        sa.Column("instrument", sa.Integer, nullable=False),
        sa.Column("client_order_id", sa.String(36), nullable=False),
        sa.Column("side", _Small, nullable=False),
        sa.Column("order_type", _Small, nullable=False),
        sa.Column("time_in_force", _Small, nullable=False),
        sa.Column("post_only", _Small, nullable=False),
        sa.Column("self_trade_prevention", _Small, nullable=False),
        sa.Column("price_ticks", _Big, nullable=False),
        sa.Column("quantity_lots", _Big, nullable=False),
        sa.Column("filled_lots", _Big, nullable=False),
        sa.Column("remaining_lots", _Big, nullable=False),
        sa.Column("filled_notional_ticks", _Big, nullable=False),
        sa.Column("fees_minor", _Big, nullable=False),
        sa.Column("status", _Small, nullable=False),
        sa.Column("cancel_reason", _Small, nullable=False),
        sa.Column("reject_reason", sa.String(48), nullable=False),
        sa.Column("expire_time_ns", _Big, nullable=False),
        sa.Column("create_time_ns", _Big, nullable=False),
        sa.Column("update_time_ns", _Big, nullable=False),
        sa.Column("sequence", _Big, nullable=False),
        sa.Column("version", _Big, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_account_order_id", "orders", ["account", "order_id"])


def _create_trades() -> None:
    op.create_table(
        "trades",
        sa.Column("trade_id", _BigKey, autoincrement=False, nullable=False),
        sa.Column("instrument", sa.Integer, nullable=False),
        sa.Column("price_ticks", _Big, nullable=False),
        sa.Column("quantity_lots", _Big, nullable=False),
        sa.Column("aggressor", _Small, nullable=False),
        sa.Column("maker_order", _Big, nullable=False),
        sa.Column("maker_account", _Big, nullable=False),
        sa.Column("maker_fee_minor", _Big, nullable=False),
        sa.Column("taker_order", _Big, nullable=False),
        sa.Column("taker_account", _Big, nullable=False),
        sa.Column("taker_fee_minor", _Big, nullable=False),
        sa.Column("trade_time_ns", _Big, nullable=False),
        sa.Column("sequence", _Big, nullable=False),
        sa.PrimaryKeyConstraint("trade_id", name="pk_trades"),
    )
    for column in ("instrument", "maker_account", "taker_account"):
        op.create_index(f"ix_trades_{column}_trade_id", "trades", [column, "trade_id"])


def _create_ledger() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("sequence", _BigKey, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("account", _Big, nullable=False),
        sa.Column("asset", sa.Integer, nullable=False),
        sa.Column("kind", _Small, nullable=False),
        sa.Column("total_change", _Big, nullable=False),
        sa.Column("held_change", _Big, nullable=False),
        sa.Column("total", _Big, nullable=False),
        sa.Column("held", _Big, nullable=False),
        sa.Column("reference", _Big, nullable=False),
        sa.Column("post_time_ns", _Big, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "position", name="pk_ledger_entries"),
    )
    op.create_index(
        "ix_ledger_entries_account_sequence", "ledger_entries", ["account", "sequence", "position"]
    )
