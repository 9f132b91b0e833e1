"""What the exchange does on the chain, and what the registries announce.

Revision 0060.
"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0003"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    _chain_operations()
    _chain_operation_users()
    _chain_transactions()
    _chain_registries()
    _chain_events()
    _chain_blocks()
    _chain_state()


def downgrade() -> None:
    for table in (
        "chain_state",
        "chain_blocks",
        "chain_events",
        "chain_registries",
        "chain_transactions",
        "chain_operation_users",
        "chain_operations",
    ):
        op.drop_table(table)


def _chain_operations() -> None:
    op.create_table(
        "chain_operations",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.String(66), nullable=False),
        sa.Column("to_address", sa.String(42), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("from_address", sa.String(42), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=True),
        sa.Column("gas_limit", sa.BigInteger(), nullable=False),
        sa.Column("max_fee_wei", sa.BigInteger(), nullable=False),
        sa.Column("tip_wei", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.String(66), nullable=False),
        sa.Column("sent_block", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.String(66), nullable=False),
        sa.Column("confirmations", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(200), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("updated_at", _Time, nullable=False),
        sa.Column("alerted_at", _Time, nullable=True),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'PINNED', 'SIGNED', 'BROADCAST', 'MINED', 'CONFIRMED', "
            "'REPLACED', 'REVERTED', 'FAILED')",
            name=op.f("ck_chain_operations_state_is_known"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_chain_operations"),
        sa.UniqueConstraint(
            "chain_id",
            "from_address",
            "nonce",
            name="uq_chain_operations_chain_id_from_address_nonce",
        ),
        sa.UniqueConstraint(
            "kind", "reference", "version", name="uq_chain_operations_kind_reference_version"
        ),
    )


def _chain_operation_users() -> None:
    op.create_table(
        "chain_operation_users",
        sa.Column("operation_id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["chain_operations.id"],
            name="fk_chain_operation_users_operation_id_chain_operations",
        ),
        sa.PrimaryKeyConstraint("operation_id", "user_id", name="pk_chain_operation_users"),
    )
    op.create_index(
        "ix_chain_operation_users_user_id", "chain_operation_users", ["user_id"], unique=False
    )


def _chain_transactions() -> None:
    op.create_table(
        "chain_transactions",
        sa.Column("hash", sa.String(66), nullable=False),
        sa.Column("operation_id", sa.String(26), nullable=True),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("from_address", sa.String(42), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("is_to_send", sa.Boolean(), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["chain_operations.id"],
            name="fk_chain_transactions_operation_id_chain_operations",
        ),
        sa.PrimaryKeyConstraint("hash", name="pk_chain_transactions"),
    )
    op.create_index(
        "ix_chain_transactions_operation_id", "chain_transactions", ["operation_id"], unique=False
    )


def _chain_registries() -> None:
    op.create_table(
        "chain_registries",
        sa.Column("address", sa.String(42), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("operation_id", sa.String(26), nullable=False),
        sa.Column("deployed_at", _Time, nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_chain_registries"),
    )


def _chain_events() -> None:
    op.create_table(
        "chain_events",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.String(66), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("transaction_hash", sa.String(66), nullable=False),
        sa.Column("address", sa.String(42), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("block_time", _Time, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_chain_events"),
        sa.UniqueConstraint(
            "block_hash", "log_index", "step", name="uq_chain_events_block_hash_log_index_step"
        ),
    )
    op.create_index("ix_chain_events_block_number", "chain_events", ["block_number"], unique=False)
    op.create_index("ix_chain_events_reference", "chain_events", ["reference"], unique=False)
    op.create_index(
        "ix_chain_events_transaction_hash", "chain_events", ["transaction_hash"], unique=False
    )


def _chain_blocks() -> None:
    op.create_table(
        "chain_blocks",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("hash", sa.String(66), nullable=False),
        sa.Column("at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_chain_blocks"),
    )


def _chain_state() -> None:
    op.create_table(
        "chain_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("is_connected", sa.Boolean(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_time", _Time, nullable=True),
        sa.Column("base_fee_wei", sa.BigInteger(), nullable=False),
        sa.Column("tip_wei", sa.BigInteger(), nullable=False),
        sa.Column("read_block", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_block", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", _Time, nullable=True),
        sa.Column("holder", sa.String(26), nullable=False),
        sa.Column("held_until", _Time, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_chain_state"),
    )
