"""The gRPC face of the market: instruments, prices, streams of market data."""

from collections.abc import Iterable

from farmgate.api.market.v1 import market_pb2
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.market import store
from farmgate.market.alert_service import AlertMethods
from farmgate.market.alerts import Alerts
from farmgate.market.ingestion import Ingestion
from farmgate.market.known import Described, Known
from farmgate.market.messages import (
    commodity_message,
    instrument_message,
    price_message,
    ticker_message,
)
from farmgate.market.price_service import PriceMethods, PublicTrades
from farmgate.market.reference_service import ReferenceMethods
from farmgate.market.series_service import SeriesMethods
from farmgate.market.stream_service import MarketStreamServicer
from farmgate.ports.clock import Clock
from farmgate.ports.matching import InstrumentMarket, Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size


class MarketServicer(
    ReferenceMethods, PriceMethods, SeriesMethods, AlertMethods, MarketStreamServicer
):
    """Serves `MarketService`.

    Args:
        matching: The core.
        database: Where descriptions are kept.
        pager: Signs page tokens.
        clock: Tells the time.
        history: Where candles are.
        public_trades: Reads trades.
        ingestion: Stores prices from outside.
        alerts: Keeps price alerts.
        known: Keeps for a while what is asked for again and again.
    """

    QUIET_METHODS = frozenset({"ListPrices", "ListTickers"})

    def __init__(
        self, matching: Matching, database: Database, pager: Pager, clock: Clock, *,
        history: Database, public_trades: PublicTrades, ingestion: Ingestion, alerts: Alerts,
        known: Known,
    ) -> None:  # fmt: skip
        super().__init__(matching)
        self._matching = matching
        self._database = database
        self._pager = pager
        self._clock = clock
        self._history = history
        self._public_trades = public_trades
        self._ingestion = ingestion
        self._alerts = alerts
        self._known = known

    async def ListCommodities(
        self, request: market_pb2.ListCommoditiesRequest, call: Call
    ) -> market_pb2.ListCommoditiesResponse:
        return await self._known.reference.to(
            request, market_pb2.ListCommoditiesResponse, lambda: self._commodities(request)
        )

    async def _commodities(
        self, request: market_pb2.ListCommoditiesRequest
    ) -> market_pb2.ListCommoditiesResponse:
        after = self._pager.after(request, request.page_token)
        limit = page_size(request.page_size)
        last = str(after[0]) if after else ""
        rows = await self._database.read(
            lambda tx: store.commodity_page(
                tx, category=request.category, after=last, limit=limit + 1
            )
        )
        reply = market_pb2.ListCommoditiesResponse(commodities=map(commodity_message, rows[:limit]))
        if len(rows) > limit:
            reply.next_page_token = self._pager.token(request, (rows[limit - 1].code,))
        return reply

    async def GetCommodity(
        self, request: market_pb2.GetCommodityRequest, call: Call
    ) -> market_pb2.GetCommodityResponse:
        return await self._known.reference.to(
            request, market_pb2.GetCommodityResponse, lambda: self._commodity(request)
        )

    async def _commodity(
        self, request: market_pb2.GetCommodityRequest
    ) -> market_pb2.GetCommodityResponse:
        row = await self._database.read(lambda tx: store.commodity(tx, request.code))
        if row is None:
            raise DomainError("NOT_FOUND", resource="commodity", id=request.code)
        return market_pb2.GetCommodityResponse(commodity=commodity_message(row))

    async def ListInstruments(
        self, request: market_pb2.ListInstrumentsRequest, call: Call
    ) -> market_pb2.ListInstrumentsResponse:
        after = self._pager.after(request, request.page_token)
        last = int(after[0]) if after else 0
        limit = page_size(request.page_size)
        described = await self._described()
        messages = [
            instrument_message(found, described.get(found["symbol"]))
            for found in self._matching.instruments()
            if found["number"] > last and request.kind in {0, found["kind"]}
        ]
        if request.commodity_code:
            messages = [
                message for message in messages if message.commodity_code == request.commodity_code
            ]
        reply = market_pb2.ListInstrumentsResponse(instruments=messages[:limit])
        if len(messages) > limit:
            place = (messages[limit - 1].instrument_id,)
            reply.next_page_token = self._pager.token(request, place)
        return reply

    async def GetInstrument(
        self, request: market_pb2.GetInstrumentRequest, call: Call
    ) -> market_pb2.GetInstrumentResponse:
        found = self._found([request.symbol])[0]
        described = await self._described()
        message = instrument_message(found, described.get(found["symbol"]))
        return market_pb2.GetInstrumentResponse(instrument=message)

    async def ListPrices(
        self, request: market_pb2.ListPricesRequest, call: Call
    ) -> market_pb2.ListPricesResponse:
        await self._matching.caught_up()
        described = await self._described()
        return market_pb2.ListPricesResponse(
            prices=[
                price_message(found, _unit(described, found))
                for found in self._found(request.symbols)
            ]
        )

    async def ListTickers(
        self, request: market_pb2.ListTickersRequest, call: Call
    ) -> market_pb2.ListTickersResponse:
        await self._matching.caught_up()
        described = await self._described()
        return market_pb2.ListTickersResponse(
            tickers=[
                ticker_message(found, _unit(described, found))
                for found in self._found(request.symbols)
            ]
        )

    async def _described(self) -> Described:
        return await self._known.described()

    def _found(self, symbols: Iterable[str]) -> list[InstrumentMarket]:
        wanted = list(symbols)
        found = self._matching.instruments(wanted or None)
        missing = set(wanted) - {instrument["symbol"] for instrument in found}
        if missing:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=min(missing))
        return found


def _unit(described: Described, found: InstrumentMarket) -> str:
    description = described.get(found["symbol"])
    return description.unit if description is not None else ""
