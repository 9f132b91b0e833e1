"""What is open beside a contract, how one ended, and the trade it came of.

Revision 0150.
"""

import sqlalchemy as sa
from alembic import op

revision = "0150"
down_revision = "0124"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds the table and the columns; rows that are there have none of it."""
    op.create_table(
        "contract_matters",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contract_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", _Time, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contracts.id"], name="fk_contract_matters_contract_id_contracts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_contract_matters"),
    )
    op.create_index(
        "ix_contract_matters_contract_id_kind_id", "contract_matters", ["contract_id", "kind", "id"]
    )
    op.create_index("ix_contract_matters_state_due_at", "contract_matters", ["state", "due_at"])
    op.add_column("contracts", sa.Column("outcome", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "contracts",
        sa.Column("source_trade_id", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.create_index("ix_contracts_source_trade_id", "contracts", ["source_trade_id"])
    op.add_column(
        "contract_statements",
        sa.Column("is_last", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    """Takes both away again."""
    op.drop_column("contract_statements", "is_last")
    op.drop_index("ix_contracts_source_trade_id", table_name="contracts")
    op.drop_column("contracts", "source_trade_id")
    op.drop_column("contracts", "outcome")
    op.drop_table("contract_matters")
