"""Organisations, who belongs to them, and who is invited.

Revision 0120.
"""

import sqlalchemy as sa
from alembic import op

revision = "0120"
down_revision = "0130"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)
_ROLE = "role IN ('MANAGER', 'TRADER', 'MEMBER', 'VIEWER')"


def _create_organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("registration_number", sa.String(length=64), nullable=False),
        sa.Column("tax_id", sa.String(length=64), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column("kyb_status", sa.String(length=16), nullable=False),
        sa.Column("settlement_account_id", sa.String(length=26), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_organizations_version_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint(
            "country",
            "registration_number",
            name=op.f("uq_organizations_country_registration_number"),
        ),
    )


def _create_memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("share_pct", sa.String(length=24), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("joined_at", _Time, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(_ROLE, name=op.f("ck_memberships_role_is_known")),
        sa.CheckConstraint(
            "status IN ('ACTIVE', 'LEFT', 'REMOVED')", name=op.f("ck_memberships_status_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_memberships_organization_id_organizations"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_memberships_user_id_users")
        ),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name=op.f("pk_memberships")),
    )
    op.create_index(
        op.f("ix_memberships_user_id_status"), "memberships", ["user_id", "status"], unique=False
    )


def _create_invitations() -> None:
    op.create_table(
        "organization_invitations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("organization_id", sa.String(length=26), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("share_pct", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("expires_at", _Time, nullable=False),
        sa.CheckConstraint(_ROLE, name=op.f("ck_organization_invitations_role_is_known")),
        sa.CheckConstraint(
            "state IN ('OPEN', 'ACCEPTED', 'DECLINED', 'REPLACED')",
            name=op.f("ck_organization_invitations_state_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_organization_invitations_organization_id_organizations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_invitations")),
    )
    op.create_index(
        op.f("ix_organization_invitations_email_state"),
        "organization_invitations",
        ["email", "state"],
        unique=False,
    )
    op.create_index(
        op.f("ix_organization_invitations_organization_id_state"),
        "organization_invitations",
        ["organization_id", "state"],
        unique=False,
    )


def upgrade() -> None:
    _create_organizations()
    _create_memberships()
    _create_invitations()


def downgrade() -> None:
    op.drop_table("organization_invitations")
    op.drop_table("memberships")
    op.drop_table("organizations")
