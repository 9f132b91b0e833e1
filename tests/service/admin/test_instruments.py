"""Operators list instruments, change and delist them, limit prices and settle by hand."""

from typing import Any

from sqlalchemy import select

from farmgate.api.admin.v1 import instrument_types_pb2, instruments_pb2
from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2
from farmgate.db.audit import audit_log
from farmgate.ports.clock import FakeClock
from service.admin.operators import Operators, with_role
from service.admin.test_audit_and_config import set_key
from service.admin.test_controls import buy, signed_in
from support import Api, SignedIn, refused

REASON = "the board decided"
OATS = "OATS-US2-CHI"
NEW = "OATS-US2-TOL"
RULES = instrument_types_pb2.InstrumentRules
MODE_FIXED = instrument_types_pb2.PRICE_LIMIT_MODE_FIXED


def listing(**given: Any) -> instruments_pb2.CreateInstrumentRequest:
    return instruments_pb2.CreateInstrumentRequest(**{
        "symbol": NEW, "kind": market_pb2.INSTRUMENT_KIND_SPOT, "commodity_code": "OATS",
        "grade_code": "US2", "location_code": "TOL", "quote_currency": "USD", "unit": "bu",
        "lot_size": "100", "tick_size": "0.0025", "start_price": "3.6", "reason": REASON,
    } | given)  # fmt: skip


async def seen(api: Api, symbol: str) -> Any:
    market: Any = market_pb2_grpc.MarketServiceStub(api.channel)
    return (await market.GetInstrument(market_pb2.GetInstrumentRequest(symbol=symbol))).instrument


async def symbols(api: Api) -> list[str]:
    market: Any = market_pb2_grpc.MarketServiceStub(api.channel)
    request = market_pb2.ListInstrumentsRequest(page_size=500)
    return [one.symbol for one in (await market.ListInstruments(request)).instruments]


async def audit_actions(api: Api) -> list[str]:
    database = api.application.base.database
    return await database.read(lambda tx: list(tx.scalars(select(audit_log.c.action))))


async def change(
    api: Api, admin: SignedIn, symbol: str, paths: list[str], expected: int = 0, **rules: Any
) -> Any:
    request = instruments_pb2.UpdateInstrumentRequest(
        symbol=symbol, rules=RULES(**rules), reason=REASON, expected_version=expected
    )
    request.update_mask.paths.extend(paths)
    return await Operators(api).instruments.UpdateInstrument(request, metadata=admin.metadata)


