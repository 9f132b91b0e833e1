"""The journal of the matching core in the database, for servers that share it.

Revision 0180.
"""

import sqlalchemy as sa
from alembic import op

revision = "0180"
down_revision = "0126"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal_leases",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_journal_leases")),
    )
    op.create_table(
        "journal_groups",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("command_count", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "first_sequence", name=op.f("pk_journal_groups")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Records do not get smaller: compressing them would only hold up the group.
        op.execute("ALTER TABLE journal_groups ALTER COLUMN frame SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("journal_groups")
    op.drop_table("journal_leases")
