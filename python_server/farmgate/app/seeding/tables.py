"""Which seeds are done."""

from typing import Final

from sqlalchemy import Column, String, Table

from farmgate.db.schema import UtcTime, metadata

seeds: Final = Table(
    "seeds",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("done_at", UtcTime, nullable=False),
)
