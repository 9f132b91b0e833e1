"""What the market is described by."""

from decimal import ROUND_CEILING, Decimal

import pytest

from farmgate.api.market.v1 import market_pb2
from farmgate.contracts import tickets
from farmgate.errors import DomainError
from farmgate.market import reference_store
from service.market.exchange import Market
from support import refused


async def test_grades_are_listed_with_what_they_ask(exchange: Market) -> None:
    """MKT-002."""
    request = market_pb2.ListGradesRequest(page_size=5)
    found = []
    while True:
        reply = await exchange.stub.ListGrades(request)
        found += reply.grades
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    assert len(found) == 13
    assert [one.grade_id for one in found] == sorted(one.grade_id for one in found)
    reply = await exchange.stub.ListGrades(market_pb2.ListGradesRequest(commodity_code="CORN"))
    (corn,) = reply.grades
    assert (corn.grade_id, corn.standard, corn.schedule_id) == ("CORN.US2Y", "USDA", "US-CORN-DEMO")
    assert {(spec.parameter, spec.kind, spec.value) for spec in corn.specs} >= {
        ("TEST_WEIGHT", "MIN", "54"), ("MOISTURE", "BASIS", "15.0"), ("BCFM", "MAX", "3.0"),
    }  # fmt: skip
    request = market_pb2.ListGradesRequest(page_token="AAAA")
    assert (await refused(exchange.stub.ListGrades(request))).reason == "PAGE_TOKEN_INVALID"


def discount(rules: list[market_pb2.DiscountRule], parameter: str, value: Decimal) -> Decimal:
    """Reads the published schedule as its reader would."""
    (rule,) = (one for one in rules if one.parameter == parameter and one.bands)
    basis, is_above = Decimal(rule.basis), rule.direction == "ABOVE"
    if (value <= basis) if is_above else (value >= basis):
        return Decimal(0)
    for band in rule.bands:
        low, high = Decimal(getattr(band, "from")), Decimal(band.to)
        if (low < value <= high) if is_above else (low <= value < high):
            return Decimal(band.value)
    last = rule.bands[-1]
    if not is_above:
        return Decimal(last.value)
    over = (value - Decimal(last.to)) / Decimal(rule.step)
    steps = over.to_integral_value(ROUND_CEILING)
    return Decimal(last.value) + steps * Decimal(rule.per_step)


async def test_the_published_schedule_is_the_one_loads_are_settled_by(exchange: Market) -> None:
    """MKT-003: every tenth from par to far beyond the last band."""
    request = market_pb2.GetDiscountScheduleRequest(schedule_id="US-CORN-DEMO")
    schedule = await exchange.stub.GetDiscountSchedule(request)
    assert (schedule.commodity_code, schedule.version) == ("CORN", 1)
    rules = list(schedule.rules)
    ranges = {"TEST_WEIGHT": (480, 570), "DAMAGE": (0, 150), "BCFM": (0, 150)}
    mass = Decimal("25.40117272")
    for parameter, (low, high) in ranges.items():
        for tenths in range(low, high):
            value = Decimal(tenths) / 10
            ticket = tickets.weigh(
                Decimal(79540), Decimal(26120), "lb", mass, {parameter: value}, "US-CORN-DEMO"
            )
            assert ticket.discount == discount(rules, parameter, value), (parameter, value)
            rule = next(one for one in rules if one.parameter == parameter and one.bands)
            beyond = rule.reject_beyond and value < Decimal(rule.reject_beyond)
            assert bool(ticket.rejectable) == bool(beyond)
    shrink, drying = (one for one in rules if one.parameter == "MOISTURE")
    wet = tickets.weigh(
        Decimal(79540), Decimal(26120), "lb", mass, {"MOISTURE": Decimal("17.3")}, "US-CORN-DEMO"
    )
    assert wet.shrink_pct == 23 * Decimal(shrink.per_step)
    assert wet.drying == 23 * Decimal(drying.per_step)


async def test_a_schedule_never_changes_under_its_id(exchange: Market) -> None:
    """MKT-004."""
    database = exchange.ground.base.database
    row = await database.read(lambda tx: reference_store.schedule(tx, "US-CORN-DEMO"))
    assert row is not None
    same = row._asdict()
    await database.write(lambda tx: reference_store.add_schedule(tx, same))
    with pytest.raises(DomainError, match="SCHEDULE_IMMUTABLE"):
        await database.write(lambda tx: reference_store.add_schedule(tx, {**same, "version": 2}))
    request = market_pb2.GetDiscountScheduleRequest(schedule_id="US-WHEAT-NONE")
    refusal = await refused(exchange.stub.GetDiscountSchedule(request))
    assert (refusal.reason, refusal.metadata["id"]) == ("NOT_FOUND", "US-WHEAT-NONE")


