"""Use cases of operators about instruments: listing, changing and delisting them, their limits."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Row

from farmgate.api.market.v1 import market_pb2
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.errors import DomainError, invalid
from farmgate.market import listing_store, store
from farmgate.market import terms as stated
from farmgate.market.calendars import CALENDARS
from farmgate.market.phases import phase_due
from farmgate.market.terms import Defaults, Terms
from farmgate.ports.clock import Clock
from farmgate.ports.matching import InstrumentMarket, InstrumentRules, Matching

M = TypeVar("M", bound=Serializable)
# The ladder spans a quarter to four times the price to start with, and holds so many ticks.
_SPAN_FACTOR: Final = 4
_SPAN_TICKS_MAX: Final = 1 << 20
_AUDIENCE: Final = ("FARMER", "TRADER", "COOP_MANAGER")


@dataclass(frozen=True, slots=True)
class Draft:
    """An instrument to list; numbers are decimals as text."""

    symbol: str
    kind: int
    commodity_code: str
    grade_code: str
    location_code: str
    quote_currency: str
    unit: str
    lot_size: str
    tick_size: str
    start_price: str
    delivery_start: str = ""
    delivery_end: str = ""
    first_trade_at: datetime | None = None
    last_trade_at: datetime | None = None
    terms: Terms = field(default_factory=Terms)


class Listed(NamedTuple):
    """An instrument: its market, its description, what is stated of it and its rules."""

    market: InstrumentMarket
    row: Row[Any]
    terms: Terms
    rules: InstrumentRules
    sequence: int = 0


class Listings:
    """Lists instruments in the core, then describes them.

    The core comes first: a call that ended between the two is repeated to the same end.

    Args:
        matching: The core.
        database: Where descriptions are kept.
        clock: Tells the time.
    """

    def __init__(self, matching: Matching, database: Database, clock: Clock) -> None:
        self._matching = matching
        self._database = database
        self._clock = clock
        # Reading rules, changing them and writing them down is one step.
        self._one_at_a_time = asyncio.Lock()

    async def page(self, *, after: str, phase: int, limit: int) -> list[Listed]:
        """Returns instruments of a phase, or of all for 0, by symbol after one."""
        await self._matching.caught_up()
        rows = await self._database.read(store.descriptions)
        found = sorted(self._matching.instruments(), key=lambda one: one["symbol"])
        wanted = [
            one for one in found if one["symbol"] > after and phase in {0, one["phase"]}
            if one["symbol"] in rows
        ]  # fmt: skip
        return [self._listed(one, rows[one["symbol"]]) for one in wanted[:limit]]

    def usage(self, listed: Listed) -> tuple[int, int]:
        """Returns open orders and open interest."""
        return self._matching.usage(listed.market["number"])

    async def create(self, draft: Draft, reason: str, effect: Effect[Listed, M]) -> M:
        """Lists an instrument.

        Raises:
            DomainError: ALREADY_EXISTS; NOT_FOUND for what it is about; INVALID_ARGUMENT.
        """
        async with self._one_at_a_time:
            known = await self._database.read(lambda tx: self._checked(tx, draft))
            rules = _new_rules(draft, known, self._clock.now())
            base = f"{draft.commodity_code}.{draft.grade_code}.{draft.location_code}"
            if draft.quote_currency not in self._matching.assets():
                raise invalid("quote_currency", "must be a currency of the exchange")
            complete: Any = rules | {
                "base_asset": await self._matching.register_asset(base),
                "quote_asset": await self._matching.register_asset(draft.quote_currency),
            }
            number = await self._matching.define_instrument(complete)
            await self._matching.caught_up()

            def write(connection: Connection) -> None:
                listing_store.add(
                    connection, **_row(draft, known, number, rules["tick_size_micro"])
                )
                self._tell(connection, "market.instrument_listed", draft.symbol)
                listed = self._of(connection, draft.symbol)
                effect.record(
                    connection, listed, resource=f"instrument/{draft.symbol}", reason=reason,
                    detail=text_of({"terms": stated.text_of(draft.terms)}),
                )  # fmt: skip

            await self._database.write(write)
        return effect.reply

    async def update(
        self, symbol: str, values: Mapping[str, Any], reason: str, expected: int,
        effect: Effect[Listed, M],
    ) -> M:  # fmt: skip
        """Changes what is stated of an instrument. New limits hold from the next settlement.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, VERSION_CONFLICT, INVALID_ARGUMENT, PRICE_TICK,
                RESOURCE_STATE for a delisted one, AMEND_NOT_ALLOWED when open orders would cost
                something else.
        """
        async with self._one_at_a_time:
            before, defaults = await self._database.read(lambda tx: self._known(tx, symbol))
            self._check_version(before, expected, "changing it")
            after = replace(before.terms, **values)
            _check_calendar(after)
            stated.check_limits(after, defaults, before.rules["tick_size_micro"])
            await self._matching.update_instrument(self._rules(before, after, defaults))
            await self._matching.caught_up()

            def write(connection: Connection) -> None:
                calendar = after.calendar_code or defaults.calendar_code
                listing_store.change(
                    connection, symbol, before.row.version, terms=stated.text_of(after),
                    calendar_code=calendar,
                )  # fmt: skip
                detail = {"before": before.row.terms, "after": stated.text_of(after)}
                effect.record(
                    connection, self._of(connection, symbol), resource=f"instrument/{symbol}",
                    reason=reason, detail=text_of(detail),
                )  # fmt: skip

            await self._database.write(write)
        return effect.reply

    async def delist(self, symbol: str, reason: str, expected: int, effect: Effect[Listed, M]) -> M:
        """Takes an instrument off the list, when no order and no position is open.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, VERSION_CONFLICT, RESOURCE_STATE.
        """
        async with self._one_at_a_time:
            await self._matching.caught_up()
            before, _ = await self._database.read(lambda tx: self._known(tx, symbol))
            self._check_version(before, expected, "delisting it")
            orders, lots = self.usage(before)
            if orders or lots:
                state = f"in use, with {orders} open orders and {lots} lots of open interest"
                raise _state(symbol, state, "delisting it")
            try:
                delisted = market_pb2.INSTRUMENT_PHASE_DELISTED
                await self._matching.set_phase(before.market["number"], delisted)
            except DomainError as refusal:
                # An order came in between.
                raise _state(symbol, "in use", "delisting it") from refusal
            await self._matching.caught_up()

            def write(connection: Connection) -> None:
                listing_store.change(connection, symbol, before.row.version)
                effect.record(
                    connection, self._of(connection, symbol), resource=f"instrument/{symbol}",
                    reason=reason,
                )  # fmt: skip

            await self._database.write(write)
        return effect.reply

    async def set_limits(
        self, symbol: str, low: str, high: str, reason: str, effect: Effect[Listed, M]
    ) -> M:
        """Sets the prices of the day; the next settlement sets new ones.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, PRICE_TICK, PRICE_RANGE, INVALID_ARGUMENT,
                RESOURCE_STATE for a delisted one.
        """
        before, _ = await self._database.read(lambda tx: self._known(tx, symbol))
        self._check_version(before, 0, "limiting its prices")
        tick = before.rules["tick_size_micro"]
        ticks = (stated.ticks_of(low, tick, "price_low"), stated.ticks_of(high, tick, "price_high"))
        if ticks[0] > ticks[1]:
            raise invalid("price_low", "must not be above price_high")
        sequence = await self._matching.set_price_limits(before.market["number"], *ticks)
        await self._matching.caught_up(sequence)

        def write(connection: Connection) -> None:
            detail = {
                "before": [before.market["limit_low"], before.market["limit_high"]],
                "after": [low, high], "sequence": sequence,
            }  # fmt: skip
            listed = self._of(connection, symbol)._replace(sequence=sequence)
            effect.record(
                connection, listed, resource=f"instrument/{symbol}", reason=reason,
                detail=text_of(detail),
            )  # fmt: skip

        await self._database.write(write)
        return effect.reply

    async def follow_settings(self) -> int:
        """Brings what follows the settings to the core; returns how many instruments changed."""
        changed = 0
        async with self._one_at_a_time:
            rows = await self._database.read(store.descriptions)
            defaults = await self._database.read(self._defaults)
            for market in self._matching.instruments():
                row = rows.get(market["symbol"])
                if row is None or market["phase"] == market_pb2.INSTRUMENT_PHASE_DELISTED:
                    continue
                listed = self._listed(market, row)
                rules = self._rules(listed, listed.terms, defaults)
                if rules == listed.rules:
                    continue
                try:
                    await self._matching.update_instrument(rules)
                except DomainError as refusal:
                    if refusal.reason != "AMEND_NOT_ALLOWED":
                        raise
                    # Open orders were taken at another fee: all the rest is changed.
                    fees = {"taker_fee_centi_bps": listed.rules["taker_fee_centi_bps"]}
                    kept: Any = rules | fees
                    await self._matching.update_instrument(kept)
                changed += 1
            await self._matching.caught_up()
        return changed

    def _rules(self, listed: Listed, terms: Terms, defaults: Defaults) -> InstrumentRules:
        return stated.core_rules(terms, defaults, listed.rules, _reference(listed))

    def _known(self, connection: Connection, symbol: str) -> tuple[Listed, Defaults]:
        return self._of(connection, symbol), self._defaults(connection)

    def _defaults(self, connection: Connection) -> Defaults:
        return listing_store.defaults(configuration.current(connection, self._clock.now()))

    def _of(self, connection: Connection, symbol: str) -> Listed:
        row = listing_store.one(connection, symbol)
        found = self._matching.instruments([symbol])
        if row is None or not found:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=symbol)
        return self._listed(found[0], row)

    def _listed(self, market: InstrumentMarket, row: Row[Any]) -> Listed:
        rules = self._matching.instrument_rules(market["symbol"])
        assert rules is not None, "What has a market has rules."
        return Listed(market, row, stated.terms_of(row.terms), rules)

    @staticmethod
    def _check_version(listed: Listed, expected: int, action: str) -> None:
        if expected not in {0, listed.row.version}:
            raise DomainError("VERSION_CONFLICT", expected=expected, actual=listed.row.version)
        if listed.market["phase"] == market_pb2.INSTRUMENT_PHASE_DELISTED:
            raise _state(listed.market["symbol"], "DELISTED", action)

    def _checked(self, connection: Connection, draft: Draft) -> Defaults:
        if listing_store.one(connection, draft.symbol) is not None:
            raise DomainError("ALREADY_EXISTS", resource="instrument", id=draft.symbol)
        refusal = listing_store.missing(
            connection, draft.commodity_code, draft.grade_code, draft.location_code
        )
        if refusal is not None:
            raise refusal
        commodity = store.commodity(connection, draft.commodity_code)
        if commodity is None or commodity.base_unit != draft.unit:
            raise invalid("unit", "must be the unit of the commodity")
        return self._defaults(connection)

    def _tell(self, connection: Connection, kind: str, symbol: str) -> None:
        now = self._clock.now()
        told = [
            Announcement(kind, now, role=role, about=f"{symbol}/{now.date()}",
                         data={"symbol": symbol, "date": now.date().isoformat()})
            for role in _AUDIENCE
        ]  # fmt: skip
        announce(connection, *told)


def _state(symbol: str, state: str, action: str) -> DomainError:
    return DomainError(
        "RESOURCE_STATE", resource="instrument", id=symbol, state=state, action=action
    )


def _reference(listed: Listed) -> int:
    """Returns the price of which the band is a part: the middle of the day's prices."""
    return (listed.rules["limit_low"] + listed.rules["limit_high"]) // 2


