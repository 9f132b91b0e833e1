"""The first minutes of a new user, through REST and through gRPC."""

import uuid

import pytest

from e2e.exchange import Exchange, grpc_token
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2, users_pb2_grpc

SYMBOL = "SOYBEAN-US2Y-CHI"


def _order(side: str, lots: int, price: str) -> dict[str, object]:
    return {
        "client_order_id": uuid.uuid4().hex,
        "symbol": SYMBOL,
        "side": side,
        "type": "ORDER_TYPE_LIMIT",
        "price": price,
        "quantity_lots": lots,
    }


def _asset(exchange: Exchange, token: str, asset: str) -> float:
    balances = exchange.call("GET", "/v1/wallet/balances", token=token).body["balances"]
    return float(next(one["total"] for one in balances if one["asset"] == asset))


def test_two_users_trade_through_rest(exchange: Exchange) -> None:
    """TRD-101: a trade shows in both orders, trades, balances and the book."""
    seller, buyer = exchange.token("farmer.jan"), exchange.token("trader.meridian")
    beans = _asset(exchange, buyer, "SOYBEAN.US2Y.CHI")
    sold = exchange.call(
        "POST", "/v1/trading/orders", _order("SIDE_SELL", 12, "10.2875"), token=seller
    )
    assert sold.status == 200
    assert sold.body["order"]["status"] == "ORDER_STATUS_NEW"
    book = exchange.call("GET", f"/v1/trading/orderbook?symbol={SYMBOL}&depth=1").body
    assert book["asks"][0] == {
        "price": "10.2875",
        "quantity_lots": "12",
        "order_count": 1,
        "orders": [],
    }
    order = _order("SIDE_BUY", 5, "10.2875")
    bought = exchange.call("POST", "/v1/trading/orders", order, token=buyer).body["order"]
    assert (bought["status"], bought["average_price"]) == ("ORDER_STATUS_FILLED", "10.2875")
    # 5 lots of 100 bu at 10.2875 are 5,143.7500; 2.5 basis points of it are the fee.
    assert bought["fees"] == "1.2859"
    again = exchange.call("POST", "/v1/trading/orders", order, token=buyer).body["order"]
    assert again == bought
    assert _asset(exchange, buyer, "SOYBEAN.US2Y.CHI") == beans + 500
    mine = exchange.call("GET", "/v1/trading/orders?page_size=1", token=seller).body["orders"][0]
    assert (mine["order_id"], mine["filled_lots"]) == (sold.body["order"]["order_id"], "5")
    trade = exchange.call("GET", "/v1/trading/trades?page_size=1", token=buyer).body["trades"][0]
    assert (trade["notional"], trade["is_maker"]) == ("5143.7500", False)
    path = f"/v1/trading/orders/{mine['order_id']}"
    amended = exchange.call("PATCH", path, {"quantity_lots": 7}, token=seller).body["order"]
    assert (amended["remaining_lots"], amended["version"]) == ("2", 2)
    cancelled = exchange.call("DELETE", path, token=seller).body["order"]
    assert cancelled["status"] == "ORDER_STATUS_CANCELLED"
    shown = exchange.call("GET", path, token=seller).body["order"]
    assert (shown["status"], shown["cancel_reason"]) == (
        "ORDER_STATUS_CANCELLED",
        "CANCEL_REASON_USER",
    )


def test_two_users_trade_through_grpc(exchange: Exchange) -> None:
    """TRD-101, by the internal clients' way in."""
    with exchange.channel() as channel:
        seller, buyer = (grpc_token(channel, name) for name in ("farmer.jan", "trader.meridian"))
        stub = trading_pb2_grpc.TradingServiceStub(channel)
        wallet = users_pb2_grpc.WalletServiceStub(channel)
        order = trading_pb2.CreateOrderRequest(
            client_order_id=uuid.uuid4().hex,
            symbol="OATS-US2-CHI",
            side=types_pb2.SIDE_SELL,
            type=trading_pb2.ORDER_TYPE_LIMIT,
            price="3.6550",
            quantity_lots=3,
        )
        sold = stub.CreateOrder(order, metadata=seller).order
        request = trading_pb2.OrderSessionRequest(request_id=uuid.uuid4().hex)
        instruction = request.instructions.add().create
        instruction.instrument_id = 8
        instruction.side = types_pb2.SIDE_BUY
        instruction.type = trading_pb2.ORDER_TYPE_LIMIT
        instruction.price_ticks = 1_462
        instruction.quantity_lots = 3
        instruction.time_in_force = trading_pb2.TIME_IN_FORCE_IOC
        replies = list(stub.OrderSession(iter([request, request]), metadata=buyer))
        assert replies[0].acks[0].status == trading_pb2.ORDER_STATUS_FILLED
        assert replies[0] == replies[1], "a repeat gets the first answers"
        found = stub.GetOrder(trading_pb2.GetOrderRequest(order_id=sold.order_id), metadata=seller)
        assert found.order.status == trading_pb2.ORDER_STATUS_FILLED
        balances = wallet.GetBalances(users_pb2.GetBalancesRequest(), metadata=buyer)
        assert balances.sequence >= replies[0].sequence
        page = stub.ListTrades(trading_pb2.ListTradesRequest(page_size=1), metadata=buyer)
        assert page.trades[0].order_id == replies[0].acks[0].order_id
        assert page.next_page_token


@pytest.mark.parametrize("amount", ["100.5", "0.0001"])
def test_deposit_and_withdrawal_leave_the_balance(exchange: Exchange, amount: str) -> None:
    """TRD-110: money moves in and out exactly once a key."""
    token = exchange.token("farmer.amara")
    before = _asset(exchange, token, "USD")
    key = uuid.uuid4().hex
    body = {"asset": "USD", "amount": amount}
    first = exchange.call("POST", "/v1/wallet/deposits", body, token=token, idempotency_key=key)
    again = exchange.call("POST", "/v1/wallet/deposits", body, token=token, idempotency_key=key)
    assert first.body == again.body
    assert _asset(exchange, token, "USD") == pytest.approx(before + float(amount), abs=1e-9)
    out = exchange.call("POST", "/v1/wallet/withdrawals", body, token=token)
    assert out.status == 200
    assert _asset(exchange, token, "USD") == pytest.approx(before, abs=1e-9)
