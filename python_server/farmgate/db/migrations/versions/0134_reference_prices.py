"""Reference series, what sources told of them, and the runs that brought it.

Revision 0134.
"""

import sqlalchemy as sa
from alembic import op

revision = "0134"
down_revision = "0100"
branch_labels = None
depends_on = None

_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create_runs() -> None:
    op.create_table(
        "ingestion_runs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("page_count", sa.Integer(), nullable=False),
        sa.Column("stored_count", sa.Integer(), nullable=False),
        sa.Column("unchanged_count", sa.Integer(), nullable=False),
        sa.Column("quarantined_count", sa.Integer(), nullable=False),
        sa.Column("rejected_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ingestion_runs")),
    )
    op.create_index(op.f("ix_ingestion_runs_source_id"), "ingestion_runs", ["source_id", "id"])
    op.create_table(
        "ingestion_rejects",
        sa.Column("id", _BigKey, nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ingestion_rejects")),
    )
    op.create_index(op.f("ix_ingestion_rejects_run_id"), "ingestion_rejects", ["run_id"])
    op.create_table(
        "series_gaps",
        sa.Column("series_id", sa.String(length=64), nullable=False),
        sa.Column("missing_on", sa.String(length=10), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("series_id", "missing_on", name=op.f("pk_series_gaps")),
    )


def upgrade() -> None:
    """Adds the tables, and what of the core processes without one need."""
    for column in (
        sa.Column("tick_size_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.String(length=16), server_default="", nullable=False),
    ):
        op.add_column("instruments", column)
    op.create_table(
        "reference_series",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("commodity_code", sa.String(length=32), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("frequency", sa.String(length=8), nullable=False),
        sa.Column("calendar_code", sa.String(length=32), nullable=False),
        sa.Column("is_reference", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_series")),
    )
    op.create_table(
        "price_observations",
        sa.Column("series_id", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("valid_on", sa.String(length=10), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value_micro", sa.BigInteger(), nullable=False),
        sa.Column("source_value_micro", sa.BigInteger(), nullable=False),
        sa.Column("source_unit", sa.String(length=16), nullable=False),
        sa.Column("source_currency", sa.String(length=3), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("quality", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("ingested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(
            "series_id", "source_id", "valid_on", "revision", name=op.f("pk_price_observations")
        ),
    )
    op.create_index(
        op.f("ix_price_observations_series_id_status"),
        "price_observations",
        ["series_id", "status", "valid_on"],
    )
    _create_runs()


def downgrade() -> None:
    """Drops the tables."""
    for table in (
        "series_gaps", "ingestion_rejects", "ingestion_runs", "price_observations",
        "reference_series",
    ):  # fmt: skip
        op.drop_table(table)
    for name in ("currency", "tick_size_micro"):
        op.drop_column("instruments", name)