async def test_a_listed_instrument_trades_at_once_everywhere(demo: Api) -> None:
    """ADM-080."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    watch = market_pb2_grpc.MarketServiceStub(demo.channel).WatchMarket(
        market_pb2.WatchMarketRequest(channels=[market_pb2.MARKET_CHANNEL_STATUS])
    )
    made = await calls.instruments.CreateInstrument(listing(), metadata=admin.metadata)
    assert made.instrument.phase == market_pb2.INSTRUMENT_PHASE_OPEN
    # 7 % of 3.60 is 0.252, to the nearest 5 cents.
    assert (made.instrument.price_low, made.instrument.price_high) == ("3.3500", "3.8500")
    assert (made.rules.maker_bps, made.rules.taker_bps, made.rules.max_lots) == (
        "0.5",
        "2.5",
        10_000,
    )
    assert made.rules.band_ticks == 72, "5 % of 1,440 ticks"
    assert (await seen(demo, NEW)).base_asset == "OATS.US2.TOL"
    order = await buy(demo, await signed_in(demo, "farmer.jan"), symbol=NEW, price="3.5")
    assert order.status == trading_pb2.ORDER_STATUS_NEW
    async for update in watch:
        if any(one.symbol == NEW for one in update.updates):
            break
    watch.cancel()
    again = await refused(calls.instruments.CreateInstrument(listing(), metadata=admin.metadata))
    assert again.reason == "ALREADY_EXISTS"
    assert any(action.endswith("/CreateInstrument") for action in await audit_actions(demo))


UNLISTABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"symbol": "lower"}, "INVALID_ARGUMENT", "symbol"),
    ({"symbol": "A--B"}, "INVALID_ARGUMENT", "symbol"),
    ({"commodity_code": "GOLD"}, "NOT_FOUND", ""),
    ({"grade_code": "US9"}, "NOT_FOUND", ""),
    ({"location_code": "ZZZ"}, "NOT_FOUND", ""),
    ({"quote_currency": "XAU"}, "INVALID_ARGUMENT", "quote_currency"),
    ({"unit": "t"}, "INVALID_ARGUMENT", "unit"),
    ({"tick_size": "0"}, "INVALID_ARGUMENT", "tick_size"),
    ({"tick_size": "0.000001", "lot_size": "1"}, "INVALID_ARGUMENT", "tick_size"),
    ({"lot_size": "0"}, "INVALID_ARGUMENT", "lot_size"),
    ({"start_price": ""}, "INVALID_ARGUMENT", "start_price"),
    ({"start_price": "0"}, "INVALID_ARGUMENT", "start_price"),
    ({"start_price": "3.6001"}, "PRICE_TICK", ""),
    ({"start_price": "999999999"}, "INVALID_ARGUMENT", "tick_size"),
    ({"delivery_start": "2027-01-01"}, "INVALID_ARGUMENT", "delivery_start"),
    ({"delivery_start": "2027-13-01"}, "INVALID_ARGUMENT", "delivery_start"),
    ({"kind": market_pb2.INSTRUMENT_KIND_FORWARD}, "INVALID_ARGUMENT", "delivery_start"),
    ({"rules": RULES(calendar_code="NEVER")}, "INVALID_ARGUMENT", "rules.calendar_code"),
    ({"rules": RULES(min_lots=9, max_lots=8)}, "INVALID_ARGUMENT", "rules.min_lots"),
    ({"rules": RULES(maker_bps="3")}, "INVALID_ARGUMENT", "rules.taker_bps"),
    ({"rules": RULES(maker_bps="0.001")}, "INVALID_ARGUMENT", "rules.maker_bps"),
    ({"rules": RULES(deposit_pct="5")}, "INVALID_ARGUMENT", "rules.deposit_pct"),
    ({"rules": RULES(position_limit_lots=5)}, "INVALID_ARGUMENT", "rules.position_limit_lots"),
    ({"rules": RULES(fifo_pct=40)}, "INVALID_ARGUMENT", "rules.is_pro_rata"),
    ({"rules": RULES(limit_mode=MODE_FIXED)}, "INVALID_ARGUMENT", "rules.limit_initial"),
    ({"rules": RULES(limit_initial="1")}, "INVALID_ARGUMENT", "rules.limit_initial"),
    ({"rules": RULES(limit_mode=MODE_FIXED, limit_initial="0.001")}, "PRICE_TICK", ""),
    ({"reason": "no"}, "INVALID_ARGUMENT", "reason"),
]  # fmt: skip


async def test_what_can_not_be_listed_is_refused(demo: Api) -> None:
    """ADM-081."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    for given, reason, field in UNLISTABLE:
        refusal = await refused(
            calls.instruments.CreateInstrument(listing(**given), metadata=admin.metadata)
        )
        assert refusal.reason == reason, given
        assert not field or refusal.metadata["field"] == field, given
    assert NEW not in await symbols(demo)


async def test_rules_change_by_version_and_hold_at_once(demo: Api) -> None:
    """ADM-082."""
    admin = await with_role(demo, "ADMIN")
    jan = await signed_in(demo, "farmer.jan")
    changed = await change(demo, admin, OATS, ["max_lots"], expected=1, max_lots=5)
    assert (changed.instrument.version, changed.rules.max_lots) == (2, 5)
    assert (await refused(buy(demo, jan, quantity_lots=6))).reason == "QUANTITY_MAX"
    await buy(demo, jan, quantity_lots=5)
    stale = await refused(change(demo, admin, OATS, ["max_lots"], expected=1, max_lots=7))
    assert (stale.reason, stale.metadata["actual"]) == ("VERSION_CONFLICT", "2")
    back = await change(demo, admin, OATS, ["rules.max_lots"])
    assert back.rules.max_lots == 10_000, "nothing is stated: as the exchange has it"
    for paths in ([], ["tick_size"], ["max_lots", "nonsense"]):
        refusal = await refused(change(demo, admin, OATS, paths))
        assert refusal.reason == "INVALID_ARGUMENT"
    held = await refused(change(demo, admin, OATS, ["taker_bps"], taker_bps="4"))
    assert held.reason == "AMEND_NOT_ALLOWED", "open orders hold what the fee was"
    unknown = await refused(change(demo, admin, "NOPE", ["max_lots"], max_lots=5))
    assert unknown.reason == "INSTRUMENT_UNKNOWN"


