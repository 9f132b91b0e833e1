"""Calls anybody may make: markets, prices, books, trades, candles."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.client.connection import Connection
from farmgate.client.values import (
    Candle,
    Level,
    Market,
    OrderBook,
    Point,
    PublicTrade,
    Rows,
    Ticker,
)

_PAGE: Final = 500
INTERVALS: Final = {"1m": 1, "5m": 2, "15m": 3, "30m": 4, "1h": 5, "4h": 6, "1d": 7, "1w": 8}
"""Interval of candles by name."""


def interval_of(timeframe: str) -> market_pb2.CandleInterval.ValueType:
    """Returns an interval.

    Raises:
        ValueError: There is none of this name.
    """
    if timeframe not in INTERVALS:
        raise ValueError(f"timeframe must be one of {', '.join(INTERVALS)}")
    return market_pb2.CandleInterval.Value(f"CANDLE_INTERVAL_{timeframe.upper()}")


class MarketCalls(Connection):
    """What is known of the market."""

    @property
    def _market(self) -> market_pb2_grpc.MarketServiceStub:
        return market_pb2_grpc.MarketServiceStub(self.channel)

    async def fetch_markets(self) -> Rows[Market]:
        """Returns all instruments."""
        found, token = Rows[Market](), ""
        while True:
            request = market_pb2.ListInstrumentsRequest(page_size=_PAGE, page_token=token)
            reply = await self.call(self._market.ListInstruments, request)
            found += [Market.of(one) for one in reply.instruments]
            token = reply.next_page_token
            if not token:
                return found

    async def fetch_market(self, symbol: str) -> Market:
        """Returns an instrument.

        Raises:
            FarmgateError: `InstrumentUnknown`.
        """
        request = market_pb2.GetInstrumentRequest(symbol=symbol)
        return Market.of((await self.call(self._market.GetInstrument, request)).instrument)

    async def fetch_currencies(self) -> list[str]:
        """Returns the codes of the currencies that prices are in."""
        return sorted({one.quote for one in await self.fetch_markets() if one.quote})

    async def fetch_ticker(self, symbol: str) -> Ticker:
        """Returns last and best prices, and the day so far.

        Raises:
            FarmgateError: `InstrumentUnknown`.
        """
        return (await self.fetch_tickers([symbol]))[0]

    async def fetch_tickers(self, symbols: Sequence[str] = ()) -> Rows[Ticker]:
        """Returns the tickers of some instruments, of all when none is named."""
        request = market_pb2.ListTickersRequest(symbols=symbols)
        reply = await self.call(self._market.ListTickers, request)
        return Rows(Ticker.of(one.price, one.summary) for one in reply.tickers)

    async def fetch_order_book(self, symbol: str, limit: int = 20) -> OrderBook:
        """Returns a book of so many levels a side.

        Raises:
            FarmgateError: `InstrumentUnknown`.
        """
        stub = trading_pb2_grpc.TradingServiceStub(self.channel)
        request = trading_pb2.GetOrderBookRequest(symbol=symbol, depth=limit)
        reply = await self.call(stub.GetOrderBook, request)
        return OrderBook(
            symbol, tuple(map(Level.of, reply.bids)), tuple(map(Level.of, reply.asks)),
            reply.sequence,
        )  # fmt: skip

    async def fetch_trades(self, symbol: str, limit: int = 100) -> Rows[PublicTrade]:
        """Returns the newest trades of an instrument, oldest first."""
        found, token = Rows[PublicTrade](), ""
        while len(found) < limit:
            size = min(_PAGE, limit - len(found))
            request = market_pb2.ListPublicTradesRequest(
                symbol=symbol, page_size=size, page_token=token
            )
            reply = await self.call(self._market.ListPublicTrades, request)
            found += [PublicTrade.of(symbol, one) for one in reply.trades]
            token = reply.next_page_token
            if not token:
                break
        return Rows(sorted(found, key=lambda one: one.id))

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str = "1d", since: datetime | None = None,
        until: datetime | None = None, limit: int = 500,
    ) -> Rows[Candle]:  # fmt: skip
        """Returns candles, oldest first.

        Args:
            symbol: The instrument.
            timeframe: "1m", "5m", "15m", "30m", "1h", "4h", "1d" or "1w".
            since: Time of the first one; None leaves it to the exchange.
            until: Before it the last one opens; None for now.
            limit: How many at most.
        """
        request = market_pb2.ListPriceHistoryRequest(
            symbol=symbol, interval=interval_of(timeframe), page_size=min(limit, _PAGE)
        )
        if since is not None:
            getattr(request, "from").FromDatetime(since)
        if until is not None:
            request.to.FromDatetime(until)
        found = Rows[Candle]()
        while len(found) < limit:
            reply = await self.call(self._market.ListPriceHistory, request)
            found += [Candle.of(one) for one in reply.points]
            request.page_token = reply.next_page_token
            if not request.page_token:
                break
        return Rows(found[:limit])

    async def fetch_reference(self, series: str, limit: int = 5_000) -> Rows[Point]:
        """Returns the values of a reference series, oldest first.

        Raises:
            FarmgateError: `NotFound`.
        """
        request = market_pb2.GetReferenceSeriesRequest(series_id=series, page_size=_PAGE)
        found = Rows[Point]()
        while len(found) < limit:
            reply = await self.call(self._market.GetReferenceSeries, request)
            found += [Point.of(one) for one in reply.points]
            request.page_token = reply.next_page_token
            if not request.page_token:
                break
        return Rows(found[:limit])

    async def fetch_basis(self, symbol: str) -> market_pb2.GetBasisResponse:
        """Returns the cash price of an instrument less its reference."""
        request = market_pb2.GetBasisRequest(symbol=symbol)
        reply: market_pb2.GetBasisResponse = await self.call(self._market.GetBasis, request)
        return reply
