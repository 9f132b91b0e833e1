"""Trades that are reviewed, taken back, corrected, or agreed outside the book."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from farmgate.api.admin.v1 import controls_pb2, controls_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.app import wire
from farmgate.app.settings import Settings
from farmgate.db.engine import Database
from farmgate.db.outbox import outbox
from farmgate.market.calendars import DEFAULT
from farmgate.market.tables import candles
from farmgate.notifications.tables import notifications
from farmgate.ports.clock import FakeClock
from farmgate.trading import store
from farmgate.trading.candles import CandleProjector
from farmgate.trading.project import Projector
from farmgate.users.tables import users
from service.admin.operators import with_role
from service.admin.test_audit_and_config import set_key
from service.admin.test_controls import signed_in
from support import Api, SignedIn, move_outside, refused, running

SYMBOL = "OATS-US2-CHI"
REASON = "typed a digit too much"
BUY, SELL = types_pb2.SIDE_BUY, types_pb2.SIDE_SELL


@asynccontextmanager
async def projected(settings: Settings) -> AsyncIterator[None]:
    """Writes history, as the process beside the server does."""
    database = Database(settings.history_address)
    projector = Projector(database, settings.journal_dir)
    is_over = False
    writing = asyncio.create_task(asyncio.to_thread(projector.run, lambda: is_over))
    try:
        yield
    finally:
        is_over = True
        await writing
        database.close()


@pytest.fixture
async def demo(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Api]:
    """The demonstration, with its history."""
    settings = make_settings(demo=True)
    async with running(wire.build(settings, clock=clock)) as api, projected(settings):
        yield api


@pytest.fixture
def controls(demo: Api) -> Any:
    return controls_pb2_grpc.MarketControlServiceStub(demo.channel)


async def enter(
    api: Api, person: SignedIn, side: int, price: str, lots: int, **given: Any
) -> trading_pb2.Order:
    request = trading_pb2.CreateOrderRequest(**{
        "symbol": SYMBOL, "side": side, "type": trading_pb2.ORDER_TYPE_LIMIT, "price": price,
        "quantity_lots": lots,
    } | given)  # fmt: skip
    return (await api.trading.CreateOrder(request, metadata=person.metadata)).order


async def trades(api: Api, person: SignedIn) -> list[trading_pb2.Trade]:
    request = trading_pb2.ListTradesRequest(symbol=SYMBOL)
    return list((await api.trading.ListTrades(request, metadata=person.metadata)).trades)


async def balances(api: Api, person: SignedIn) -> dict[str, str]:
    reply = await api.wallet.GetBalances(users_pb2.GetBalancesRequest(), metadata=person.metadata)
    return {one.asset: one.total for one in reply.balances}


async def announced(api: Api, kind: str) -> int:
    """Returns how often something was announced, and told since."""

    def read(tx: Any) -> int:
        waiting = tx.execute(select(outbox.c.type).where(outbox.c.type == kind)).all()
        told = tx.execute(select(notifications.c.type).where(notifications.c.type == kind)).all()
        return len(waiting) + len(told)

    return await api.application.base.database.read(read)


async def tape(api: Api, trade: trading_pb2.Trade) -> list[int]:
    """Returns the trades that everybody sees."""

    def read(tx: Any) -> list[int]:
        row = store.trade(tx, trade.trade_id)
        assert row is not None
        rows = store.public_trade_page(tx, row.instrument, before=None, limit=9)
        return [row.trade_id for row in rows]

    with closing(Database(api.application.settings.history_address)) as database:
        return database.run(read, is_write=False)


def candle_lots(api: Api) -> set[int]:
    """Returns the volumes of all candles, brought up to date."""
    with closing(Database(api.application.settings.history_address)) as database:
        projector = CandleProjector(database, lambda _: DEFAULT)
        while projector.step():
            pass
        volumes = database.run(
            lambda tx: tx.execute(select(candles.c.volume_lots)).scalars().all(), is_write=False
        )
    return set(volumes)


async def bought(api: Api, person: SignedIn) -> trading_pb2.Trade:
    """Takes two lots of the demonstration's book."""
    await enter(api, person, BUY, "3.7000", 2, time_in_force=trading_pb2.TIME_IN_FORCE_IOC)
    return (await trades(api, person))[0]


