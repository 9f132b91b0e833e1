"""Models, their training, forecasts and what came of them."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

ai_artifacts: Final = Table(
    "ai_artifacts",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

ai_models: Final = Table(
    "ai_models",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("family", String(32), nullable=False),
    Column("version", String(64), nullable=False),
    Column("frequency", String(1), nullable=False),
    Column("recipe", String(64), nullable=False),
    # CANDIDATE, CHAMPION, RETIRED or REJECTED.
    Column("status", String(16), nullable=False),
    Column("train_start", String(10), nullable=False),
    Column("data_cutoff", String(10), nullable=False),
    Column("series_count", Integer, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("data_sha256", String(64), nullable=False),
    Column("artifact_sha256", String(64), nullable=False),
    # Figures of the backtest and reasons of the gate, as JSON.
    Column("metrics", Text, nullable=False),
    Column("gate_reasons", Text, nullable=False),
    Column("run_id", Ulid, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("promoted_at", UtcTime, nullable=True),
    # Whether member C is left out, because the model did worse than a random walk.
    Column("is_fallback", Boolean, nullable=False),
    UniqueConstraint("version"),
    Index(None, "frequency", "status"),
)

ai_runs: Final = Table(
    "ai_runs",
    metadata,
    Column("id", Ulid, primary_key=True),
    # "D", "M", or empty for both.
    Column("frequency", String(1), nullable=False),
    # Names of series as a JSON array; empty for all.
    Column("symbols", Text, nullable=False),
    Column("is_dry_run", Boolean, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("model_id", String(26), nullable=False),
    Column("error", String(500), nullable=False),
    # Empty when the exchange itself asked for it.
    Column("requested_by", String(26), nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("started_at", UtcTime, nullable=True),
    Column("ended_at", UtcTime, nullable=True),
    Column("is_cancel_requested", Boolean, nullable=False),
    # When its process said last how far it is.
    Column("beat_at", UtcTime, nullable=True),
    Index(None, "state"),
)

ai_run_lines: Final = Table(
    "ai_run_lines",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("run_id", Ulid, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("line", String(500), nullable=False),
    Index(None, "run_id", "id"),
)

# Rows are added and never changed: what was said stays said.
ai_forecasts: Final = Table(
    "ai_forecasts",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("series_id", String(64), nullable=False),
    Column("model_id", Ulid, nullable=False),
    Column("frequency", String(1), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("currency", String(8), nullable=False),
    Column("data_cutoff", String(10), nullable=False),
    Column("last_micro", BigInteger, nullable=False),
    Column("issued_at", UtcTime, nullable=False),
    # Comma-separated.
    Column("cautions", String(100), nullable=False),
    # Points and their explanation, as JSON.
    Column("points", Text, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("walk_deviation", Float, nullable=False),
    Column("naive_micro", BigInteger, nullable=False),
    Index(None, "series_id", "issued_at"),
)

# What came of forecasts, live ones and those of backtests; errors are shares of the last price.
ai_outcomes: Final = Table(
    "ai_outcomes",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("model_id", Ulid, nullable=False),
    # Empty for a backtest.
    Column("forecast_id", String(26), nullable=False),
    Column("series_id", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("origin_day", String(10), nullable=False),
    Column("target_day", String(10), nullable=False),
    Column("last_micro", BigInteger, nullable=False),
    Column("actual_micro", BigInteger, nullable=False),
    Column("quantiles", String(200), nullable=False),
    Column("error", Float, nullable=False),
    Column("error_last", Float, nullable=False),
    Column("error_season", Float, nullable=True),
    Column("naive", Float, nullable=False),
    Column("pinball", Float, nullable=False),
    Column("pinball_walk", Float, nullable=False),
    Column("inside_50", Integer, nullable=False),
    Column("inside_80", Integer, nullable=False),
    Column("inside_95", Integer, nullable=False),
    Column("width_80", Float, nullable=False),
    # Which part between the quantiles the price fell into, 0 to 7.
    Column("part", Integer, nullable=False),
    Column("resolved_at", UtcTime, nullable=False),
    UniqueConstraint("model_id", "forecast_id", "series_id", "origin_day", "step"),
    Index(None, "series_id", "target_day"),
)