async def test_what_is_not_stated_follows_the_settings(demo: Api) -> None:
    """ADM-083: scenario A19, for what trades: replay has it at the same sequence."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    await calls.instruments.CreateInstrument(
        listing(rules=RULES(band_ticks=9)), metadata=admin.metadata
    )
    bad = await refused(set_key(demo, admin, "trading.maker_bps", "2.6"))
    assert (bad.reason, bad.metadata["rule"]) == (
        "CONFIG_INVALID", "may not exceed trading.taker_bps",
    )  # fmt: skip
    await set_key(demo, admin, "trading.market_protection_ticks", "7")
    await set_key(demo, admin, "trading.band_pct", "2")

    async def rules(symbol: str) -> Any:
        reply = await calls.instruments.ListAdminInstruments(
            instruments_pb2.ListAdminInstrumentsRequest(page_size=500), metadata=admin.metadata
        )
        return next(one.rules for one in reply.instruments if one.instrument.symbol == symbol)

    new, oats = await rules(NEW), await rules(OATS)
    assert (new.protection_ticks, new.band_ticks) == (7, 9), "the band is its own"
    assert (oats.protection_ticks, oats.band_ticks) == (20, 29), "2 % of 1,462; 20 is its own"


async def test_an_instrument_is_delisted_when_nothing_is_open(demo: Api) -> None:
    """ADM-084."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    await calls.instruments.CreateInstrument(listing(), metadata=admin.metadata)
    jan = await signed_in(demo, "farmer.jan")
    order = await buy(demo, jan, symbol=NEW, price="3.5")
    request = instruments_pb2.DelistInstrumentRequest(symbol=NEW, reason=REASON)

    async def delist() -> Any:
        return await calls.instruments.DelistInstrument(request, metadata=admin.metadata)

    refusal = await refused(delist())
    assert (refusal.reason, refusal.metadata["resource"]) == ("RESOURCE_STATE", "instrument")
    cancel = trading_pb2.CancelOrderRequest(order_id=order.order_id)
    await demo.trading.CancelOrder(cancel, metadata=jan.metadata)
    request.expected_version = 9
    assert (await refused(delist())).reason == "VERSION_CONFLICT"
    request.expected_version = 1
    gone = (await delist()).instrument
    assert (gone.phase, gone.version) == (market_pb2.INSTRUMENT_PHASE_DELISTED, 2)
    assert (await refused(buy(demo, jan, symbol=NEW, price="3.5"))).reason == (
        "INSTRUMENT_NOT_TRADING"
    )
    request.expected_version = 0
    assert (await refused(delist())).reason == "RESOURCE_STATE"
    request.symbol = "NOPE"
    assert (await refused(delist())).reason == "INSTRUMENT_UNKNOWN"


