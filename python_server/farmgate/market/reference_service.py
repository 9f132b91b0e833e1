"""Grades, schedules, places, units and calendars: the part of the market's gRPC face on them."""

import asyncio
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row

from farmgate.api.market.v1 import market_pb2
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.market import calendars, reference_store, store, units
from farmgate.market.known import Known
from farmgate.market.messages import decimal
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.users.messages import timestamp

_CASH: Final = 10_000
_DAYS_DEFAULT: Final = 7
# As many digits as a decimal of the API has before its point.
_QUANTITY_MAX: Final = Decimal(10) ** 12


class ReferenceMethods:
    """Serves what the market is described by.

    Attributes:
        _matching: The core.
        _database: Where descriptions are kept.
        _pager: Signs page tokens.
        _clock: Tells the time.
        _known: Keeps for a while what is asked for again and again.
    """

    _matching: Matching
    _database: Database
    _pager: Pager
    _clock: Clock
    _known: Known

    async def ListGrades(
        self, request: market_pb2.ListGradesRequest, call: Call
    ) -> market_pb2.ListGradesResponse:
        return await self._known.reference.to(
            request, market_pb2.ListGradesResponse, lambda: self._grades(request)
        )

    async def _grades(self, request: market_pb2.ListGradesRequest) -> market_pb2.ListGradesResponse:
        after = self._pager.after(request, request.page_token)
        last, limit = str(after[0]) if after else "", page_size(request.page_size)
        rows = await self._database.read(
            lambda tx: reference_store.grade_page(
                tx, commodity=request.commodity_code, after=last, limit=limit + 1
            )
        )
        reply = market_pb2.ListGradesResponse(grades=map(_grade, rows[:limit]))
        if len(rows) > limit:
            reply.next_page_token = self._pager.token(request, (rows[limit - 1].id,))
        return reply

    async def GetDiscountSchedule(
        self, request: market_pb2.GetDiscountScheduleRequest, call: Call
    ) -> market_pb2.GetDiscountScheduleResponse:
        return await self._known.reference.to(
            request, market_pb2.GetDiscountScheduleResponse, lambda: self._schedule(request)
        )

    async def _schedule(
        self, request: market_pb2.GetDiscountScheduleRequest
    ) -> market_pb2.GetDiscountScheduleResponse:
        row = await self._database.read(
            lambda tx: reference_store.schedule(tx, request.schedule_id)
        )
        if row is None:
            raise DomainError("NOT_FOUND", resource="discount schedule", id=request.schedule_id)
        return market_pb2.GetDiscountScheduleResponse(
            schedule_id=row.id,
            name=row.name,
            commodity_code=row.commodity_code,
            version=row.version,
            rules=[market_pb2.DiscountRule(**rule) for rule in json.loads(row.rules)],
            effective_from=row.effective_from,
        )

    async def ListLocations(
        self, request: market_pb2.ListLocationsRequest, call: Call
    ) -> market_pb2.ListLocationsResponse:
        return await self._known.reference.to(
            request, market_pb2.ListLocationsResponse, lambda: self._locations(request)
        )

    async def _locations(
        self, request: market_pb2.ListLocationsRequest
    ) -> market_pb2.ListLocationsResponse:
        after = self._pager.after(request, request.page_token)
        last, limit = str(after[0]) if after else "", page_size(request.page_size)
        rows = await self._database.read(
            lambda tx: reference_store.location_page(tx, after=last, limit=limit + 1)
        )
        reply = market_pb2.ListLocationsResponse(locations=map(_location, rows[:limit]))
        if len(rows) > limit:
            reply.next_page_token = self._pager.token(request, (rows[limit - 1].code,))
        return reply

    async def ConvertUnits(
        self, request: market_pb2.ConvertUnitsRequest, call: Call
    ) -> market_pb2.ConvertUnitsResponse:
        code = request.commodity_code
        await self._known_commodity(code)
        for field in ("from_unit", "to_unit"):
            try:
                units.mass_kg(code, getattr(request, field))
            except units.UnitError as error:
                known = ", ".join(units.of(code))
                raise invalid(field, f"must be a unit of {code}: {known}") from error
        factor = units.factor(code, request.from_unit, request.to_unit)
        quantity = units.convert(
            code, Decimal(request.quantity), request.from_unit, request.to_unit
        )
        if abs(quantity) >= _QUANTITY_MAX:
            raise DomainError(
                "OUT_OF_RANGE", field="quantity", value=request.quantity,
                low=f"-1e12 {request.to_unit}", high=f"1e12 {request.to_unit}",
            )  # fmt: skip
        return market_pb2.ConvertUnitsResponse(
            quantity=units.plain(quantity), factor=units.plain(units.rounded(factor))
        )

    async def GetCalendar(
        self, request: market_pb2.GetCalendarRequest, call: Call
    ) -> market_pb2.GetCalendarResponse:
        calendar = _calendar(request.calendar_code)
        now = self._clock.now()
        first = day_of("from", getattr(request, "from")) or calendar.business_day(now)
        count = request.days or _DAYS_DEFAULT
        if not calendars.FIRST_DAY <= first <= calendars.LAST_DAY - timedelta(days=count):
            raise DomainError(
                "OUT_OF_RANGE", field="from", value=first,
                low=calendars.FIRST_DAY, high=calendars.LAST_DAY - timedelta(days=count),
            )  # fmt: skip
        # In a thread: the first question about a year makes the list of its holidays.
        days = await asyncio.to_thread(_days, calendar, first, count)
        return market_pb2.GetCalendarResponse(
            calendar_code=calendar.code, timezone=calendar.timezone, days=days
        )

    async def GetMarketStatus(
        self, request: market_pb2.GetMarketStatusRequest, call: Call
    ) -> market_pb2.GetMarketStatusResponse:
        await self._matching.caught_up()
        found = sorted(self._matching.instruments(), key=lambda one: one["symbol"])
        return market_pb2.GetMarketStatusResponse(
            is_open=any(
                one["phase"] == market_pb2.INSTRUMENT_PHASE_OPEN
                and one["kind"] != market_pb2.INSTRUMENT_KIND_INDEX
                for one in found
            ),
            instruments=[
                market_pb2.InstrumentStatus(
                    symbol=one["symbol"],
                    phase=market_pb2.InstrumentPhase.ValueType(one["phase"]),
                )
                for one in found
            ],
            server_time=timestamp(self._clock.now()),
            sequence=self._matching.applied_sequence(),
        )

    async def _known_commodity(self, code: str) -> None:
        if await self._database.read(lambda tx: store.commodity(tx, code)) is None:
            raise DomainError("NOT_FOUND", resource="commodity", id=code)


