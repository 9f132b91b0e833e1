"""Warehouse receipts.

Revision 0123.
"""

import sqlalchemy as sa
from alembic import op

revision = "0123"
down_revision = "0122"
branch_labels = None
depends_on = None

_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "warehouse_receipts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("asset", sa.String(length=48), nullable=False),
        sa.Column("quantity_minor", _BigKey, nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("crop_year", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("storage_paid_to", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("booking", sa.String(length=8), nullable=False),
        sa.Column("request_key", sa.String(length=255), nullable=False),
        sa.Column("parent_id", sa.String(length=26), nullable=False),
        sa.Column("document_cid", sa.String(length=128), nullable=False),
        sa.Column("issued_by", sa.String(length=26), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "quantity_minor > 0", name=op.f("ck_warehouse_receipts_quantity_is_positive")
        ),
        sa.CheckConstraint(
            "status IN ('ISSUED', 'PLEDGED', 'LOCKED', 'SPLIT', 'CANCELLED', 'DELIVERED')",
            name=op.f("ck_warehouse_receipts_status_is_known"),
        ),
        sa.CheckConstraint(
            "booking IN ('IN', 'DONE', 'OUT')", name=op.f("ck_warehouse_receipts_booking_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_warehouse_receipts_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["issued_by"], ["users.id"], name=op.f("fk_warehouse_receipts_issued_by_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouse_receipts")),
        sa.UniqueConstraint("number", name=op.f("uq_warehouse_receipts_number")),
    )
    for columns in (["account_id", "id"], ["asset", "status"], ["booking"]):
        op.create_index(
            op.f(f"ix_warehouse_receipts_{'_'.join(columns)}"),
            "warehouse_receipts",
            columns,
            unique=False,
        )


def downgrade() -> None:
    op.drop_table("warehouse_receipts")
