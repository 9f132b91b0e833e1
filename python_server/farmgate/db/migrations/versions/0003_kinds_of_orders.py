"""What stops, icebergs and auctions add to the history of trading.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ORDERS = (
    ("stop_price_ticks", sa.BigInteger),
    ("display_lots", sa.BigInteger),
    ("min_lots", sa.BigInteger),
    ("reduce_only", sa.SmallInteger),
)


def upgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        for name, kind in _ORDERS:
            orders.add_column(sa.Column(name, kind, nullable=False, server_default="0"))
    with op.batch_alter_table("trades") as trades:
        column = sa.Column("kind", sa.SmallInteger, nullable=False, server_default="1")
        trades.add_column(column)


def downgrade() -> None:
    with op.batch_alter_table("trades") as trades:
        trades.drop_column("kind")
    with op.batch_alter_table("orders") as orders:
        for name, _ in _ORDERS:
            orders.drop_column(name)