def day_of(field: str, text: str) -> date | None:
    """Returns the date of a field, None when it is empty.

    Raises:
        DomainError: INVALID_ARGUMENT when there is no such day.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise invalid(field, "must be a day that exists, as YYYY-MM-DD") from error


def _calendar(code: str) -> calendars.Calendar:
    found = calendars.CALENDARS.get(code) if code else calendars.DEFAULT
    if found is None:
        raise DomainError("NOT_FOUND", resource="calendar", id=code)
    return found


def _days(calendar: calendars.Calendar, first: date, count: int) -> list[market_pb2.TradingDay]:
    days = []
    for ahead in range(count):
        day = first + timedelta(days=ahead)
        phases = calendar.phases(day)
        days.append(
            market_pb2.TradingDay(
                business_date=day.isoformat(),
                is_holiday=not phases,
                phases=[
                    market_pb2.TradingPhase(
                        phase=market_pb2.InstrumentPhase.Value(f"INSTRUMENT_PHASE_{one.name}"),
                        start_time=timestamp(one.start),
                        end_time=timestamp(one.end),
                    )
                    for one in phases
                ],
            )
        )
    return days


def _grade(row: Row[Any]) -> market_pb2.Grade:
    return market_pb2.Grade(
        grade_id=row.id,
        commodity_code=row.commodity_code,
        code=row.code,
        standard=row.standard,
        specs=[market_pb2.GradeSpec(**spec) for spec in json.loads(row.specs)],
        schedule_id=row.schedule_id,
    )


def _location(row: Row[Any]) -> market_pb2.Location:
    return market_pb2.Location(
        code=row.code,
        name=row.name,
        kind=row.kind,
        country=row.country,
        timezone=row.timezone,
        freight_differential=decimal(row.freight_differential_minor, _CASH),
    )
