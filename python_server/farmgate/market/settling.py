"""Settles business days once they are over: price, limits of the next day, open interest."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from farmgate.api.market.v1 import market_pb2
from farmgate.db import configuration
from farmgate.db.engine import Database
from farmgate.market import candle_store, listing_store, settlement, settlement_store, store
from farmgate.market.bars import DAY, MINUTE, Bar, opening
from farmgate.market.calendars import CALENDARS, DEFAULT, Calendar
from farmgate.market.candles import Reload
from farmgate.market.day_limits import DayLimits
from farmgate.market.messages import micro
from farmgate.market.settlement import Quote, Settlement
from farmgate.market.settlement_store import DailySettlement
from farmgate.market.terms import Defaults, limits_after, terms_of
from farmgate.ports.clock import Clock
from farmgate.ports.matching import InstrumentMarket, Matching
from farmgate.telemetry.logs import logger
from farmgate.users.facade import Users

_NS: Final = 1_000_000_000
# A server that was away settles what it missed, as far back as this.
_DAYS_MISSED_MAX: Final = 30
# The book tells of the close only shortly after it.
_QUOTE_AGE_MAX: Final = timedelta(minutes=5)
_LISTED: Final = frozenset({
    market_pb2.INSTRUMENT_PHASE_PRE_OPEN, market_pb2.INSTRUMENT_PHASE_AUCTION,
    market_pb2.INSTRUMENT_PHASE_OPEN, market_pb2.INSTRUMENT_PHASE_HALTED,
    market_pb2.INSTRUMENT_PHASE_CLOSED,
})  # fmt: skip
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Due:
    """A day of an instrument that is to be settled."""

    found: InstrumentMarket
    described: Row[Any]
    calendar: Calendar
    day: date


class Settling:
    """Settles.

    Args:
        database: Where settlements are kept.
        history: Where candles and trades are.
        matching: The core.
        clock: Tells the time.
        reload: Reads the trades of an instrument.
        users: People, who are told.
    """

    def __init__(
        self, database: Database, history: Database, matching: Matching, clock: Clock,
        reload: Reload, users: Users,
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._matching = matching
        self._clock = clock
        self._reload = reload
        self._limits = DayLimits(matching, database, clock, users)
        self._holders: dict[str, list[int]] = {}
        self._listeners: list[Callable[[Connection, list[str]], None]] = []

    def listen(self, told: Callable[[Connection, list[str]], None]) -> None:
        """Calls this, in the transaction, with the symbols that were settled."""
        self._listeners.append(told)

    async def run(self) -> int:
        """Settles every day that is over; returns how many settlements there are of it."""
        await self._limits.apply()
        now = self._clock.now()
        described = await self._database.read(store.descriptions)
        last = await self._database.read(settlement_store.last_days)
        # In a thread: calendars may have to make the lists of their holidays first.
        due = await asyncio.to_thread(self._due, described, last, now)
        if not due:
            return 0
        settings = await self._database.read(lambda tx: configuration.current(tx, now))
        window_s = settings.integer("trading.settlement_window_s")
        defaults = listing_store.defaults(settings)
        interest, self._holders = await self._limits.open_interest()
        count = 0
        for day in sorted({one.day for one in due}):
            of_day = [one for one in due if one.day == day]
            # The forward that is delivered first leads those that did not trade.
            of_day.sort(key=lambda one: (one.described.delivery_start, one.found["symbol"]))
            count += await self._settle_day(of_day, window_s, interest, defaults)
        await self._limits.apply()
        _log.info("settled", count=count)
        return count

    def _due(
        self, described: dict[str, Row[Any]], last: dict[str, str], now: datetime
    ) -> list[_Due]:
        found = []
        for one in self._matching.instruments():
            row = described.get(one["symbol"])
            is_traded = one["kind"] != market_pb2.INSTRUMENT_KIND_INDEX and one["phase"] in _LISTED
            if row is None or not is_traded:
                continue
            calendar = CALENDARS.get(row.calendar_code, DEFAULT)
            found += [
                _Due(one, row, calendar, day)
                for day in _days_over(calendar, last.get(one["symbol"], ""), now)
            ]
        return found

    async def _settle_day(
        self, due: Sequence[_Due], window_s: int, interest: dict[str, int], defaults: Defaults
    ) -> int:
        now = self._clock.now()
        rows: list[DailySettlement] = []
        leads: dict[str, tuple[int, int]] = {}
        for one in due:
            symbol, day = one.found["symbol"], one.day.isoformat()
            before = await self._database.read(_before(symbol, day))
            prior = before[-1].settlement_ticks if before else None
            traded, window = await self._history.read(self._reading(one, window_s))
            settled = _settled(one, traded, window, prior, leads, now)
            if settled is None:
                continue
            rows.append(self._row(one, settled, before, interest.get(symbol, 0), defaults))
            lead = one.described.commodity_code
            if one.described.delivery_start and prior is not None:
                leads.setdefault(lead, (settled.price_ticks, prior))

        def write(connection: Connection) -> None:
            settlement_store.add(connection, rows)
            self._limits.tell(connection, rows, self._holders)
            for told in self._listeners:
                told(connection, [row.symbol for row in rows])

        await self._database.write(write)
        return len(rows)

    def _row(
        self, one: _Due, settled: Settlement, before: Sequence[DailySettlement], interest: int,
        defaults: Defaults,
    ) -> DailySettlement:  # fmt: skip
        rules = self._matching.instrument_rules(one.found["symbol"])
        assert rules is not None, "It is listed."
        low, high = rules["limit_low"], rules["limit_high"]
        hit = settlement.hit(settled.price_ticks, low, high)
        prices = [row.settlement_ticks for row in before] + [settled.price_ticks]
        following = limits_after(
            terms_of(one.described.terms), defaults, prices, rules, is_expanded=hit != "NONE"
        )
        return DailySettlement(
            symbol=one.found["symbol"],
            business_date=one.day.isoformat(),
            settlement_ticks=settled.price_ticks,
            tier=settled.tier,
            prior_ticks=before[-1].settlement_ticks if before else 0,
            limit_low_ticks=low,
            limit_high_ticks=high,
            next_low_ticks=following.low,
            next_high_ticks=following.high,
            hit_limit=hit,
            open_interest=interest,
            settled_at=self._clock.now(),
        )

    def _reading(
        self, one: _Due, window_s: int
    ) -> Callable[[Connection], tuple[Bar | None, list[tuple[int, int]]]]:
        return lambda tx: self._trading(tx, one, window_s)

    def _trading(
        self, connection: Connection, one: _Due, window_s: int
    ) -> tuple[Bar | None, list[tuple[int, int]]]:
        """Returns the day's bar and the trades of its closing window."""
        number = one.found["number"]
        start, _ = one.calendar.bounds(one.day)
        found = candle_store.page(
            connection, number, DAY, first_s=int(start.timestamp()),
            last_s=int(start.timestamp()), limit=1,
        )  # fmt: skip
        close_s = int(one.calendar.close(one.day).timestamp())
        minutes = candle_store.page(
            connection, number, MINUTE, limit=window_s // 60 + 2, last_s=close_s - 1,
            first_s=opening(MINUTE, close_s - window_s, one.calendar),
        )  # fmt: skip
        trades = [bar for _, bar in minutes if bar.first_trade]
        window = []
        if trades:
            window = [
                (trade.price_ticks, trade.quantity_lots)
                for trade in self._reload(
                    connection, number, trades[0].first_trade, trades[-1].last_trade
                )
                if (close_s - window_s) * _NS <= trade.time_ns < close_s * _NS
            ]
        return (found[0][1] if found else None), window


