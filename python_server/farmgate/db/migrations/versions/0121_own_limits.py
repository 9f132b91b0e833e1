"""Accounts whose owners agreed on limits of their own.

Revision 0121.
"""

import sqlalchemy as sa
from alembic import op

revision = "0121"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "accounts",
        sa.Column("has_own_limits", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("accounts") as batch:
        batch.drop_column("has_own_limits")
