"""Statements of account.

Revision 0124.
"""

import sqlalchemy as sa
from alembic import op

revision = "0124"
down_revision = "0123"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_statements",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.SmallInteger(), nullable=False),
        sa.Column("start_date", sa.String(length=10), nullable=False),
        sa.Column("end_date", sa.String(length=10), nullable=False),
        sa.Column("through_sequence", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.Text(), nullable=False),
        sa.Column("balances", sa.Text(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("trade_count", sa.Integer(), nullable=False),
        sa.Column("open_contract_count", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_statements")),
        sa.UniqueConstraint(
            "account",
            "period",
            "start_date",
            name=op.f("uq_account_statements_account_period_start_date"),
        ),
    )
    for columns in (["account", "through_sequence"], ["period", "start_date"]):
        op.create_index(
            op.f(f"ix_account_statements_{'_'.join(columns)}"),
            "account_statements",
            columns,
            unique=False,
        )


def downgrade() -> None:
    op.drop_table("account_statements")
