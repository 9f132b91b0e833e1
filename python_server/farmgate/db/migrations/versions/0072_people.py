"""Wallet challenges, farms, and KYC cases with their documents.

Revision 0072.
"""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)
_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create_wallet_challenges() -> None:
    op.create_table(
        "wallet_challenges",
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("expires_at", _Time, nullable=False),
        sa.Column("used_at", _Time, nullable=True),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_wallet_challenges")),
    )
    op.create_index(
        op.f("ix_wallet_challenges_expires_at"), "wallet_challenges", ["expires_at"], unique=False
    )


def _create_farms() -> None:
    op.create_table(
        "farms",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("owner_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("region", sa.String(length=100), nullable=False),
        sa.Column("latitude", sa.String(length=24), nullable=False),
        sa.Column("longitude", sa.String(length=24), nullable=False),
        sa.Column("boundary", sa.Text(), nullable=False),
        sa.Column("area_ha", sa.String(length=24), nullable=False),
        sa.Column("soil", sa.String(length=100), nullable=False),
        sa.Column("irrigation", sa.SmallInteger(), nullable=False),
        sa.Column("storage_capacity_t", sa.String(length=24), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("deleted_at", _Time, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_farms_owner_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_farms")),
    )
    op.create_index(op.f("ix_farms_owner_id_name"), "farms", ["owner_id", "name"], unique=False)


def _create_kyc_cases() -> None:
    op.create_table(
        "kyc_cases",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("target_level", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("form", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("risk_score", sa.SmallInteger(), nullable=False),
        sa.Column("assigned_to", sa.String(length=26), nullable=False),
        sa.Column("first_approver", sa.String(length=26), nullable=False),
        sa.Column("decision_reason", sa.String(length=500), nullable=False),
        sa.Column("submitted_at", _Time, nullable=True),
        sa.Column("decided_at", _Time, nullable=True),
        sa.Column("expires_at", _Time, nullable=True),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'SUBMITTED', 'IN_REVIEW', 'APPROVED', 'REJECTED', "
            "'NEEDS_INFO', 'EXPIRED', 'REVOKED')",
            name=op.f("ck_kyc_cases_status_is_known"),
        ),
        sa.CheckConstraint(
            "target_level BETWEEN 1 AND 3", name=op.f("ck_kyc_cases_target_level_in_range")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_kyc_cases_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_cases")),
    )
    op.create_index(op.f("ix_kyc_cases_status_id"), "kyc_cases", ["status", "id"], unique=False)
    op.create_index(op.f("ix_kyc_cases_user_id_id"), "kyc_cases", ["user_id", "id"], unique=False)


def _create_crop_plans() -> None:
    op.create_table(
        "crop_plans",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("farm_id", sa.String(length=26), nullable=False),
        sa.Column("commodity_code", sa.String(length=48), nullable=False),
        sa.Column("season", sa.String(length=16), nullable=False),
        sa.Column("planted_ha", sa.String(length=24), nullable=False),
        sa.Column("planted_on", sa.String(length=10), nullable=False),
        sa.Column("harvest_start", sa.String(length=10), nullable=False),
        sa.Column("harvest_end", sa.String(length=10), nullable=False),
        sa.Column("expected_yield_t_ha", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["farm_id"], ["farms.id"], name=op.f("fk_crop_plans_farm_id_farms")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crop_plans")),
    )
    op.create_index(op.f("ix_crop_plans_farm_id"), "crop_plans", ["farm_id"], unique=False)


def _create_farm_certifications() -> None:
    op.create_table(
        "farm_certifications",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("farm_id", sa.String(length=26), nullable=False),
        sa.Column("scheme", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("valid_to", sa.String(length=10), nullable=False),
        sa.Column("document_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(
            ["farm_id"], ["farms.id"], name=op.f("fk_farm_certifications_farm_id_farms")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_farm_certifications")),
    )
    op.create_index(
        op.f("ix_farm_certifications_farm_id"), "farm_certifications", ["farm_id"], unique=False
    )


def _create_kyc_documents() -> None:
    op.create_table(
        "kyc_documents",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", _BigKey, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("reject_code", sa.String(length=64), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("uploaded_at", _Time, nullable=False),
        sa.CheckConstraint(
            "status IN ('UPLOADED', 'ACCEPTED', 'REJECTED', 'SHREDDED')",
            name=op.f("ck_kyc_documents_status_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["kyc_cases.id"], name=op.f("fk_kyc_documents_case_id_kyc_cases")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kyc_documents")),
    )
    op.create_index(op.f("ix_kyc_documents_case_id"), "kyc_documents", ["case_id"], unique=False)


def upgrade() -> None:
    _create_wallet_challenges()
    _create_farms()
    _create_kyc_cases()
    _create_crop_plans()
    _create_farm_certifications()
    _create_kyc_documents()


def downgrade() -> None:
    op.drop_table("kyc_documents")
    op.drop_table("farm_certifications")
    op.drop_table("crop_plans")
    op.drop_table("kyc_cases")
    op.drop_table("farms")
    op.drop_table("wallet_challenges")
