"""What operators need to know, and e-mail that is gathered.

Revision 0141.
"""

import sqlalchemy as sa
from alembic import op

revision = "0141"
down_revision = "0150"
branch_labels = None
depends_on = None

_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "operator_events",
        sa.Column("sequence", _BigKey, nullable=False),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("about", sa.String(length=128), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_operator_events")),
        sa.UniqueConstraint("id", name=op.f("uq_operator_events_id")),
    )
    op.create_index(op.f("ix_operator_events_type_about"), "operator_events", ["type", "about"])
    op.create_index(op.f("ix_operator_events_at"), "operator_events", ["at"])
    with op.batch_alter_table("notification_deliveries") as table:
        table.add_column(
            sa.Column("is_gathered", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    with op.batch_alter_table("notification_deliveries") as table:
        table.drop_column("is_gathered")
    op.drop_table("operator_events")
