"""Fits the market's candles and reference series to what forecasts need."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, select

from farmgate.ai.sources import Price, PriceSource, Series
from farmgate.ai.styles import DAILY, MONTHLY
from farmgate.db.engine import Database
from farmgate.market import series_store, store
from farmgate.market.bars import DAY
from farmgate.market.catalogue import COMMODITIES
from farmgate.market.tables import candles

_COMMODITIES: Final = {one.code: one for one in COMMODITIES}
# Weekly series are told about the market, not forecast.
_FREQUENCIES: Final = {"DAILY": DAILY, "MONTHLY": MONTHLY}
_OTHER: Final = "OTHER"
# Odd prices that nobody decided on in this time are history, not a doubt.
_DOUBT: Final = timedelta(days=62)
# Far above what a series has; daily prices of 137 years.
_POINTS_MAX: Final = 50_000
_DAY_S: Final = 86_400
_SATURDAY: Final = 5


def forecast_prices(database: Database, history: Database) -> PriceSource:
    """Returns all prices that are forecast: those made here and those from outside."""
    return AllPrices((CandlePrices(database, history), ReferencePrices(database)))


class AllPrices:
    """Several sources as one; of a name in two of them the first one's counts.

    All daily series have one calendar, and some of their markets rest at weekends: without
    leaving these out everywhere, every third price of a series would be the one before.

    Args:
        sources: The sources.
    """

    def __init__(self, sources: Sequence[PriceSource]) -> None:
        self._sources = sources

    async def series(self) -> Sequence[Series]:
        """Returns all series, in the order of their names."""
        found = {
            one.series_id: one
            for source in reversed(self._sources)
            for one in await source.series()
        }
        return [found[name] for name in sorted(found)]

    async def one(self, series_id: str) -> Series | None:
        """Returns a series, or None when there is none of that name."""
        for source in self._sources:
            if (found := await source.one(series_id)) is not None:
                return found
        return None

    async def prices(self, series_id: str, since: date | None = None) -> Sequence[Price]:
        """Returns the prices of a series from a day on, oldest first."""
        for source in self._sources:
            if await source.one(series_id) is not None:
                return await source.prices(series_id, since)
        return []

    async def newest(self) -> dict[str, date]:
        """Returns the day of the newest price of each series that has one."""
        found: dict[str, date] = {}
        for source in reversed(self._sources):
            found |= await source.newest()
        return found


class ReferencePrices:
    """Accepted values of the reference series that are kept daily or monthly.

    Args:
        database: Where series and observations are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def series(self) -> Sequence[Series]:
        """Returns all series, in the order of their names."""

        def read(connection: Connection) -> list[Series]:
            rows = series_store.all_series(connection)
            doubted = series_store.doubted_days(connection)
            newest = series_store.last_days(connection, 1)
            return [
                _described(row, doubted.get(row.id), newest.get(row.id))
                for row in rows
                if row.frequency in _FREQUENCIES
            ]

        return await self._database.read(read)

    async def one(self, series_id: str) -> Series | None:
        """Returns a series, or None when there is none of that name."""
        return next((one for one in await self.series() if one.series_id == series_id), None)

    async def prices(self, series_id: str, since: date | None = None) -> Sequence[Price]:
        """Returns the values of a series from a day on, oldest first."""
        first = since.isoformat() if since else ""

        def read(connection: Connection) -> tuple[Row[Any] | None, list[Row[Any]]]:
            rows = series_store.accepted(connection, series_id, first=first, limit=_POINTS_MAX)
            return series_store.series(connection, series_id), rows

        row, rows = await self._database.read(read)
        if row is None or row.frequency not in _FREQUENCIES:
            return []
        # Of two values of a month the later one counts.
        by_day = {_start(one.valid_on, row.frequency): one.value_micro for one in rows}
        return [Price(day, micro) for day, micro in by_day.items() if day is not None]

    async def newest(self) -> dict[str, date]:
        """Returns the day of the newest value of each series that has one."""

        def read(connection: Connection) -> dict[str, date]:
            # Of three days in a row one is no weekend.
            last = series_store.last_days(connection, 3)
            found = {}
            for row in series_store.all_series(connection):
                if row.frequency in _FREQUENCIES:
                    days = (_start(day, row.frequency) for day in last.get(row.id, ()))
                    if (day := next((one for one in days if one is not None), None)) is not None:
                        found[row.id] = day
            return found

        return await self._database.read(read)


def _described(row: Row[Any], doubted: str | None, newest: Sequence[str] | None) -> Series:
    commodity = _COMMODITIES.get(row.commodity_code)
    is_doubted = doubted is not None and (
        not newest or date.fromisoformat(doubted) >= date.fromisoformat(newest[0]) - _DOUBT
    )
    return Series(
        row.id, commodity.category if commodity else _OTHER, _FREQUENCIES[row.frequency],
        row.unit, row.currency, has_pending_outliers=is_doubted,
    )  # fmt: skip


def _start(day: str, frequency: str) -> date | None:
    """Returns the day that a value is of, None for a weekend."""
    found = date.fromisoformat(day)
    if _FREQUENCIES[frequency] == MONTHLY:
        return found.replace(day=1)
    return found if found.weekday() < _SATURDAY else None


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
            table.instrument == number, table.interval == DAY, _is_weekday(table.open_time_s)
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
    query = select(table.instrument, func.max(table.open_time_s)).where(
        table.interval == DAY, _is_weekday(table.open_time_s)
    )
    rows = connection.execute(query.group_by(table.instrument))
    return {row[0]: int(row[1]) for row in rows}


def _is_weekday(time_s: ColumnElement[int]) -> ColumnElement[bool]:
    # The epoch was a Thursday; Monday is 0.
    return (time_s // _DAY_S + 3) % 7 < _SATURDAY


def _day(time_s: int) -> date:
    return datetime.fromtimestamp(time_s, UTC).date()
