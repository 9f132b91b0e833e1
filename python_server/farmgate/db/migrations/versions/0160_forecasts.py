"""Models that forecast, their training, forecasts and what came of them.

Revision 0160.
"""

import sqlalchemy as sa
from alembic import op

revision = "0160"
down_revision = "0131"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)
_BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create_ai_artifacts() -> None:
    op.create_table(
        "ai_artifacts",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_ai_artifacts")),
    )


def _create_ai_forecasts() -> None:
    op.create_table(
        "ai_forecasts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("series_id", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=26), nullable=False),
        sa.Column("frequency", sa.String(length=1), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("data_cutoff", sa.String(length=10), nullable=False),
        sa.Column("last_micro", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", _Time, nullable=False),
        sa.Column("cautions", sa.String(length=100), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("walk_deviation", sa.Float(), nullable=False),
        sa.Column("naive_micro", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_forecasts")),
    )
    op.create_index(
        op.f("ix_ai_forecasts_series_id_issued_at"),
        "ai_forecasts",
        ["series_id", "issued_at"],
        unique=False,
    )


def _create_ai_models() -> None:
    op.create_table(
        "ai_models",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("family", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("frequency", sa.String(length=1), nullable=False),
        sa.Column("recipe", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("train_start", sa.String(length=10), nullable=False),
        sa.Column("data_cutoff", sa.String(length=10), nullable=False),
        sa.Column("series_count", sa.Integer(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("data_sha256", sa.String(length=64), nullable=False),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("gate_reasons", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("promoted_at", _Time, nullable=True),
        sa.Column("is_fallback", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_models")),
        sa.UniqueConstraint("version", name=op.f("uq_ai_models_version")),
    )
    op.create_index(
        op.f("ix_ai_models_frequency_status"), "ai_models", ["frequency", "status"], unique=False
    )


def _create_ai_outcomes() -> None:
    op.create_table(
        "ai_outcomes",
        sa.Column("id", _BigKey, nullable=False),
        sa.Column("model_id", sa.String(length=26), nullable=False),
        sa.Column("forecast_id", sa.String(length=26), nullable=False),
        sa.Column("series_id", sa.String(length=64), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("origin_day", sa.String(length=10), nullable=False),
        sa.Column("target_day", sa.String(length=10), nullable=False),
        sa.Column("last_micro", sa.BigInteger(), nullable=False),
        sa.Column("actual_micro", sa.BigInteger(), nullable=False),
        sa.Column("quantiles", sa.String(length=200), nullable=False),
        sa.Column("error", sa.Float(), nullable=False),
        sa.Column("error_last", sa.Float(), nullable=False),
        sa.Column("error_season", sa.Float(), nullable=True),
        sa.Column("naive", sa.Float(), nullable=False),
        sa.Column("pinball", sa.Float(), nullable=False),
        sa.Column("pinball_walk", sa.Float(), nullable=False),
        sa.Column("inside_50", sa.Integer(), nullable=False),
        sa.Column("inside_80", sa.Integer(), nullable=False),
        sa.Column("inside_95", sa.Integer(), nullable=False),
        sa.Column("width_80", sa.Float(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("resolved_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_outcomes")),
        sa.UniqueConstraint(
            "model_id",
            "forecast_id",
            "series_id",
            "origin_day",
            "step",
            name=op.f("uq_ai_outcomes_model_id_forecast_id_series_id_origin_day_step"),
        ),
    )
    op.create_index(
        op.f("ix_ai_outcomes_series_id_target_day"),
        "ai_outcomes",
        ["series_id", "target_day"],
        unique=False,
    )


def _create_ai_run_lines() -> None:
    op.create_table(
        "ai_run_lines",
        sa.Column("id", _BigKey, nullable=False),
        sa.Column("run_id", sa.String(length=26), nullable=False),
        sa.Column("at", _Time, nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_run_lines")),
    )
    op.create_index(
        op.f("ix_ai_run_lines_run_id_id"), "ai_run_lines", ["run_id", "id"], unique=False
    )


def _create_ai_runs() -> None:
    op.create_table(
        "ai_runs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("frequency", sa.String(length=1), nullable=False),
        sa.Column("symbols", sa.Text(), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.String(length=26), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("requested_by", sa.String(length=26), nullable=False),
        sa.Column("requested_at", _Time, nullable=False),
        sa.Column("started_at", _Time, nullable=True),
        sa.Column("ended_at", _Time, nullable=True),
        sa.Column("is_cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("beat_at", _Time, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_runs")),
    )
    op.create_index(op.f("ix_ai_runs_state"), "ai_runs", ["state"], unique=False)


def upgrade() -> None:
    _create_ai_artifacts()
    _create_ai_forecasts()
    _create_ai_models()
    _create_ai_outcomes()
    _create_ai_run_lines()
    _create_ai_runs()


def downgrade() -> None:
    op.drop_table("ai_runs")
    op.drop_table("ai_run_lines")
    op.drop_table("ai_outcomes")
    op.drop_table("ai_models")
    op.drop_table("ai_forecasts")
    op.drop_table("ai_artifacts")
