"""Descriptions of what is traded; the rules that matching needs live in the core."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, String, Table, Text

from farmgate.db.schema import UtcTime, metadata

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
    Column("commodity_code", String(32), nullable=False),
    Column("grade_code", String(32), nullable=False),
    Column("location_code", String(16), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("calendar_code", String(32), nullable=False),
    # Business dates, empty for SPOT.
    Column("delivery_start", String(10), nullable=False),
    Column("delivery_end", String(10), nullable=False),
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
    Column("settled_at", UtcTime, nullable=False),
)