async def test_instruments_are_listed_by_phase_with_what_is_open(demo: Api) -> None:
    """ADM-085."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    request = instruments_pb2.ListAdminInstrumentsRequest(page_size=7)
    found: list[str] = []
    while True:
        reply = await calls.instruments.ListAdminInstruments(request, metadata=admin.metadata)
        found += [one.instrument.symbol for one in reply.instruments]
        oats = [one for one in reply.instruments if one.instrument.symbol == OATS]
        assert all(one.open_orders == 20 for one in oats), "the seed's"
        request.page_token = reply.next_page_token
        if not reply.next_page_token:
            break
    assert len(found) > 30
    assert found == sorted(set(found))
    halted = instruments_pb2.ListAdminInstrumentsRequest(phase=market_pb2.INSTRUMENT_PHASE_HALTED)
    reply = await calls.instruments.ListAdminInstruments(halted, metadata=admin.metadata)
    assert not reply.instruments


async def limit(api: Api, admin: SignedIn, low: str, high: str, symbol: str = OATS) -> Any:
    request = instruments_pb2.SetPriceLimitsRequest(
        symbol=symbol, price_low=low, price_high=high, reason=REASON
    )
    return await Operators(api).instruments.SetPriceLimits(request, metadata=admin.metadata)


async def test_price_limits_are_set_by_hand(demo: Api) -> None:
    """ADM-086, TRD-011."""
    admin, jan = await with_role(demo, "ADMIN"), await signed_in(demo, "farmer.jan")
    done = await limit(demo, admin, "3.5", "3.7")
    assert (done.instrument.price_low, done.instrument.price_high) == ("3.5000", "3.7000")
    assert done.sequence > 0
    refusal = await refused(buy(demo, jan, price="3.7025"))
    assert refusal.reason == "PRICE_LIMIT"
    assert refusal.metadata == {"price": "3.7025", "low": "3.5000", "high": "3.7000"}
    for low, high, reason in (
        ("3.7", "3.5", "INVALID_ARGUMENT"),
        ("3.5", "3.7001", "PRICE_TICK"),
        ("0", "3.7", "INVALID_ARGUMENT"),
        ("3.5", "99", "PRICE_RANGE"),
    ):
        assert (await refused(limit(demo, admin, low, high))).reason == reason
    assert (await refused(limit(demo, admin, "1", "2", "NOPE"))).reason == "INSTRUMENT_UNKNOWN"


async def settle(api: Api, admin: SignedIn, day: str, price: str, symbol: str = OATS) -> Any:
    request = instruments_pb2.SetSettlementPriceRequest(
        symbol=symbol, business_date=day, price=price, reason=REASON
    )
    return await Operators(api).instruments.SetSettlementPrice(request, metadata=admin.metadata)


async def test_a_settlement_price_takes_two_admins(demo: Api, clock: FakeClock) -> None:
    """ADM-067."""
    first, second = await with_role(demo, "ADMIN"), await with_role(demo, "ADMIN")
    day = clock.now().date().isoformat()
    over = await refused(settle(demo, first, day, "3.8"))
    assert (over.reason, over.metadata["field"]) == ("INVALID_ARGUMENT", "business_date")
    clock.move(86_400)
    first = SignedIn(first.user, await demo.log_in(first.user.email))
    second = SignedIn(second.user, await demo.log_in(second.user.email))
    asked = await settle(demo, first, day, "3.8")
    assert (asked.approval.is_done, asked.sequence) == (False, 0)
    assert (await refused(settle(demo, first, day, "3.8"))).reason == "FOUR_EYES_REQUIRED"
    other = await settle(demo, second, day, "3.7")
    assert not other.approval.is_done, "another price is another wish"
    done = await settle(demo, second, day, "3.8")
    assert done.approval.is_done
    assert done.sequence > 0
    # 7 % of 3.80 is 0.266, so 0.25; 3.80 is within the day's limits.
    found = await seen(demo, OATS)
    assert (found.price_low, found.price_high) == ("3.5500", "4.0500")
    summary = await market_pb2_grpc.MarketServiceStub(demo.channel).GetDailySummary(
        market_pb2.GetDailySummaryRequest(symbol=OATS, date=day)
    )
    assert summary.summary.settlement == "3.8"
    for given, reason in (
        ({"day": "2026-02-30"}, "INVALID_ARGUMENT"),
        ({"price": "3.8001"}, "PRICE_TICK"),
        ({"price": "99"}, "PRICE_RANGE"),
        ({"symbol": "NOPE"}, "INSTRUMENT_UNKNOWN"),
    ):
        values: Any = {"day": day, "price": "3.8"} | given
        assert (await refused(settle(demo, first, **values))).reason == reason


async def test_only_admins_list_instruments(demo: Api) -> None:
    """ADM-068."""
    calls = Operators(demo).instruments
    jan, auditor = await signed_in(demo, "farmer.jan"), await with_role(demo, "AUDITOR")
    requests = [
        (calls.CreateInstrument, listing()),
        (calls.ListAdminInstruments, instruments_pb2.ListAdminInstrumentsRequest()),
        (calls.DelistInstrument,
         instruments_pb2.DelistInstrumentRequest(symbol=OATS, reason=REASON)),
    ]  # fmt: skip
    for call, request in requests:
        assert (await refused(call(request))).reason == "UNAUTHENTICATED"
        for person in (jan, auditor):
            refusal = await refused(call(request, metadata=person.metadata))
            assert refusal.reason == "PERMISSION_DENIED"


async def test_a_repeat_lists_once(demo: Api) -> None:
    """ADM-080: the same key gets the same answer."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    metadata = (*admin.metadata, ("idempotency-key", "list-oats"))
    first = await calls.instruments.CreateInstrument(listing(), metadata=metadata)
    again = await calls.instruments.CreateInstrument(listing(), metadata=metadata)
    assert first == again
