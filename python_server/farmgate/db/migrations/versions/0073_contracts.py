"""Forward contracts, their events, deliveries, statements and transfers.

Revision 0073.
"""

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)
_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create_contracts() -> None:
    op.create_table(
        "contracts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("template_code", sa.String(length=48), nullable=False),
        sa.Column("seller_id", sa.String(length=26), nullable=False),
        sa.Column("buyer_id", sa.String(length=26), nullable=False),
        sa.Column("seller_wallet", sa.String(length=42), nullable=False),
        sa.Column("buyer_wallet", sa.String(length=42), nullable=False),
        sa.Column("creator", sa.SmallInteger(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("canonical", sa.Text(), nullable=False),
        sa.Column("terms_hash", sa.String(length=66), nullable=False),
        sa.Column("terms_cid", sa.String(length=64), nullable=False),
        sa.Column("commodity_code", sa.String(length=48), nullable=False),
        sa.Column("origin_farm_id", sa.String(length=26), nullable=False),
        sa.Column("quantity", sa.String(length=24), nullable=False),
        sa.Column("delivered_quantity", sa.String(length=24), nullable=False),
        sa.Column("priced_quantity", sa.String(length=24), nullable=False),
        sa.Column("delivery_start", sa.String(length=10), nullable=False),
        sa.Column("delivery_end", sa.String(length=10), nullable=False),
        sa.Column("sign_by", _Time, nullable=True),
        sa.Column("signed_at", _Time, nullable=True),
        sa.Column("chain_status", sa.String(length=16), nullable=False),
        sa.Column("transaction_hash", sa.String(length=66), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("seller_deposit_minor", sa.BigInteger(), nullable=False),
        sa.Column("buyer_deposit_minor", sa.BigInteger(), nullable=False),
        sa.Column("seller_held_minor", sa.BigInteger(), nullable=False),
        sa.Column("buyer_held_minor", sa.BigInteger(), nullable=False),
        sa.Column("settle_agreed", sa.SmallInteger(), nullable=False),
        sa.Column("cancel_agreed", sa.SmallInteger(), nullable=False),
        sa.Column("is_closed_short", sa.Boolean(), nullable=False),
        sa.Column("cancel_reason", sa.String(length=32), nullable=False),
        sa.Column("cancelled_at", _Time, nullable=True),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("updated_at", _Time, nullable=False),
        sa.CheckConstraint(
            "state IN ('DRAFT', 'PENDING_SIGNATURE', 'SIGNED', 'ACTIVE', 'SETTLED', 'CANCELLED')",
            name=op.f("ck_contracts_state_is_known"),
        ),
        sa.CheckConstraint("seller_id <> buyer_id", name=op.f("ck_contracts_parties_differ")),
        sa.ForeignKeyConstraint(
            ["buyer_id"], ["users.id"], name=op.f("fk_contracts_buyer_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["users.id"], name=op.f("fk_contracts_seller_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
        sa.UniqueConstraint("number", name=op.f("uq_contracts_number")),
    )
    op.create_index(op.f("ix_contracts_buyer_id_id"), "contracts", ["buyer_id", "id"], unique=False)


def _index_contracts() -> None:
    op.create_index(
        op.f("ix_contracts_seller_id_id"), "contracts", ["seller_id", "id"], unique=False
    )
    op.create_index(op.f("ix_contracts_state"), "contracts", ["state"], unique=False)
    op.create_index(op.f("ix_contracts_terms_hash"), "contracts", ["terms_hash"], unique=False)


def _create_contract_events() -> None:
    op.create_table(
        "contract_events",
        sa.Column("sequence", _BigKey, autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.String(length=26), nullable=False),
        sa.Column("actor_party", sa.SmallInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("transaction_hash", sa.String(length=66), nullable=False),
        sa.Column("at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_contract_events_contract_id_contracts")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_contract_events")),
        sa.UniqueConstraint("id", name=op.f("uq_contract_events_id")),
    )
    op.create_index(
        op.f("ix_contract_events_contract_id_sequence"),
        "contract_events",
        ["contract_id", "sequence"],
        unique=False,
    )


def _create_contract_fixations() -> None:
    op.create_table(
        "contract_fixations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("leg", sa.SmallInteger(), nullable=False),
        sa.Column("quantity", sa.String(length=24), nullable=False),
        sa.Column("value", sa.String(length=24), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("method", sa.SmallInteger(), nullable=False),
        sa.Column("fixed_by", sa.String(length=26), nullable=False),
        sa.Column("at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_fixations_contract_id_contracts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_fixations")),
    )
    op.create_index(
        op.f("ix_contract_fixations_contract_id_id"),
        "contract_fixations",
        ["contract_id", "id"],
        unique=False,
    )


def _create_contract_signatures() -> None:
    op.create_table(
        "contract_signatures",
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("party", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("wallet", sa.String(length=42), nullable=False),
        sa.Column("digest", sa.String(length=66), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("scheme", sa.SmallInteger(), nullable=False),
        sa.Column("signed_at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_signatures_contract_id_contracts"),
        ),
        sa.PrimaryKeyConstraint(
            "contract_id", "version", "party", name=op.f("pk_contract_signatures")
        ),
    )


def _create_contract_statements() -> None:
    op.create_table(
        "contract_statements",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("agreed", sa.SmallInteger(), nullable=False),
        sa.Column("object_by", _Time, nullable=False),
        sa.Column("issued_at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_statements_contract_id_contracts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_statements")),
        sa.UniqueConstraint(
            "contract_id", "number", name=op.f("uq_contract_statements_contract_id_number")
        ),
    )
    op.create_index(
        op.f("ix_contract_statements_state_object_by"),
        "contract_statements",
        ["state", "object_by"],
        unique=False,
    )


def _create_contract_transfers() -> None:
    op.create_table(
        "contract_transfers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("reference", sa.String(length=26), nullable=False),
        sa.Column("from_account", sa.BigInteger(), nullable=False),
        sa.Column("to_account", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.String(length=32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("refusal", sa.String(length=48), nullable=False),
        sa.Column("due_at", _Time, nullable=True),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'TAKEN', 'DONE', 'DROPPED')",
            name=op.f("ck_contract_transfers_state_is_known"),
        ),
        sa.CheckConstraint(
            "amount_minor > 0", name=op.f("ck_contract_transfers_amount_is_positive")
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("fk_contract_transfers_contract_id_contracts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_transfers")),
        sa.UniqueConstraint(
            "contract_id",
            "kind",
            "reference",
            name=op.f("uq_contract_transfers_contract_id_kind_reference"),
        ),
    )
    op.create_index(
        op.f("ix_contract_transfers_due_at"), "contract_transfers", ["due_at"], unique=False
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("applied_quantity", sa.String(length=24), nullable=False),
        sa.Column("accept_by", _Time, nullable=True),
        sa.Column("statement_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name=op.f("fk_deliveries_contract_id_contracts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("contract_id", "ticket", name=op.f("uq_deliveries_contract_id_ticket")),
    )
    op.create_index(
        op.f("ix_deliveries_state_accept_by"), "deliveries", ["state", "accept_by"], unique=False
    )


def upgrade() -> None:
    _create_contracts()
    _index_contracts()
    _create_contract_events()
    _create_contract_fixations()
    _create_contract_signatures()
    _create_contract_statements()
    _create_contract_transfers()
    _create_deliveries()


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("contract_transfers")
    op.drop_table("contract_statements")
    op.drop_table("contract_signatures")
    op.drop_table("contract_fixations")
    op.drop_table("contract_events")
    op.drop_table("contracts")
