"""Fits the market's daily candles to what forecasts need."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection, func, select

from farmgate.ai.sources import Price, Series
from farmgate.ai.styles import DAILY
from farmgate.db.engine import Database
from farmgate.market import store
from farmgate.market.bars import DAY
from farmgate.market.catalogue import COMMODITIES
from farmgate.market.tables import candles

_COMMODITIES: Final = {one.code: one for one in COMMODITIES}


class CandlePrices:
    """Daily closing prices of spot instruments whose commodity is in the catalogue.

    Args:
        database: Where instruments are described.
        history: Where candles are.
    """

    def __init__(self, database: Database, history: Database) -> None:
        self._database = database
        self._history = history

    async def series(self) -> Sequence[Series]:
        """Returns all series, in the order of their names."""
        return [one for one, _, _ in await self._known()]

    async def one(self, series_id: str) -> Series | None:
        """Returns a series, or None when there is none of that name."""
        return next((one for one in await self.series() if one.series_id == series_id), None)

    async def prices(self, series_id: str, since: date | None = None) -> Sequence[Price]:
        """Returns the closing prices of a series from a day on, oldest first."""
        found = {one.series_id: (number, tick) for one, number, tick in await self._known()}
        number, tick_micro = found[series_id]
        table = candles.c
        query = select(table.open_time_s, table.close_ticks).where(
            table.instrument == number, table.interval == DAY
        )
        rows = await self._history.read(
            lambda tx: tx.execute(query.order_by(table.open_time_s)).all()
        )
        by_day = {_day(row.open_time_s): row.close_ticks * tick_micro for row in rows}
        return [Price(day, micro) for day, micro in by_day.items() if since is None or day >= since]

    async def newest(self) -> dict[str, date]:
        """Returns the day of the newest price of each series that has one."""
        last = await self._history.read(_last_days)
        return {
            one.series_id: _day(last[number])
            for one, number, _ in await self._known()
            if number in last
        }

    async def _known(self) -> list[tuple[Series, int, int]]:
        """Returns series with the instrument's number and its tick in millionths."""
        described = await self._database.read(store.descriptions)
        found = []
        for symbol, row in sorted(described.items()):
            commodity = _COMMODITIES.get(row.commodity_code)
            if commodity is None or row.delivery_start or not row.location_code:
                continue
            one = Series(symbol, commodity.category, DAILY, row.unit, commodity.currency)
            found.append((one, row.number, commodity.tick_micro))
        return found


def _last_days(connection: Connection) -> dict[int, int]:
    table = candles.c
    query = select(table.instrument, func.max(table.open_time_s)).where(table.interval == DAY)
    rows = connection.execute(query.group_by(table.instrument))
    return {row[0]: int(row[1]) for row in rows}


def _day(time_s: int) -> date:
    return datetime.fromtimestamp(time_s, UTC).date()
