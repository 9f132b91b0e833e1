"""Operators halt the market, stop accounts and cancel orders."""

from typing import Any

from farmgate.api.admin.v1 import controls_pb2
from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.app.seeding.ground import PASSWORD
from service.admin.operators import Operators, with_role
from service.admin.test_audit_and_config import set_key
from support import Api, SignedIn, refused

REASON = "prices look wrong"
SYMBOL = "OATS-US2-CHI"


async def signed_in(api: Api, name: str) -> SignedIn:
    tokens = await api.log_in(f"{name}@farmgate.example", PASSWORD)
    return SignedIn(tokens.user, tokens)


async def buy(api: Api, person: SignedIn, **given: Any) -> Any:
    request = trading_pb2.CreateOrderRequest(**{
        "symbol": SYMBOL,
        "side": types_pb2.SIDE_BUY,
        "type": trading_pb2.ORDER_TYPE_LIMIT,
        "price": "3.6000",
        "quantity_lots": 2,
    } | given)  # fmt: skip
    return (await api.trading.CreateOrder(request, metadata=person.metadata)).order


async def phase(api: Api, symbol: str = SYMBOL) -> int:
    market: Any = market_pb2_grpc.MarketServiceStub(api.channel)
    request = market_pb2.GetInstrumentRequest(symbol=symbol)
    return (await market.GetInstrument(request)).instrument.phase


async def test_an_instrument_is_halted_and_resumed(demo: Api) -> None:
    """ADM-040."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    jan = await signed_in(demo, "farmer.jan")
    order = await buy(demo, jan)
    one = controls_pb2.HALT_SCOPE_SYMBOL
    halt = controls_pb2.HaltRequest(
        scope=one, symbol=SYMBOL, is_orders_cancelled=True, reason=REASON
    )
    halted = await calls.controls.Halt(halt, metadata=admin.metadata)
    assert list(halted.symbols) == [SYMBOL]
    assert halted.cancelled_count == 21, "the seed's 20 and Jan's"
    assert await phase(demo) == market_pb2.INSTRUMENT_PHASE_HALTED
    assert (await refused(buy(demo, jan))).reason == "MARKET_HALTED"
    cancel = trading_pb2.CancelOrderRequest(order_id=order.order_id)
    refusal = await refused(demo.trading.CancelOrder(cancel, metadata=jan.metadata))
    assert refusal.reason in {"ORDER_CLOSED", "ORDER_NOT_FOUND"}
    assert (await refused(calls.controls.Halt(halt, metadata=admin.metadata))).reason == (
        "INSTRUMENT_NOT_TRADING"
    )
    resume = controls_pb2.ResumeRequest(scope=one, symbol=SYMBOL, reason=REASON)
    await calls.controls.Resume(resume, metadata=admin.metadata)
    assert await phase(demo) == market_pb2.INSTRUMENT_PHASE_OPEN
    await buy(demo, jan)


async def test_the_whole_market_is_halted_by_call_and_by_setting(demo: Api) -> None:
    """ADM-041."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    jan = await signed_in(demo, "farmer.jan")
    market = controls_pb2.HALT_SCOPE_MARKET
    halted = await calls.controls.Halt(
        controls_pb2.HaltRequest(scope=market, reason=REASON), metadata=admin.metadata
    )
    assert len(halted.symbols) > 20
    assert (await refused(buy(demo, jan))).reason == "MARKET_HALTED"
    request = controls_pb2.ResumeRequest(scope=market, is_auction_skipped=True, reason=REASON)
    resumed = await calls.controls.Resume(request, metadata=admin.metadata)
    assert list(resumed.symbols) == list(halted.symbols)
    await buy(demo, jan)
    await set_key(demo, admin, "trading.enabled", "false")
    assert (await refused(buy(demo, jan))).reason == "MARKET_HALTED"
    await set_key(demo, admin, "trading.enabled", "true")
    await buy(demo, jan)
    for bad in (
        controls_pb2.HaltRequest(scope=market, symbol=SYMBOL, reason=REASON),
        controls_pb2.HaltRequest(scope=controls_pb2.HALT_SCOPE_SYMBOL, reason=REASON),
    ):
        refusal = await refused(calls.controls.Halt(bad, metadata=admin.metadata))
        assert refusal.reason == "INVALID_ARGUMENT"
    unknown = controls_pb2.HaltRequest(
        scope=controls_pb2.HALT_SCOPE_SYMBOL, symbol="NOPE", reason=REASON
    )
    refusal = await refused(calls.controls.Halt(unknown, metadata=admin.metadata))
    assert refusal.reason == "INSTRUMENT_UNKNOWN"


