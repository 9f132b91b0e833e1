"""The market's part in the process."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row

from farmgate.app.parts.base import Base, Part
from farmgate.db.engine import Database
from farmgate.jobs.periodic import Periodic
from farmgate.market import calendars, store
from farmgate.market.service import MarketServicer
from farmgate.market.settling import Settling
from farmgate.market.stream_service import MarketEventServicer
from farmgate.ports.matching import Matching
from farmgate.trading import store as trading_store
from farmgate.trading.candles import counting_trades
from farmgate.trading.facade import History

_SETTLING_S: Final = 5.0
_DAY_S: Final = 86_400.0


def unit_of(connection: Connection, commodity: str) -> str:
    """Returns the unit in which a commodity is counted, "" for one that is not described."""
    row = store.commodity(connection, commodity)
    return "" if row is None else str(row.base_unit)


def part(base: Base, matching: Matching, history: History, database: Database) -> Part:
    """Returns prices, books and their stream, and what settles and describes the market.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        database: Where that is.
    """

    async def public_trades(
        instrument: int, before: int | None, limit: int, min_sequence: int
    ) -> Sequence[Row[Any]]:
        rows, _ = await history.read(
            lambda tx: trading_store.public_trade_page(tx, instrument, before=before, limit=limit),
            expected=0,
            required=min_sequence,
        )
        return rows

    settling = Settling(
        base.database, database, matching, base.clock, counting_trades, base.users.account_numbers
    )
    servicer = MarketServicer(
        matching, base.database, base.pager, base.clock,
        history=database, public_trades=public_trades,
    )  # fmt: skip
    return Part(
        servicers=[servicer, MarketEventServicer(matching)],
        components=[
            Periodic("calendars", _DAY_S, lambda: _warm(base)),
            Periodic("settlement", _SETTLING_S, settling.run),
        ],
    )


async def _warm(base: Base) -> None:
    """Makes the lists of this year's holidays, which takes a second the first time."""
    today = base.clock.now().date()
    for calendar in calendars.CALENDARS.values():
        await asyncio.to_thread(calendar.is_open_on, today)
