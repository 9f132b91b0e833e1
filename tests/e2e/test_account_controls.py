"""What a trader controls: trials of orders, positions, limits, fees, and the ways to stop."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from e2e.exchange import Exchange, grpc_token, running
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2

SPOT = "BARLEY-US2-CHI"
WAIT_S = 10


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One of its own: kill switches would stop the others' tests."""
    with running(tmp_path_factory.mktemp("controls")) as found:
        yield found


@pytest.fixture(scope="module")
def token(market: Exchange) -> str:
    return market.token("trader.meridian")


def _order(price: str, lots: int, **more: object) -> dict[str, object]:
    return {
        "client_order_id": uuid.uuid4().hex,
        "symbol": SPOT,
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "price": price,
        "quantity_lots": lots,
        **more,
    }


def _open_ids(market: Exchange, token: str) -> set[str]:
    path = "/v1/trading/orders?statuses=ORDER_STATUS_NEW&page_size=100"
    return {order["order_id"] for order in market.call("GET", path, token=token).body["orders"]}


def _until(market: Exchange, token: str, gone: str) -> float:
    """Waits until an order is open no longer; returns how long that took, in seconds."""
    started = time.monotonic()
    while gone in _open_ids(market, token):
        assert time.monotonic() - started < WAIT_S, "the order stayed open"
        time.sleep(0.05)
    return time.monotonic() - started


def test_preview_tells_what_then_happens(market: Exchange, token: str) -> None:
    """TRD-056: fills, fee and hold of a trial are those of the order; nothing is entered."""
    before = market.call("GET", "/v1/wallet/balances", token=token).body
    order = _order("4.1050", 45)
    tried = market.call("POST", "/v1/trading/orders/preview", order, token=token)
    assert tried.status == 200, tried.body
    assert market.call("GET", "/v1/wallet/balances", token=token).body == before
    entered = market.call("POST", "/v1/trading/orders", order, token=token).body["order"]
    would = tried.body["order"]
    assert would.get("order_id", "0") == "0"
    for field in ("filled_lots", "remaining_lots", "average_price", "status", "fees"):
        assert would.get(field) == entered.get(field), field
    assert tried.body["hold_asset"] == "USD"
    assert tried.body["fee"] == entered["fees"]
    after = market.call("GET", "/v1/wallet/balances", token=token).body
    held = {one["asset"]: float(one["held"]) for one in before["balances"]}
    now = {one["asset"]: float(one["held"]) for one in after["balances"]}
    assert now["USD"] - held["USD"] == pytest.approx(float(tried.body["hold_amount"]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"symbol": "NOPE"}, "INSTRUMENT_UNKNOWN"),
        ({"price": "4.1051"}, "PRICE_TICK"),
        ({"quantity_lots": 0}, "QUANTITY_LOT"),
        ({"post_only": True, "price": "4.1200"}, "POST_ONLY_WOULD_TRADE"),
        ({"account_id": "0" * 26}, "ACCOUNT_UNKNOWN"),
    ],
)
def test_preview_is_refused_as_the_order_is(
    market: Exchange, token: str, change: dict[str, object], reason: str
) -> None:
    """TRD-056."""
    order = _order("4.1050", 1) | change
    for path in ("/v1/trading/orders/preview", "/v1/trading/orders"):
        assert market.call("POST", path, order, token=token).reason == reason, path


def test_limits_fees_and_positions_are_told(market: Exchange, token: str) -> None:
    """TRD-055, TRD-057."""
    limits = market.call("GET", "/v1/trading/limits", token=token).body
    assert limits["max_open_orders"] == 100_000
    assert limits["max_daily_notional"] == "", "no limit"
    fees = market.call("GET", "/v1/trading/fees").body["tiers"]
    mine = next(tier for tier in fees if tier["symbol"] == SPOT)
    assert (mine["maker_bps"], mine["taker_bps"]) == ("0.50", "2.50")
    assert fees == sorted(fees, key=lambda tier: tier["symbol"])
    instruments = market.call("GET", "/v1/market/instruments?page_size=100").body["instruments"]
    forward = next(one for one in instruments if one["kind"] == "INSTRUMENT_KIND_FORWARD")
    symbol = forward["symbol"]
    price = forward["price_low"]
    offered = _order(price, 2, symbol=symbol, side="SIDE_SELL")
    seller = market.token("coop.heartland")
    assert market.call("POST", "/v1/trading/orders", offered, token=seller).status == 200
    order = _order(price, 2, symbol=symbol)
    entered = market.call("POST", "/v1/trading/orders", order, token=token).body["order"]
    assert int(entered["filled_lots"]) == 2, entered
    positions = market.call("GET", "/v1/trading/positions", token=token).body["positions"]
    position = next(one for one in positions if one["symbol"] == symbol)
    assert int(position["net_lots"]) == 2
    assert float(position["average_price"]) == float(price)
    assert float(position["unrealised"]) == 0, "the last price is its own"
    assert SPOT not in {one["symbol"] for one in positions}