async def test_places_are_listed(exchange: Market) -> None:
    """MKT-005."""
    reply = await exchange.stub.ListLocations(market_pb2.ListLocationsRequest())
    codes = [one.code for one in reply.locations]
    assert codes == sorted(
        ["CHI", "TOL", "DSM", "KCM", "NOLA", "STU", "ROU", "DKK", "NZB", "DEL", "ADD", "HUM", "KAN"]
    )
    freight = {one.code: Decimal(one.freight_differential) for one in reply.locations}
    assert (min(freight.values()), max(freight.values())) == (Decimal("-0.35"), Decimal("0.45"))
    first = await exchange.stub.ListLocations(market_pb2.ListLocationsRequest(page_size=12))
    rest = market_pb2.ListLocationsRequest(page_size=12, page_token=first.next_page_token)
    assert [one.code for one in (await exchange.stub.ListLocations(rest)).locations] == [codes[-1]]


def conversion(**given: str) -> market_pb2.ConvertUnitsRequest:
    return market_pb2.ConvertUnitsRequest(**{
        "commodity_code": "CORN", "quantity": "1", "from_unit": "t", "to_unit": "bu", **given,
    })  # fmt: skip


async def test_quantities_are_converted(exchange: Market) -> None:
    """MKT-001."""
    reply = await exchange.stub.ConvertUnits(conversion(quantity="-2.5"))
    assert (reply.quantity, reply.factor) == ("-98.420653", "39.368261")
    reply = await exchange.stub.ConvertUnits(conversion(from_unit="bu", to_unit="lb"))
    assert (reply.quantity, reply.factor) == ("56", "56")


async def test_what_cannot_be_converted_is_refused(exchange: Market) -> None:
    """MKT-006."""
    for given, reason, field in (
        ({"commodity_code": "GOLD"}, "NOT_FOUND", ""),
        ({"to_unit": "stone"}, "INVALID_ARGUMENT", "to_unit"),
        ({"commodity_code": "TURMERIC"}, "INVALID_ARGUMENT", "to_unit"),
        ({"from_unit": "bag"}, "INVALID_ARGUMENT", "from_unit"),
        ({"quantity": "1e3"}, "INVALID_ARGUMENT", "quantity"),
        ({"quantity": "999999999999"}, "OUT_OF_RANGE", "quantity"),
    ):
        refusal = await refused(exchange.stub.ConvertUnits(conversion(**given)))
        assert refusal.reason == reason, given
        assert refusal.metadata.get("field", "") == field, given


async def test_calendars_tell_days_and_hours(exchange: Market) -> None:
    """MKT-013."""
    request = market_pb2.GetCalendarRequest(calendar_code="CBOT_GRAINS", days=3)
    request.MergeFrom(market_pb2.GetCalendarRequest(**{"from": "2026-11-25"}))
    reply = await exchange.stub.GetCalendar(request)
    assert reply.timezone == "America/Chicago"
    assert [day.is_holiday for day in reply.days] == [False, True, False]
    assert [len(day.phases) for day in reply.days] == [4, 0, 4]
    reply = await exchange.stub.GetCalendar(market_pb2.GetCalendarRequest())
    assert (reply.calendar_code, len(reply.days)) == ("ALWAYS_OPEN", 7)
    today = exchange.clock.now().date().isoformat()
    assert reply.days[0].business_date == today
    for given, reason in (
        ({"calendar_code": "LME"}, "NOT_FOUND"),
        ({"from": "2026-02-30"}, "INVALID_ARGUMENT"),
        ({"from": "1999-12-31"}, "OUT_OF_RANGE"),
        ({"from": "2035-12-31"}, "OUT_OF_RANGE"),
        ({"days": 367}, "INVALID_ARGUMENT"),
    ):
        refusal = await refused(exchange.stub.GetCalendar(market_pb2.GetCalendarRequest(**given)))
        assert refusal.reason == reason, given


async def test_the_status_follows_the_core(exchange: Market) -> None:
    """MKT-014."""
    status = await exchange.stub.GetMarketStatus(market_pb2.GetMarketStatusRequest())
    assert status.is_open
    assert len(status.instruments) == 36
    for one in exchange.matching.instruments():
        await exchange.matching.set_phase(one["number"], market_pb2.INSTRUMENT_PHASE_HALTED)
    status = await exchange.stub.GetMarketStatus(market_pb2.GetMarketStatusRequest())
    assert not status.is_open
    assert {one.phase for one in status.instruments} == {market_pb2.INSTRUMENT_PHASE_HALTED}
    assert status.sequence >= exchange.matching.applied_sequence() > 0
