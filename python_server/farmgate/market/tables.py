"""Descriptions of what is traded; the rules that matching needs live in the core."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
)

from farmgate.db.schema import BigKey, Ulid, UtcTime, metadata

commodities: Final = Table(
    "commodities",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("category", String(16), nullable=False),
    Column("base_unit", String(16), nullable=False),
    # Exact decimal of a base unit's mass, as text: floats and fixed scales would both round it.
    Column("unit_mass_kg", String(24), nullable=False),
    # Numbers of months, comma-separated.
    Column("harvest_months", String(32), nullable=False),
    Column("description", String(500), nullable=False),
)

instruments: Final = Table(
    "instruments",
    metadata,
    Column("symbol", String(32), primary_key=True),
    # Its number in the core.
    Column("number", Integer, nullable=False, server_default="0"),
    Column("tick_size_micro", BigInteger, nullable=False, server_default="0"),
    Column("currency", String(16), nullable=False, server_default=""),
    Column("commodity_code", String(32), nullable=False),
    Column("grade_code", String(32), nullable=False),
    Column("location_code", String(16), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("calendar_code", String(32), nullable=False),
    # Business dates, empty for SPOT.
    Column("delivery_start", String(10), nullable=False),
    Column("delivery_end", String(10), nullable=False),
    # JSON of what is stated of it; what is not follows the settings.
    Column("terms", Text, nullable=False, server_default="{}"),
    # When trading begins and ends; NULL for at once and for never.
    Column("first_trade_at", UtcTime),
    Column("last_trade_at", UtcTime),
    Column("version", Integer, nullable=False),
)

grades: Final = Table(
    "grades",
    metadata,
    # "CORN.US2Y": the commodity and the code.
    Column("id", String(64), primary_key=True),
    Column("commodity_code", String(32), nullable=False),
    Column("code", String(32), nullable=False),
    Column("standard", String(16), nullable=False),
    # JSON, a list of objects with the fields of `GradeSpec`.
    Column("specs", Text, nullable=False),
    Column("schedule_id", String(64), nullable=False),
)

# Never changed once a grade or a contract names it: another version has another ID.
discount_schedules: Final = Table(
    "discount_schedules",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("commodity_code", String(32), nullable=False),
    Column("name", String(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("effective_from", String(10), nullable=False),
    # JSON, a list of objects with the fields of `DiscountRule`.
    Column("rules", Text, nullable=False),
)

locations: Final = Table(
    "locations",
    metadata,
    Column("code", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("country", String(2), nullable=False),
    Column("latitude", String(12), nullable=False),
    Column("longitude", String(12), nullable=False),
    Column("timezone", String(40), nullable=False),
    Column("capacity_t", Integer, nullable=False),
    # Per unit, in ten-thousandths of the currency.
    Column("freight_differential_minor", BigInteger, nullable=False),
)

# Beside the history of trading. Of the eight intervals three are kept; the others are made of them.
candles: Final = Table(
    "candles",
    metadata,
    Column("instrument", Integer, primary_key=True, autoincrement=False),
    Column("interval", SmallInteger, primary_key=True, autoincrement=False),
    Column("open_time_s", BigInteger, primary_key=True, autoincrement=False),
    Column("open_ticks", BigInteger, nullable=False),
    Column("high_ticks", BigInteger, nullable=False),
    Column("low_ticks", BigInteger, nullable=False),
    Column("close_ticks", BigInteger, nullable=False),
    Column("volume_lots", BigInteger, nullable=False),
    Column("notional_ticks", BigInteger, nullable=False),
    Column("trade_count", BigInteger, nullable=False),
    Column("first_trade", BigInteger, nullable=False),
    Column("last_trade", BigInteger, nullable=False),
    # Rows are found by their key alone, so SQLite keeps them in it.
    sqlite_with_rowid=False,
)

# One row a shard: up to which trade candles are made. Written in the transaction of the candles.
candle_watermarks: Final = Table(
    "candle_watermarks",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("trade_id", BigInteger, nullable=False),
)

daily_settlements: Final = Table(
    "daily_settlements",
    metadata,
    Column("symbol", String(32), primary_key=True),
    Column("business_date", String(10), primary_key=True),
    Column("settlement_ticks", BigInteger, nullable=False),
    # 1, 2, 3 or MANUAL.
    Column("tier", String(6), nullable=False),
    # 0 before the first.
    Column("prior_ticks", BigInteger, nullable=False),
    # The day's limits, and those of the next day.
    Column("limit_low_ticks", BigInteger, nullable=False),
    Column("limit_high_ticks", BigInteger, nullable=False),
    Column("next_low_ticks", BigInteger, nullable=False),
    Column("next_high_ticks", BigInteger, nullable=False),
    # NONE, UP or DOWN.
    Column("hit_limit", String(4), nullable=False),
    Column("open_interest", BigInteger, nullable=False),
    # Sequence of the core at which the next day's limits are in force; 0 before.
    Column("limits_sequence", BigInteger, nullable=False, server_default="0"),
    Column("settled_at", UtcTime, nullable=False),
)

reference_series: Final = Table(
    "reference_series",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("source", String(32), nullable=False),
    Column("commodity_code", String(32), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("frequency", String(8), nullable=False),
    Column("calendar_code", String(32), nullable=False),
    # Whether the basis of the commodity's instruments is told against it.
    Column("is_reference", Boolean, nullable=False),
)

# What sources told, as they told it and when: rows are added and never changed.
price_observations: Final = Table(
    "price_observations",
    metadata,
    Column("series_id", String(64), primary_key=True),
    Column("source_id", String(64), primary_key=True),
    Column("valid_on", String(10), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    # Millionths of the currency; in the unit of the series and in that of the source.
    Column("value_micro", BigInteger, nullable=False),
    Column("source_value_micro", BigInteger, nullable=False),
    Column("source_unit", String(16), nullable=False),
    Column("source_currency", String(3), nullable=False),
    # Of two sources of a day the one with the lower number counts.
    Column("priority", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("quality", String(10), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("ingested_at", UtcTime, nullable=False),
    Column("run_id", Ulid, nullable=False),
    Column("payload_sha256", String(64), nullable=False),
    Index("ix_price_observations_series_id_status", "series_id", "status", "valid_on"),
)

ingestion_runs: Final = Table(
    "ingestion_runs",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("source_id", String(64), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime, nullable=True),
    Column("outcome", String(12), nullable=False),
    Column("reason", String(300), nullable=False),
    Column("page_count", Integer, nullable=False),
    Column("stored_count", Integer, nullable=False),
    Column("unchanged_count", Integer, nullable=False),
    Column("quarantined_count", Integer, nullable=False),
    Column("rejected_count", Integer, nullable=False),
    Index("ix_ingestion_runs_source_id", "source_id", "id"),
)

# Rows of a source that could not be read, so that none is lost.
ingestion_rejects: Final = Table(
    "ingestion_rejects",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("run_id", Ulid, nullable=False, index=True),
    Column("line", Integer, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("raw", Text, nullable=False),
)

series_gaps: Final = Table(
    "series_gaps",
    metadata,
    Column("series_id", String(64), primary_key=True),
    Column("missing_on", String(10), primary_key=True),
    Column("found_at", UtcTime, nullable=False),
    Column("filled_at", UtcTime, nullable=True),
)

price_alerts: Final = Table(
    "price_alerts",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("user_id", Ulid, nullable=False),
    # Symbol, or series.
    Column("symbol", String(64), nullable=False),
    Column("source", SmallInteger, nullable=False),
    Column("condition", SmallInteger, nullable=False),
    # Millionths; of PCT conditions per cent, of VOLUME_ABOVE lots.
    Column("threshold_micro", BigInteger, nullable=False),
    Column("high_micro", BigInteger, nullable=False),
    Column("window_s", Integer, nullable=False),
    Column("trigger", SmallInteger, nullable=False),
    Column("cooldown_s", Integer, nullable=False),
    Column("note", String(500), nullable=False),
    Column("status", String(10), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("armed_sequence", BigInteger, nullable=False),
    # JSON: what it remembers of the prices so far.
    Column("state", Text, nullable=False),
    Column("last_fired_at", UtcTime, nullable=True),
    Column("fire_count", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("deleted_at", UtcTime, nullable=True),
    Index("ix_price_alerts_user_id", "user_id", "id"),
    Index("ix_price_alerts_status", "status", "source", "symbol"),
)

# One row a shard: up to which sequence of the core alerts have looked.
alert_watermarks: Final = Table(
    "alert_watermarks",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
)

market_indices: Final = Table(
    "market_indices",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("base_date", String(10), nullable=False),
    # Hundredths.
    Column("base_value_centi", BigInteger, nullable=False),
    # JSON: symbol, weight and price in ticks on the base date of each constituent.
    Column("constituents", Text, nullable=False),
)