def test_kill_switch_cancels_and_refuses_until_lifted(market: Exchange) -> None:
    """TRD-050."""
    token = market.token("trader.riverside")
    entered = market.call("POST", "/v1/trading/orders", _order("3.9000", 1), token=token)
    assert entered.status == 200, entered.body
    short = market.call("POST", "/v1/trading/kill", {"engaged": True, "reason": "no"}, token=token)
    assert short.reason == "INVALID_ARGUMENT"
    thrown = {"engaged": True, "reason": "runaway robot"}
    reply = market.call("POST", "/v1/trading/kill", thrown, token=token).body
    assert reply["engaged"] is True
    assert reply["cancelled_count"] > 1, "the maker's quotes too"
    assert _open_ids(market, token) == set()
    again = _order("3.9000", 1)
    assert market.call("POST", "/v1/trading/orders", again, token=token).reason == (
        "KILL_SWITCH_ACTIVE"
    )
    lifted = {"engaged": False, "reason": "robot repaired"}
    assert market.call("POST", "/v1/trading/kill", lifted, token=token).body["engaged"] is False
    again = _order("3.9000", 1)
    assert market.call("POST", "/v1/trading/orders", again, token=token).status == 200


def _enter_by_session(
    channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> tuple[object, list[int]]:
    """Opens a session that stays open; returns it and the IDs of a DAY and a GTC order."""
    ready: list[trading_pb2.OrderSessionRequest] = []
    for time_in_force in (trading_pb2.TIME_IN_FORCE_DAY, trading_pb2.TIME_IN_FORCE_GTC):
        order = trading_pb2.CreateOrderRequest(
            client_order_id=uuid.uuid4().hex,
            symbol=SPOT,
            side=types_pb2.SIDE_BUY,
            type=trading_pb2.ORDER_TYPE_LIMIT,
            time_in_force=time_in_force,
            price="3.9500",
            quantity_lots=1,
        )
        reply = trading_pb2_grpc.TradingServiceStub(channel).CreateOrder(order, metadata=metadata)
        ready.append(reply.order.order_id)
    keep: Iterator[trading_pb2.OrderSessionRequest] = _never(channel)
    session = trading_pb2_grpc.TradingServiceStub(channel).OrderSession(keep, metadata=metadata)
    session.initial_metadata()
    return session, ready


def _never(channel: grpc.Channel) -> Iterator[trading_pb2.OrderSessionRequest]:
    """Sends nothing as long as the session lives."""
    cancel = trading_pb2.CancelOrderRequest(order_id=1)
    instruction = trading_pb2.OrderInstruction(cancel=cancel)
    yield trading_pb2.OrderSessionRequest(request_id="hello", instructions=[instruction])
    while True:
        time.sleep(0.05)


def test_lost_session_cancels_what_is_not_good_till_cancelled(market: Exchange) -> None:
    """TRD-051: within two seconds of the loss, also when the server itself dies."""
    token = market.token("trader.meridian")
    path = "/v1/trading/cancel-on-disconnect"
    assert market.call("PUT", path, {"enabled": True}, token=token).body["enabled"] is True
    with market.channel() as channel:
        metadata = grpc_token(channel, "trader.meridian")
        session, (day, gtc) = _enter_by_session(channel, metadata)
        assert str(day) in _open_ids(market, token)
        session.cancel()
        assert _until(market, token, str(day)) < 2
        assert str(gtc) in _open_ids(market, token)
        _, (day, gtc) = _enter_by_session(channel, metadata)
    market.call("PUT", path, {"enabled": False}, token=token)
    with market.channel() as channel:
        session, (day, _) = _enter_by_session(channel, grpc_token(channel, "trader.meridian"))
        session.cancel()
        time.sleep(1.5)
        assert str(day) in _open_ids(market, token), "it was switched off"


def test_killed_server_ends_sessions_at_its_next_start(tmp_path: Path) -> None:
    """TRD-051."""
    with running(tmp_path / "killed") as market:
        token = market.token("trader.meridian")
        market.call("PUT", "/v1/trading/cancel-on-disconnect", {"enabled": True}, token=token)
        with market.channel() as channel:
            _, (day, gtc) = _enter_by_session(channel, grpc_token(channel, "trader.meridian"))
        assert market.process
        market.process.kill()
        market.process.wait()
        market.start()
        token = market.token("trader.meridian")
        _until(market, token, str(day))
        assert str(gtc) in _open_ids(market, token)