async def test_two_admins_take_a_trade_back(demo: Api, controls: Any) -> None:
    """TRD-060, TRD-065: four eyes, reversal entries, both told, gone from the tape."""
    admin, second = await with_role(demo, "ADMIN"), await with_role(demo, "ADMIN")
    jan = await signed_in(demo, "farmer.jan")
    before = await balances(demo, jan)
    trade = await bought(demo, jan)
    assert trade.status == trading_pb2.TRADE_STATUS_EXECUTED
    assert await balances(demo, jan) != before
    assert trade.trade_id in await tape(demo, trade)
    assert candle_lots(demo) == {2}
    request = controls_pb2.BustTradeRequest(trade_id=trade.trade_id, reason=REASON)
    noted = await controls.BustTrade(request, metadata=admin.metadata)
    assert (noted.approval.is_done, noted.sequence) == (False, 0)
    refusal = await refused(controls.BustTrade(request, metadata=admin.metadata))
    assert refusal.reason == "FOUR_EYES_REQUIRED"
    assert (await trades(demo, jan))[0].status == trading_pb2.TRADE_STATUS_EXECUTED
    done = await controls.BustTrade(request, metadata=second.metadata)
    assert done.approval.is_done
    assert done.approval.requested_by == admin.user.user_id
    assert await balances(demo, jan) == before
    busted = (await trades(demo, jan))[0]
    assert busted.status == trading_pb2.TRADE_STATUS_BUSTED
    assert (busted.quantity_lots, busted.fee) == (0, "0.0000")
    assert busted.correction.old_quantity_lots == 2
    assert busted.correction.sequence == done.sequence
    entries = await demo.wallet.ListLedger(
        users_pb2.ListLedgerRequest(min_sequence=done.sequence), metadata=jan.metadata
    )
    kinds = {one.kind for one in entries.entries if one.sequence == done.sequence}
    assert kinds == {users_pb2.LEDGER_ENTRY_KIND_REVERSAL}
    assert trade.trade_id not in await tape(demo, trade)
    assert candle_lots(demo) == set(), "no candle is left of the only trade"
    assert await announced(demo, "trade.busted") == 2
    for person in (admin, second):
        refusal = await refused(controls.BustTrade(request, metadata=person.metadata))
        assert refusal.reason == "TRADE_ALREADY_CORRECTED"


async def test_two_admins_correct_a_trade(demo: Api, controls: Any) -> None:
    """TRD-061, TRD-065: both must want the same; what can't be is refused."""
    admin, second = await with_role(demo, "ADMIN"), await with_role(demo, "ADMIN")
    jan = await signed_in(demo, "farmer.jan")
    trade = await bought(demo, jan)

    def wish(**given: Any) -> controls_pb2.CorrectTradeRequest:
        return controls_pb2.CorrectTradeRequest(**(
            {"trade_id": trade.trade_id, "reason": REASON} | given
        ))  # fmt: skip

    refusals = [
        (wish(), "AMEND_NOT_ALLOWED"),
        (wish(quantity_lots=3), "QUANTITY_MAX"),
        (wish(price="3.6601"), "PRICE_TICK"),
        (wish(price="3.6600", trade_id=10**9), "TRADE_UNKNOWN"),
        (wish(price="3.6600", trade_id=2**64 - 1), "TRADE_UNKNOWN"),
        (wish(quantity_lots=10**12), "QUANTITY_MAX"),
        (wish(price="x"), "INVALID_ARGUMENT"),
    ]
    for request, reason in refusals:
        refusal = await refused(controls.CorrectTrade(request, metadata=admin.metadata))
        assert refusal.reason == reason
    await controls.CorrectTrade(wish(price="3.6000"), metadata=admin.metadata)
    other = await controls.CorrectTrade(wish(price="3.6025"), metadata=second.metadata)
    assert not other.approval.is_done, "they want different prices"
    done = await controls.CorrectTrade(wish(price="3.6000"), metadata=second.metadata)
    assert done.approval.is_done
    corrected = (await trades(demo, jan))[0]
    assert corrected.status == trading_pb2.TRADE_STATUS_CORRECTED
    assert (corrected.price, corrected.notional) == ("3.6000", "720.0000")
    assert corrected.correction.old_price == trade.price
    assert await announced(demo, "trade.corrected") == 2
    late = await refused(controls.CorrectTrade(wish(price="3.6025"), metadata=admin.metadata))
    assert late.reason == "TRADE_ALREADY_CORRECTED", "the other wish came too late"
    bust = controls_pb2.BustTradeRequest(trade_id=trade.trade_id, reason=REASON)
    refusal = await refused(controls.BustTrade(bust, metadata=admin.metadata))
    assert refusal.reason == "TRADE_ALREADY_CORRECTED"
    for call in (controls.BustTrade(bust), controls.CorrectTrade(wish(price="3.6000"))):
        assert (await refused(call)).reason == "UNAUTHENTICATED"
    refusal = await refused(controls.BustTrade(bust, metadata=jan.metadata))
    assert refusal.reason == "PERMISSION_DENIED"