def _before(symbol: str, day: str) -> Callable[[Connection], list[DailySettlement]]:
    return lambda tx: settlement_store.before(tx, symbol, day, settlement.MEAN_DAYS - 1)


def _days_over(calendar: Calendar, last: str, now: datetime) -> list[date]:
    """Returns the trading days that are over since one; the last only when there was none."""
    day = calendar.business_day(now)
    found: list[date] = []
    for _ in range(_DAYS_MISSED_MAX):
        if day.isoformat() <= last:
            break
        if calendar.is_open_on(day) and calendar.close(day) <= now:
            found.append(day)
            if not last:
                break
        day -= timedelta(days=1)
    return found


def _settled(
    one: _Due, traded: Bar | None, window: list[tuple[int, int]], prior: int | None,
    leads: dict[str, tuple[int, int]], now: datetime,
) -> Settlement | None:  # fmt: skip
    last = traded.close_ticks if traded else None
    is_fresh = now - one.calendar.close(one.day) <= _QUOTE_AGE_MAX
    quote = _quote(one.found) if is_fresh else Quote(None, None)
    lead = leads.get(one.described.commodity_code) if one.described.delivery_start else None
    if last is None and prior is not None and lead is not None:
        prior = settlement.by_spread(lead[0], prior, lead[1])
    return settlement.settle(window, last, quote, prior)


def _quote(found: InstrumentMarket) -> Quote:
    bid, ask = found["bid"], found["ask"]
    return Quote(ticks(found, bid[0]) if bid else None, ticks(found, ask[0]) if ask else None)


def ticks(found: InstrumentMarket, price: str) -> int:
    """Returns a price of the core, a decimal, in ticks."""
    return micro(price) // found["tick_size_micro"]