def _check_calendar(terms: Terms) -> None:
    if terms.calendar_code and terms.calendar_code not in CALENDARS:
        raise invalid("rules.calendar_code", f"must be one of {', '.join(CALENDARS)}")


def _new_rules(draft: Draft, defaults: Defaults, now: datetime) -> InstrumentRules:
    """Returns the rules of a draft in the core, but for its assets."""
    is_forward = draft.kind == market_pb2.INSTRUMENT_KIND_FORWARD
    if is_forward != bool(draft.delivery_start and draft.delivery_end):
        raise invalid("delivery_start", "goes with forwards, which need both dates of delivery")
    if draft.delivery_start > draft.delivery_end:
        raise invalid("delivery_start", "must not be after delivery_end")
    if draft.first_trade_at and draft.last_trade_at and (
        draft.first_trade_at >= draft.last_trade_at
    ):  # fmt: skip
        raise invalid("first_trade_time", "must be before last_trade_time")
    _check_calendar(draft.terms)
    tick = int(Decimal(draft.tick_size).scaleb(6))
    lot_minor = Decimal(draft.lot_size).scaleb(3)
    value = Decimal(draft.tick_size) * Decimal(draft.lot_size) * 10**4
    if tick < 1 or value != int(value):
        raise invalid("tick_size", "times lot_size must be a multiple of 0.0001")
    if lot_minor < 1 or lot_minor != int(lot_minor):
        raise invalid("lot_size", "must be a multiple of 0.001")
    if not draft.start_price:
        raise invalid("start_price", "must be stated: limits and the range of prices follow it")
    start = stated.ticks_of(draft.start_price, tick, "start_price")
    low, high = max(1, start // _SPAN_FACTOR), start * _SPAN_FACTOR
    if high - low >= _SPAN_TICKS_MAX:
        raise invalid("tick_size", f"must be at least {_SPAN_FACTOR / _SPAN_TICKS_MAX:.6f} of it")
    calendar = CALENDARS[draft.terms.calendar_code or defaults.calendar_code]
    rules: Any = {
        "symbol": draft.symbol, "kind": draft.kind, "base_asset": 0, "quote_asset": 0,
        "tick_size_micro": tick, "tick_value_minor": int(value), "lot_size_minor": int(lot_minor),
        "price_min": low, "price_max": high, "limit_low": low, "limit_high": high,
        "phase": phase_due(calendar, now, draft.first_trade_at, draft.last_trade_at),
    }  # fmt: skip
    stated.check_limits(draft.terms, defaults, tick)
    day = stated.limits_after(draft.terms, defaults, [start], rules, is_expanded=False)
    complete: InstrumentRules = stated.core_rules(draft.terms, defaults, rules, start)
    complete["limit_low"], complete["limit_high"] = day
    return complete


def _row(draft: Draft, defaults: Defaults, number: int, tick_micro: int) -> dict[str, Any]:
    return {
        "symbol": draft.symbol, "number": number, "tick_size_micro": tick_micro,
        "currency": draft.quote_currency, "commodity_code": draft.commodity_code,
        "grade_code": draft.grade_code, "location_code": draft.location_code, "unit": draft.unit,
        "calendar_code": draft.terms.calendar_code or defaults.calendar_code,
        "delivery_start": draft.delivery_start, "delivery_end": draft.delivery_end,
        "terms": stated.text_of(draft.terms), "first_trade_at": draft.first_trade_at,
        "last_trade_at": draft.last_trade_at, "version": 1,
    }  # fmt: skip