async def test_a_bust_that_a_party_cannot_pay_waits(demo: Api, controls: Any) -> None:
    """TRD-062: who no longer has the oats is short: nothing happens until that is mended."""
    admin, second = await with_role(demo, "ADMIN"), await with_role(demo, "ADMIN")
    jan = await signed_in(demo, "farmer.jan")
    trade = await bought(demo, jan)
    own = await balances(demo, jan)
    oats = next(code for code in own if code.startswith("OATS"))
    goods = int(Decimal(own[oats]) * 1_000)
    await move_outside(demo, jan, oats, -goods)
    bust = controls_pb2.BustTradeRequest(trade_id=trade.trade_id, reason=REASON)
    await controls.BustTrade(bust, metadata=admin.metadata)
    refusal = await refused(controls.BustTrade(bust, metadata=second.metadata))
    assert refusal.reason == "INSUFFICIENT_INVENTORY"
    assert refusal.metadata["asset"] == oats
    await move_outside(demo, jan, oats, goods)
    assert (await controls.BustTrade(bust, metadata=second.metadata)).approval.is_done


async def test_a_party_asks_for_a_review(demo: Api, controls: Any, clock: FakeClock) -> None:
    """TRD-066: in time, of its own trade, at a price that may be wrong."""
    admin = await with_role(demo, "ADMIN")
    jan, lea = await signed_in(demo, "farmer.jan"), await signed_in(demo, "farmer.lea")
    trade = await bought(demo, jan)
    request = trading_pb2.RequestTradeReviewRequest(trade_id=trade.trade_id, reason=REASON)
    review = demo.trading.RequestTradeReview
    refusal = await refused(review(request, metadata=lea.metadata))
    assert (refusal.reason, refusal.metadata["trade_id"]) == ("TRADE_UNKNOWN", str(trade.trade_id))
    near = await bought(demo, jan)
    request.trade_id = near.trade_id
    refusal = await refused(review(request, metadata=jan.metadata))
    assert refusal.reason == "TRADE_NON_REVIEWABLE_RANGE"
    await set_key(demo, admin, "trading.non_reviewable_ticks", "0")
    await enter(demo, jan, BUY, "3.7500", 60, time_in_force=trading_pb2.TIME_IN_FORCE_IOC)
    far = (await trades(demo, jan))[0]
    assert far.price != near.price
    request.trade_id = far.trade_id
    asked = await review(request, metadata=jan.metadata)
    assert (await review(request, metadata=jan.metadata)).review_id == asked.review_id
    assert await announced(demo, "admin.trade_review") >= 1
    assert (await refused(review(request))).reason == "UNAUTHENTICATED"
    bad = trading_pb2.RequestTradeReviewRequest(trade_id=far.trade_id, reason="no")
    assert (await refused(review(bad, metadata=jan.metadata))).reason == "INVALID_ARGUMENT"
    traded_at = far.trade_time.ToDatetime().timestamp()
    clock.move(max(0.0, traded_at - clock.epoch()) + 8 * 60 + 60)
    again = await signed_in(demo, "farmer.jan")
    request.trade_id = near.trade_id
    refusal = await refused(review(request, metadata=again.metadata))
    assert (refusal.reason, refusal.metadata) == ("TRADE_REVIEW_WINDOW", {"minutes": "8"})


