"""The market's part in the process."""

from farmgate.app.parts.base import Base, Part
from farmgate.market.service import MarketEventServicer, MarketServicer
from farmgate.ports.matching import Matching


def part(base: Base, matching: Matching) -> Part:
    """Returns prices, books and their stream."""
    return Part(
        servicers=[
            MarketServicer(matching, base.database, base.pager, base.clock),
            MarketEventServicer(matching),
        ]
    )
