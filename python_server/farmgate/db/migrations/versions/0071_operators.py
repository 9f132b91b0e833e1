"""Settings, announcements and approvals of operators; reasons in the audit log.

Revision 0071.
"""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)


def _create_approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("resource", sa.String(length=128), nullable=False),
        sa.Column("requested_by", sa.String(length=26), nullable=False),
        sa.Column("requested_at", _Time, nullable=False),
        sa.Column("expires_at", _Time, nullable=False),
        sa.Column("approved_by", sa.String(length=26), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint(
            "kind", "resource", "requested_at", name=op.f("uq_approvals_kind_resource_requested_at")
        ),
    )
    op.create_index(
        op.f("ix_approvals_kind_resource"), "approvals", ["kind", "resource"], unique=False
    )


def _create_public_announcements() -> None:
    op.create_table(
        "public_announcements",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=100), nullable=False),
        sa.Column("starts_at", _Time, nullable=False),
        sa.Column("ends_at", _Time, nullable=True),
        sa.Column("deleted_at", _Time, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "severity BETWEEN 1 AND 3", name=op.f("ck_public_announcements_severity_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_announcements")),
    )
    op.create_index(
        op.f("ix_public_announcements_starts_at"),
        "public_announcements",
        ["starts_at"],
        unique=False,
    )


def _create_system_config() -> None:
    op.create_table(
        "system_config",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("effective_at", _Time, nullable=False),
        sa.Column("changed_by", sa.String(length=26), nullable=False),
        sa.Column("changed_at", _Time, nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("key", "version", name=op.f("pk_system_config")),
    )


def _widen_audit_log() -> None:
    with op.batch_alter_table("audit_log") as table:
        table.add_column(sa.Column("reason", sa.String(500), server_default="", nullable=False))
        table.add_column(sa.Column("detail", sa.Text(), server_default="", nullable=False))


def upgrade() -> None:
    _widen_audit_log()
    _create_approvals()
    _create_public_announcements()
    _create_system_config()


def downgrade() -> None:
    op.drop_table("system_config")
    op.drop_table("public_announcements")
    op.drop_table("approvals")
    with op.batch_alter_table("audit_log") as table:
        table.drop_column("detail")
        table.drop_column("reason")