async def test_two_reports_that_meet_are_a_block(demo: Api) -> None:
    """TRD-067: the other party's same report makes the trade; no book is touched."""
    buyer, seller = (
        await signed_in(demo, "trader.meridian"),
        await signed_in(demo, "trader.riverside"),
    )
    for person in (buyer, seller):
        await set_level(demo, person, 3)
    oats = next(code for code in await balances(demo, seller) if code.startswith("OATS"))
    await move_outside(demo, seller, oats, 10_000_000)
    ids = {}
    for name, person in (("buyer", buyer), ("seller", seller)):
        reply = await demo.wallet.GetBalances(
            users_pb2.GetBalancesRequest(), metadata=person.metadata
        )
        ids[name] = reply.account_id

    def report(side: int, other: str, **given: Any) -> trading_pb2.ReportBlockTradeRequest:
        return trading_pb2.ReportBlockTradeRequest(**{
            "symbol": SYMBOL, "price": "3.6500", "quantity_lots": 50, "side": side,
            "counterparty_account_id": ids[other],
        } | given)  # fmt: skip

    call = demo.trading.ReportBlockTrade
    refusals = [
        (report(BUY, "seller", symbol="NOPE"), "INSTRUMENT_UNKNOWN"),
        (report(BUY, "seller", price="3.6501"), "PRICE_TICK"),
        (report(BUY, "seller", quantity_lots=49), "BLOCK_BELOW_MINIMUM"),
        (report(BUY, "buyer"), "SELF_TRADE_PREVENTED"),
        (report(BUY, "seller", counterparty_account_id="0" * 26), "ACCOUNT_UNKNOWN"),
        (report(0, "seller"), "INVALID_ARGUMENT"),
        (report(BUY, "seller", price="-3.6500"), "INVALID_ARGUMENT"),
        (report(BUY, "seller", quantity_lots=2**32), "QUANTITY_MAX"),
    ]
    for request, reason in refusals:
        refusal = await refused(call(request, metadata=buyer.metadata))
        assert refusal.reason == reason, request
    first = await call(report(BUY, "seller"), metadata=buyer.metadata)
    assert (first.trade_id, bool(first.report_id)) == (0, True)
    other = await call(report(SELL, "buyer", price="3.6525"), metadata=seller.metadata)
    assert other.trade_id == 0, "another price is another trade"
    met = await call(report(SELL, "buyer"), metadata=seller.metadata)
    assert met.trade_id > 0
    for person in (buyer, seller):
        [trade] = await trades(demo, person)
        assert trade.kind == trading_pb2.TRADE_KIND_BLOCK
        assert (trade.trade_id, trade.quantity_lots) == (met.trade_id, 50)
        assert trade.order_id == 0
    assert await announced(demo, "trade.block_reported") == 2
    again = await call(report(SELL, "buyer"), metadata=seller.metadata)
    assert again.trade_id == 0, "the first report is used up"
    farmer = await signed_in(demo, "farmer.jan")
    refusal = await refused(call(report(BUY, "seller"), metadata=farmer.metadata))
    assert refusal.reason == "PERMISSION_DENIED"
    assert (await refused(call(report(BUY, "seller")))).reason == "UNAUTHENTICATED"


async def set_level(api: Api, person: SignedIn, level: int) -> None:
    """Gives somebody a KYC level."""
    user_id = person.tokens.user.user_id
    await api.application.base.database.write(
        lambda tx: tx.execute(update(users).where(users.c.id == user_id).values(kyc_level=level))
    )