async def test_a_kill_switch_is_thrown_by_one_and_lifted_by_two(demo: Api) -> None:
    """ADM-042."""
    admin, second = await with_role(demo, "ADMIN"), await with_role(demo, "ADMIN")
    calls = Operators(demo)
    jan = await signed_in(demo, "farmer.jan")
    await buy(demo, jan)
    request = controls_pb2.KillUserRequest(user_id=jan.tokens.user.user_id, reason=REASON)
    thrown = await calls.controls.KillUser(request, metadata=admin.metadata)
    assert (thrown.is_thrown, thrown.cancelled_count) == (True, 1)
    assert (await refused(buy(demo, jan))).reason == "KILL_SWITCH_ACTIVE"
    request.is_released = True
    asked = await calls.controls.KillUser(request, metadata=admin.metadata)
    assert (asked.is_thrown, asked.approval.is_done) == (True, False)
    assert (await refused(buy(demo, jan))).reason == "KILL_SWITCH_ACTIVE"
    same = await refused(calls.controls.KillUser(request, metadata=admin.metadata))
    assert same.reason == "FOUR_EYES_REQUIRED"
    lifted = await calls.controls.KillUser(request, metadata=second.metadata)
    assert (lifted.is_thrown, lifted.approval.is_done) == (False, True)
    assert lifted.approval.requested_by == admin.user.user_id
    await buy(demo, jan)


async def test_orders_are_cancelled_by_account_instrument_and_side(demo: Api) -> None:
    """ADM-043."""
    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    jan = await signed_in(demo, "farmer.jan")
    for _ in range(3):
        await buy(demo, jan)
    await buy(demo, jan, side=types_pb2.SIDE_SELL, price="3.7000")

    async def cancelled(**given: Any) -> int:
        request = controls_pb2.MassCancelRequest(reason=REASON, **given)
        reply = await calls.controls.MassCancel(request, metadata=admin.metadata)
        return int(reply.cancelled_count)

    own = jan.tokens.user.user_id
    assert await cancelled(user_id=own, symbol="BARLEY-US2-CHI") == 0
    assert await cancelled(user_id=own, side=types_pb2.SIDE_SELL) == 1
    assert await cancelled(account_id=jan.tokens.user.account_id) == 3
    assert await cancelled(symbol=SYMBOL) == 20
    assert await cancelled() > 100
    refusal = await refused(cancelled(user_id="0" * 26))
    assert refusal.reason == "NOT_FOUND"
    refusal = await refused(cancelled(symbol="NOPE"))
    assert refusal.reason == "INSTRUMENT_UNKNOWN"


async def test_a_suspended_trader_has_no_orders_and_enters_none(demo: Api) -> None:
    """ADM-003."""
    from farmgate.api.admin.v1 import admin_pb2  # noqa: PLC0415 - Only here.
    from farmgate.api.users.v1 import users_pb2  # noqa: PLC0415 - Only here.

    admin, calls = await with_role(demo, "ADMIN"), Operators(demo)
    jan = await signed_in(demo, "farmer.jan")
    await buy(demo, jan)
    request = admin_pb2.UpdateUserStatusRequest(
        user_id=jan.tokens.user.user_id, status=users_pb2.USER_STATUS_SUSPENDED,
        is_orders_cancelled=True, reason=REASON,
    )  # fmt: skip
    await calls.admin.UpdateUserStatus(request, metadata=admin.metadata)
    cancel = controls_pb2.MassCancelRequest(user_id=jan.tokens.user.user_id, reason=REASON)
    left = await calls.controls.MassCancel(cancel, metadata=admin.metadata)
    assert left.cancelled_count == 0
    assert (await refused(buy(demo, jan))).reason == "TOKEN_INVALID"
