"""What is stated of instruments, and which limits are in force.

Revision 0195.
"""

import sqlalchemy as sa
from alembic import op

revision = "0195"
down_revision = "0180"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns."""
    with op.batch_alter_table("instruments") as table:
        table.add_column(sa.Column("terms", sa.Text(), nullable=False, server_default="{}"))
        table.add_column(sa.Column("first_trade_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("last_trade_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("daily_settlements") as table:
        table.add_column(
            sa.Column("limits_sequence", sa.BigInteger(), nullable=False, server_default="0")
        )


def downgrade() -> None:
    """Drops them."""
    with op.batch_alter_table("daily_settlements") as table:
        table.drop_column("limits_sequence")
    with op.batch_alter_table("instruments") as table:
        table.drop_column("last_trade_at")
        table.drop_column("first_trade_at")
        table.drop_column("terms")
