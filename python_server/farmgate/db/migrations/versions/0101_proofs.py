"""Proofs: days of the journal that are closed, and places in it.

Revision 0101.
"""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0141"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal_days",
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_trade_id", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("cid", sa.String(length=128), nullable=False),
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("is_anchored", sa.Boolean(), nullable=False),
        sa.Column("previous_root", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("date", name=op.f("pk_journal_days")),
        sa.UniqueConstraint("first_sequence", name=op.f("uq_journal_days_first_sequence")),
    )
    op.create_table(
        "journal_marks",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_journal_marks")),
    )


def downgrade() -> None:
    op.drop_table("journal_marks")
    op.drop_table("journal_days")
