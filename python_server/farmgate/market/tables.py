"""Descriptions of what is traded; the rules that matching needs live in the core."""

from typing import Final

from sqlalchemy import Column, Integer, String, Table

from farmgate.db.schema import metadata

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
