"""Content that is named by its hash.

Revision 0061.
"""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "content_objects",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("cid", sa.String(64), nullable=False),
        sa.Column("kept_cid", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("owner_id", sa.String(26), nullable=False),
        sa.Column("contract_id", sa.String(26), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("pin_state", sa.String(16), nullable=False),
        sa.Column("is_pin_due", sa.Boolean(), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.CheckConstraint(
            "visibility IN ('PUBLIC', 'PARTIES', 'PRIVATE')",
            name=op.f("ck_content_objects_visibility_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_content_objects"),
        sa.UniqueConstraint(
            "owner_id",
            "cid",
            "visibility",
            "contract_id",
            name="uq_content_objects_owner_id_cid_visibility_contract_id",
        ),
    )
    op.create_index("ix_content_objects_cid", "content_objects", ["cid"], unique=False)
    op.create_index("ix_content_objects_kept_cid", "content_objects", ["kept_cid"], unique=False)
    op.create_index("ix_content_objects_owner_id", "content_objects", ["owner_id"], unique=False)


def downgrade() -> None:
    op.drop_table("content_objects")
