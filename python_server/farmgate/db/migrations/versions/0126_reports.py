"""Reports of operators.

Revision 0126.
"""

import sqlalchemy as sa
from alembic import op

revision = "0126"
down_revision = "0125"
branch_labels = None
depends_on = None

_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("format", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("from_date", sa.String(length=10), nullable=False),
        sa.Column("to_date", sa.String(length=10), nullable=False),
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("size_bytes", _BigKey, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("failure", sa.String(length=200), nullable=False),
        sa.Column("requested_by", sa.String(length=26), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'RUNNING', 'READY', 'FAILED', 'EXPIRED')",
            name=op.f("ck_reports_state_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    for columns in (["kind", "id"], ["state", "expires_at"]):
        op.create_index(op.f(f"ix_reports_{'_'.join(columns)}"), "reports", columns, unique=False)


def downgrade() -> None:
    op.drop_table("reports")
