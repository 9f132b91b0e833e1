"""Past prices: candles, trades and daily summaries; a part of the market's gRPC face."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from farmgate.api.market.v1 import market_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.market import bars, candle_store, candles, settlement_store, units
from farmgate.market.bars import Bar
from farmgate.market.calendars import CALENDARS, DEFAULT, FIRST_DAY, Calendar
from farmgate.market.known import Known
from farmgate.market.messages import decimal
from farmgate.market.reference_service import day_of
from farmgate.market.settlement_store import DailySettlement
from farmgate.ports.clock import Clock
from farmgate.ports.matching import InstrumentMarket, Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size

_MICRO: Final = 1_000_000
_CASH: Final = 10_000
_NS: Final = 1_000_000_000
# The last second of the year 9999, which a moment can tell.
_SECONDS_MAX: Final = 253_402_300_799
_PCT: Final = Decimal("0.01")
_LONGEST_S: Final = 8 * 86_400
# Longer than history lags when all is well: what is older changes only when a trade is undone.
_WRITTEN_S: Final = 60
# Instrument, trade before which, limit, sequence to wait for; the rows have a trade's fields.
PublicTrades = Callable[[int, int | None, int, int], Awaitable[Sequence[Row[Any]]]]


class PriceMethods:
    """Serves what was traded.

    Attributes:
        _matching: The core.
        _database: Where descriptions and settlements are kept.
        _history: Where candles are.
        _public_trades: Reads trades.
        _pager: Signs page tokens.
        _clock: Tells the time.
        _known: Keeps for a while what is asked for again and again.
    """

    _matching: Matching
    _database: Database
    _history: Database
    _public_trades: PublicTrades
    _pager: Pager
    _clock: Clock
    _known: Known

    async def ListPriceHistory(
        self, request: market_pb2.ListPriceHistoryRequest, call: Call
    ) -> market_pb2.ListPriceHistoryResponse:
        if not self._is_past(request):
            return await self._history_of(request)
        return await self._known.prices.to(
            request, market_pb2.ListPriceHistoryResponse, lambda: self._history_of(request)
        )

    def _is_past(self, request: market_pb2.ListPriceHistoryRequest) -> bool:
        """Returns whether all that is asked for has long been written."""
        interval = request.interval or market_pb2.CANDLE_INTERVAL_1D
        end_s = request.to.seconds + bars.SECONDS.get(interval, _LONGEST_S) + _WRITTEN_S
        return request.HasField("to") and end_s < self._clock.now().timestamp()

    async def _history_of(
        self, request: market_pb2.ListPriceHistoryRequest
    ) -> market_pb2.ListPriceHistoryResponse:
        found, calendar = await self._instrument(request.symbol)
        interval = request.interval or market_pb2.CANDLE_INTERVAL_1D
        first = _seconds("from", getattr(request, "from"), request.HasField("from"), 0)
        last = _seconds("to", request.to, request.HasField("to"), _SECONDS_MAX)
        now = self._clock.now().timestamp()
        last = min(last, int(now))
        if first > last and request.HasField("to"):
            raise invalid("to", "must not be before from")
        after = self._pager.after(request, request.page_token)
        start = int(after[0]) + 1 if after else first
        limit = page_size(request.page_size)
        rows = await self._history.read(
            lambda tx: candles.read(
                tx,
                found["number"],
                interval,
                calendar,
                first_s=start,
                last_s=last,
                limit=limit + 1,
            )
        )
        reply = market_pb2.ListPriceHistoryResponse(
            points=[_point(bar, at.open_time_s, found) for at, bar in rows[:limit]]
        )
        for point in reply.points:
            end = bars.closing(interval, point.open_time.seconds, calendar)
            point.complete = end <= now
        if len(rows) > limit:
            place = (rows[limit - 1][0].open_time_s,)
            reply.next_page_token = self._pager.token(request, place)
        return reply

    async def ListPublicTrades(
        self, request: market_pb2.ListPublicTradesRequest, call: Call
    ) -> market_pb2.ListPublicTradesResponse:
        found, _ = await self._instrument(request.symbol)
        after = self._pager.after(request, request.page_token)
        before = int(after[0]) if after else None
        limit = page_size(request.page_size)
        rows = await self._public_trades(found["number"], before, limit + 1, request.min_sequence)
        reply = market_pb2.ListPublicTradesResponse(
            trades=[_trade(row, found) for row in rows[:limit]]
        )
        if len(rows) > limit:
            reply.next_page_token = self._pager.token(request, (rows[limit - 1].trade_id,))
        return reply

    async def GetDailySummary(
        self, request: market_pb2.GetDailySummaryRequest, call: Call
    ) -> market_pb2.GetDailySummaryResponse:
        found, calendar = await self._instrument(request.symbol)
        today = calendar.business_day(self._clock.now())
        day = day_of("date", request.date) or today
        if not FIRST_DAY <= day <= today:
            raise DomainError("OUT_OF_RANGE", field="date", value=day, low=FIRST_DAY, high=today)
        if day == today:
            return await self._summary_of(found, calendar, day, today)
        return await self._known.summaries.to(
            request, market_pb2.GetDailySummaryResponse,
            lambda: self._summary_of(found, calendar, day, today),
        )  # fmt: skip

    async def _summary_of(
        self, found: InstrumentMarket, calendar: Calendar, day: date, today: date
    ) -> market_pb2.GetDailySummaryResponse:
        symbol = found["symbol"]
        settled, before = await self._database.read(
            lambda tx: (
                settlement_store.one(tx, symbol, day.isoformat()),
                settlement_store.before(tx, symbol, day.isoformat(), 1),
            )
        )
        bar = await self._history.read(lambda tx: _day_bar(tx, found["number"], calendar, day))
        if day < today and settled is None and bar is None:
            raise DomainError("NOT_FOUND", resource=f"summary of {symbol} on", id=day)
        prior = before[0].settlement_ticks if before else 0
        summary = _summary(found, day, bar, settled, prior)
        if settled is None and day == today:
            summary.limit_low, summary.limit_high = found["limit_low"], found["limit_high"]
        return market_pb2.GetDailySummaryResponse(summary=summary)

    async def _instrument(self, symbol: str) -> tuple[InstrumentMarket, Calendar]:
        """Returns an instrument and its calendar.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN.
        """
        found = self._matching.instruments([symbol])
        if not found:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=symbol)
        described = (await self._known.described()).get(symbol)
        code = described.calendar_code if described is not None else ""
        return found[0], CALENDARS.get(code, DEFAULT)


def _seconds(field: str, at: Timestamp, is_given: bool, default: int) -> int:  # noqa: FBT001 - A message's own predicate.
    if not is_given:
        return default
    if not 0 <= at.seconds <= _SECONDS_MAX or not 0 <= at.nanos < _NS:
        raise invalid(field, "must be a moment after 1970")
    # An interval that begins within a second begins with it.
    return at.seconds + (field == "from" and at.nanos > 0)


def price(ticks: int, found: InstrumentMarket) -> str:
    """Returns a price in ticks as a decimal."""
    return decimal(ticks * found["tick_size_micro"], _MICRO)


def _vwap(bar: Bar, found: InstrumentMarket) -> str:
    if not bar.volume_lots:
        return ""
    exact = Decimal(bar.notional_ticks * found["tick_size_micro"]) / bar.volume_lots
    micro = int(exact.to_integral_value(ROUND_HALF_UP))
    return decimal(micro, _MICRO)


def _point(bar: Bar, open_time_s: int, found: InstrumentMarket) -> market_pb2.PricePoint:
    return market_pb2.PricePoint(
        open_time=Timestamp(seconds=open_time_s),
        open=price(bar.open_ticks, found),
        high=price(bar.high_ticks, found),
        low=price(bar.low_ticks, found),
        close=price(bar.close_ticks, found),
        volume_lots=bar.volume_lots,
        notional=decimal(bar.notional_ticks * found["tick_value_minor"], _CASH),
        vwap=_vwap(bar, found),
        trade_count=bar.trade_count,
    )


def _trade(row: Row[Any], found: InstrumentMarket) -> market_pb2.PublicTrade:
    return market_pb2.PublicTrade(
        trade_id=row.trade_id,
        price=price(row.price_ticks, found),
        quantity_lots=row.quantity_lots,
        aggressor=types_pb2.Side.ValueType(row.aggressor),
        trade_time=Timestamp(seconds=row.trade_time_ns // _NS, nanos=row.trade_time_ns % _NS),
    )


def _day_bar(connection: Any, number: int, calendar: Calendar, day: date) -> Bar | None:
    start = int(calendar.bounds(day)[0].timestamp())
    found = candle_store.page(connection, number, bars.DAY, first_s=start, last_s=start, limit=1)
    return found[0][1] if found else None


def _summary(
    found: InstrumentMarket, day: date, bar: Bar | None, settled: DailySettlement | None,
    prior_ticks: int,
) -> market_pb2.DailySummary:  # fmt: skip
    summary = market_pb2.DailySummary(symbol=found["symbol"], business_date=day.isoformat())
    if bar is not None:
        point = _point(bar, 0, found)
        summary.open, summary.high, summary.low = point.open, point.high, point.low
        summary.close, summary.vwap, summary.notional = point.close, point.vwap, point.notional
        summary.volume_lots, summary.trade_count = bar.volume_lots, bar.trade_count
    newest = bar.close_ticks if bar is not None else 0
    if settled is not None:
        newest = settled.settlement_ticks
        prior_ticks = settled.prior_ticks or prior_ticks
        summary.settlement, summary.settlement_tier = price(newest, found), settled.tier
        summary.open_interest = settled.open_interest
        summary.limit_low = price(settled.limit_low_ticks, found)
        summary.limit_high = price(settled.limit_high_ticks, found)
    if prior_ticks:
        summary.prev_settlement = price(prior_ticks, found)
        if newest:
            summary.change = price(newest - prior_ticks, found)
            change = Decimal(100 * (newest - prior_ticks)) / prior_ticks
            summary.change_pct = units.plain(change.quantize(_PCT, ROUND_HALF_UP))
    return summary
