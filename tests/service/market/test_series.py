"""Prices from outside over the API: stored once, doubted when they jump, compared."""

from farmgate.api.market.v1 import market_pb2
from farmgate.market import series_store
from service.market.exchange import Market
from support import refused

SERIES = {
    "id": "ZC1", "name": "Corn", "source": "MANUAL", "commodity_code": "CORN", "unit": "t",
    "currency": "USD", "frequency": "DAILY", "calendar_code": "ALWAYS_OPEN", "is_reference": True,
}  # fmt: skip


def points(*values: tuple[str, str]) -> market_pb2.IngestPricesRequest:
    request = market_pb2.IngestPricesRequest(series_id="ZC1")
    for day, value in values:
        request.points.add(date=day, value=value)
    return request


async def test_points_are_stored_once_doubted_and_listed(exchange: Market) -> None:
    """MKT-050, MKT-051, MKT-055."""
    database = exchange.ground.base.database
    await database.write(lambda tx: series_store.put_series(tx, SERIES))
    admin = await exchange.admin()
    days = [(f"2026-05-{day:02d}", f"{180 + day % 3}.5") for day in range(1, 11)]
    stub, metadata = exchange.stub, admin.metadata
    first = await stub.IngestPrices(points(*days), metadata=metadata)
    assert (first.stored_count, first.unchanged_count, first.quarantined_count) == (10, 0, 0)
    again = await stub.IngestPrices(points(*days), metadata=metadata)
    assert (again.stored_count, again.unchanged_count) == (0, 10)
    odd = await stub.IngestPrices(
        points(("2026-05-11", "1815"), ("2026-05-12", "0"), ("2026-05-02", "183")),
        metadata=metadata,
    )
    assert (odd.stored_count, odd.quarantined_count) == (1, 2)
    shift = points(*((f"2026-05-{day}", f"25{day - 13}") for day in (13, 14, 15)))
    shifted = await stub.IngestPrices(shift, metadata=metadata)
    assert (shifted.stored_count, shifted.quarantined_count) == (3, 0)
    request = market_pb2.GetReferenceSeriesRequest(series_id="ZC1", page_size=5)
    found = []
    while True:
        reply = await stub.GetReferenceSeries(request)
        found += reply.points
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    values = {one.date: one.value for one in found}
    assert len(found) == 13
    assert values["2026-05-02"] == "183"
    assert "2026-05-11" not in values
    listed = await stub.ListReferenceSeries(market_pb2.ListReferenceSeriesRequest())
    assert [one.series_id for one in listed.series] == ["ZC1"]


async def test_bad_points_are_refused(exchange: Market) -> None:
    """MKT-052."""
    admin, person = await exchange.admin(), await exchange.api.person()
    stub = exchange.stub
    for request, reason in (
        (points(("2026-05-01", "1")), "NOT_FOUND"),
        (points(("2026-02-30", "1")), "INVALID_ARGUMENT"),
        (points(("", "1")), "FIELD_REQUIRED"),
        (points(("2026-05-01", "1e5")), "INVALID_ARGUMENT"),
        (points(("2999-05-01", "1")), "INVALID_ARGUMENT"),
        (points(), "INVALID_ARGUMENT"),
    ):
        refusal = await refused(stub.IngestPrices(request, metadata=admin.metadata))
        assert refusal.reason == reason, request
    request = points(("2026-05-01", "1"))
    assert (await refused(stub.IngestPrices(request))).reason == "UNAUTHENTICATED"
    refusal = await refused(stub.IngestPrices(request, metadata=person.metadata))
    assert refusal.reason == "PERMISSION_DENIED"
    missing = market_pb2.GetReferenceSeriesRequest(series_id="X")
    assert (await refused(stub.GetReferenceSeries(missing))).reason == "NOT_FOUND"


async def test_basis_is_cash_less_reference(exchange: Market) -> None:
    """MKT-056: the reference of 180 a tonne is 4.572211 a bushel; the cash price is 4.5825."""
    database = exchange.ground.base.database
    await database.write(lambda tx: series_store.put_series(tx, SERIES))
    request = market_pb2.GetBasisRequest(symbol="CORN-US2Y-CHI")
    assert (await refused(exchange.stub.GetBasis(request))).reason == "NOT_FOUND"
    admin = await exchange.admin()
    told = points(("2026-05-29", "180"))
    await exchange.stub.IngestPrices(told, metadata=admin.metadata)
    assert (await refused(exchange.stub.GetBasis(request))).reason == "NOT_FOUND"
    await exchange.settled("CORN-US2Y-CHI", 1_833)
    basis = await exchange.stub.GetBasis(request)
    assert (basis.series_id, basis.date) == ("ZC1", "2026-05-29")
    assert (basis.cash_price, basis.reference_price) == ("4.5825", "4.572211")
    assert basis.basis == "0.010289"
    for symbol, series, reason in (
        ("GOLD", "", "INSTRUMENT_UNKNOWN"), ("CORN-US2Y-CHI", "X", "NOT_FOUND"),
        ("WHEAT-MILL-EU-ROU", "ZC1", "INVALID_ARGUMENT"), ("IDX-ALL", "", "INVALID_ARGUMENT"),
    ):  # fmt: skip
        request = market_pb2.GetBasisRequest(symbol=symbol, series_id=series)
        assert (await refused(exchange.stub.GetBasis(request))).reason == reason
