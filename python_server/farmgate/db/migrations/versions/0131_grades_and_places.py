"""Grades, discount schedules and places of delivery.

Revision 0131.
"""

import sqlalchemy as sa
from alembic import op

revision = "0131"
down_revision = "0140"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "grades",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("commodity_code", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("standard", sa.String(length=16), nullable=False),
        sa.Column("specs", sa.Text(), nullable=False),
        sa.Column("schedule_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grades")),
    )
    op.create_table(
        "discount_schedules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("commodity_code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.String(length=10), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_schedules")),
    )
    op.create_table(
        "locations",
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("latitude", sa.String(length=12), nullable=False),
        sa.Column("longitude", sa.String(length=12), nullable=False),
        sa.Column("timezone", sa.String(length=40), nullable=False),
        sa.Column("capacity_t", sa.Integer(), nullable=False),
        sa.Column("freight_differential_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_locations")),
    )


def downgrade() -> None:
    """Drops the tables."""
    for table in ("locations", "discount_schedules", "grades"):
        op.drop_table(table)
