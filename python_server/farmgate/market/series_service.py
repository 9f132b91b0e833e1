"""Reference series, basis and indices: a part of the market's gRPC face."""

from collections import Counter
from typing import Any, Final

from sqlalchemy import Connection, Row

from farmgate.api.market.v1 import market_pb2
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.market import indices, series_store
from farmgate.market.basis import Basis, basis_of
from farmgate.market.ingestion import Ingestion
from farmgate.market.messages import decimal, micro
from farmgate.market.reference_service import day_of
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.users.messages import timestamp

_MICRO: Final = 1_000_000
_CENT: Final = 100
_LAST_DAY: Final = "9999-12-31"


class SeriesMethods:
    """Serves prices from outside and what is made of them.

    Attributes:
        _matching: The core.
        _database: Where series are kept.
        _ingestion: Stores observations.
        _pager: Signs page tokens.
        _clock: Tells the time.
    """

    _matching: Matching
    _database: Database
    _ingestion: Ingestion
    _pager: Pager
    _clock: Clock

    async def ListReferenceSeries(
        self, request: market_pb2.ListReferenceSeriesRequest, call: Call
    ) -> market_pb2.ListReferenceSeriesResponse:
        after = self._pager.after(request, request.page_token)
        last, limit = str(after[0]) if after else "", page_size(request.page_size)
        rows = await self._database.read(
            lambda tx: series_store.series_page(tx, after=last, limit=limit + 1)
        )
        reply = market_pb2.ListReferenceSeriesResponse(series=map(_series, rows[:limit]))
        if len(rows) > limit:
            reply.next_page_token = self._pager.token(request, (rows[limit - 1].id,))
        return reply

    async def GetReferenceSeries(
        self, request: market_pb2.GetReferenceSeriesRequest, call: Call
    ) -> market_pb2.GetReferenceSeriesResponse:
        first, last = day_of("from", getattr(request, "from")), day_of("to", request.to)
        if first and last and first > last:
            raise invalid("to", "must not be before from")
        after = self._pager.after(request, request.page_token)
        limit = page_size(request.page_size)
        start = str(first or "")
        if after:
            # The day that follows, as text: nothing sorts between.
            start = f"{after[0]}~"

        def read(connection: Connection) -> tuple[Row[Any] | None, list[Row[Any]]]:
            row = series_store.series(connection, request.series_id)
            points = series_store.accepted(
                connection, request.series_id, first=start,
                last=str(last or _LAST_DAY), limit=limit + 1,
            )  # fmt: skip
            return row, points

        row, points = await self._database.read(read)
        if row is None:
            raise DomainError("NOT_FOUND", resource="reference series", id=request.series_id)
        reply = market_pb2.GetReferenceSeriesResponse(
            series=_series(row), points=map(_point, points[:limit])
        )
        if len(points) > limit:
            place = (points[limit - 1].valid_on,)
            reply.next_page_token = self._pager.token(request, place)
        return reply

    async def IngestPrices(
        self, request: market_pb2.IngestPricesRequest, call: Call
    ) -> market_pb2.IngestPricesResponse:
        points = []
        today = self._clock.now().date()
        for index, point in enumerate(request.points):
            day = day_of(f"points[{index}].date", point.date)
            if day is None:
                raise DomainError("FIELD_REQUIRED", field=f"points[{index}].date")
            if day > today:
                raise invalid(f"points[{index}].date", f"must not be after today, {today}")
            points.append((day.isoformat(), micro(point.value), point.quality or "OK"))
        return await self._ingestion.by_hand(request.series_id, points, call.effect(_ingested))

    async def GetBasis(
        self, request: market_pb2.GetBasisRequest, call: Call
    ) -> market_pb2.GetBasisResponse:
        found = self._matching.instruments([request.symbol])
        if not found:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=request.symbol)

        def read(connection: Connection) -> Basis:
            return basis_of(connection, found[0], request.series_id)

        basis = await self._database.read(read)
        return market_pb2.GetBasisResponse(
            symbol=request.symbol,
            series_id=basis.series_id,
            cash_price=decimal(basis.cash_micro, _MICRO),
            reference_price=decimal(basis.reference_micro, _MICRO),
            basis=decimal(basis.cash_micro - basis.reference_micro, _MICRO),
            date=basis.day,
        )

    async def ListIndices(
        self, request: market_pb2.ListIndicesRequest, call: Call
    ) -> market_pb2.ListIndicesResponse:
        after = self._pager.after(request, request.page_token)
        last, limit = str(after[0]) if after else "", page_size(request.page_size)
        rows = await self._database.read(
            lambda tx: indices.page(tx, self._matching, after=last, limit=limit + 1)
        )
        now = self._clock.now()
        reply = market_pb2.ListIndicesResponse(
            indices=[
                market_pb2.MarketIndex(
                    code=row.code,
                    name=row.name,
                    value=decimal(value, _CENT),
                    base_date=row.base_date,
                    base_value=decimal(row.base_value_centi, _CENT),
                    value_time=timestamp(now),
                )
                for row, value in rows[:limit]
            ]
        )
        if len(rows) > limit:
            reply.next_page_token = self._pager.token(request, (rows[limit - 1][0].code,))
        return reply


def _series(row: Row[Any]) -> market_pb2.ReferenceSeries:
    return market_pb2.ReferenceSeries(
        series_id=row.id, source=row.source, unit=row.unit, currency=row.currency, name=row.name
    )


def _point(row: Row[Any]) -> market_pb2.ReferencePoint:
    return market_pb2.ReferencePoint(
        date=row.valid_on, value=decimal(row.value_micro, _MICRO), quality=row.quality
    )


def _ingested(counts: Counter[str]) -> market_pb2.IngestPricesResponse:
    return market_pb2.IngestPricesResponse(
        stored_count=counts["stored"],
        unchanged_count=counts["unchanged"],
        quarantined_count=counts["quarantined"],
    )
