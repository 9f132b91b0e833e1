"""Moves instruments through the phases of their calendars, by commands of the journal."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from farmgate.api.market.v1 import market_pb2
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.market import store
from farmgate.market.calendars import AUCTION, CALENDARS, DEFAULT
from farmgate.market.day_limits import AUDIENCE
from farmgate.market.phases import Phase, phase_due, steps
from farmgate.ports.clock import Clock
from farmgate.ports.matching import InstrumentMarket, Matching
from farmgate.telemetry.logs import logger

_AUCTION: Final = market_pb2.INSTRUMENT_PHASE_AUCTION
# How long before the last trade people are told.
_EXPIRING_DAYS: Final = (5, 1)
_log = logger(__name__)


class Sessions:
    """Follows the calendars.

    Args:
        matching: The core.
        database: Where instruments are described.
        clock: Tells the time.
    """

    def __init__(self, matching: Matching, database: Database, clock: Clock) -> None:
        self._matching = matching
        self._database = database
        self._clock = clock
        self._seen: dict[str, int] = {}
        self._told: set[str] = set()

    async def run(self) -> int:
        """Moves every instrument to the phase of this moment; returns how many moved."""
        now = self._clock.now()
        rows = await self._database.read(store.descriptions)
        markets = self._matching.instruments()
        # In a thread: calendars may have to make the lists of their holidays first.
        due = await asyncio.to_thread(_due, markets, rows, now)
        moved = 0
        for market in markets:
            wanted = due.get(market["symbol"])
            phases = () if wanted is None else steps(market["phase"], wanted)
            for phase in phases:
                await self._matching.set_phase(market["number"], phase)
            if phases:
                moved += 1
                _log.info("phase moved", symbol=market["symbol"], phase=phases[-1])
        await self._tell(rows, now)
        return moved

    async def _tell(self, rows: dict[str, Row[Any]], now: datetime) -> None:
        """Tells of auctions that have started and of instruments that are about to expire."""
        news: list[tuple[str, str, str, dict[str, Any]]] = []
        for market in self._matching.instruments():
            symbol, phase = market["symbol"], market["phase"]
            if phase == _AUCTION and self._seen.get(symbol, phase) != phase:
                ends = {"ends_at": self._auction_end(symbol, rows.get(symbol), now)}
                news.append(("market.auction_started", symbol, f"{symbol}/{now:%H:%M:%S}", ends))
            self._seen[symbol] = phase
        for row in rows.values():
            for days in _expiring(row, now):
                data = {"date": row.last_trade_at.date().isoformat(), "days": days}
                about = f"{row.symbol}/{days}"
                news.append(("market.instrument_expiring", row.symbol, about, data))
        fresh = [one for one in news if f"{one[0]} {one[2]}" not in self._told]
        if not fresh:
            return
        told = [
            Announcement(kind, now, role=role, about=about, data={"symbol": symbol, **data})
            for kind, symbol, about, data in fresh
            for role in AUDIENCE
        ]

        def write(connection: Connection) -> None:
            announce(connection, *told)

        await self._database.write(write)
        self._told.update(f"{kind} {about}" for kind, _, about, _ in fresh)

    def _auction_end(self, symbol: str, row: Row[Any] | None, now: datetime) -> str:
        """Returns when an auction that starts now ends: by the calendar, or by its length."""
        calendar = DEFAULT if row is None else CALENDARS.get(row.calendar_code, DEFAULT)
        for phase in calendar.phases(calendar.business_day(now)):
            if phase.name == AUCTION and phase.start <= now < phase.end:
                return phase.end.isoformat(timespec="seconds")
        rules = self._matching.instrument_rules(symbol)
        length_ns = rules.get("volatility_auction_ns", 0) if rules else 0
        return (now + timedelta(microseconds=length_ns // 1_000)).isoformat(timespec="seconds")


def _due(
    markets: list[InstrumentMarket], rows: dict[str, Row[Any]], now: datetime
) -> dict[str, Phase]:
    """Returns the phases that the calendars say, by symbol."""
    found = {}
    for market in markets:
        row = rows.get(market["symbol"])
        if row is not None:
            calendar = CALENDARS.get(row.calendar_code, DEFAULT)
            found[row.symbol] = phase_due(calendar, now, row.first_trade_at, row.last_trade_at)
    return found


def _expiring(row: Row[Any], now: datetime) -> list[int]:
    """Returns the days before the last trade that have just come."""
    if row.last_trade_at is None:
        return []
    left = row.last_trade_at - now
    return [
        days for days in _EXPIRING_DAYS
        if timedelta(days=days - 1) < left <= timedelta(days=days)
    ]  # fmt: skip
