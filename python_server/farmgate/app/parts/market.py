"""The market's part in the process."""

from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.market import store
from farmgate.market.service import MarketEventServicer, MarketServicer
from farmgate.ports.matching import Matching


def unit_of(connection: Connection, commodity: str) -> str:
    """Returns the unit in which a commodity is counted, "" for one that is not described."""
    row = store.commodity(connection, commodity)
    return "" if row is None else str(row.base_unit)


def part(base: Base, matching: Matching) -> Part:
    """Returns prices, books and their stream."""
    return Part(
        servicers=[
            MarketServicer(matching, base.database, base.pager, base.clock),
            MarketEventServicer(matching),
        ]
    )
