"""Which parts of the demonstration are seeded.

Revision 0130.
"""

import sqlalchemy as sa
from alembic import op

revision = "0130"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "seeds",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_seeds")),
    )


def downgrade() -> None:
    """Drops the table."""
    op.drop_table("seeds")
