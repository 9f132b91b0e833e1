"""Orders that wait, hide, ask for more or take their price from the market, as users enter them."""

import uuid

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from e2e.exchange import Exchange, grpc_token
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2

# The seeded book has bids from 4.0975 down and asks from 4.1025 up, 20 lots at each tick.
SYMBOL = "BARLEY-US2-CHI"


def _enter(exchange: Exchange, token: str, side: str, lots: int, **more: object) -> dict:
    order = {
        "client_order_id": uuid.uuid4().hex,
        "symbol": SYMBOL,
        "side": f"SIDE_{side}",
        "type": "ORDER_TYPE_LIMIT",
        "quantity_lots": lots,
        **more,
    }
    reply = exchange.call("POST", "/v1/trading/orders", order, token=token)
    assert reply.status == 200, reply.body
    return reply.body["order"]


def _look(exchange: Exchange, token: str, order: dict) -> dict:
    path = f"/v1/trading/orders/{order['order_id']}"
    return exchange.call("GET", path, token=token).body["order"]


def _book(exchange: Exchange, depth: int = 1) -> dict:
    return exchange.call("GET", f"/v1/trading/orderbook?symbol={SYMBOL}&depth={depth}").body


@pytest.fixture(scope="module")
def people(exchange: Exchange) -> tuple[str, str]:
    return exchange.token("farmer.jan"), exchange.token("trader.meridian")


def test_stop_limit_waits_and_is_triggered_by_a_trade(exchange, people) -> None:
    """TRD-040."""
    seller, buyer = people
    best = _book(exchange)["asks"][0]["price"]
    tick = 0.0025
    stop = f"{float(best):.4f}"
    limit = f"{float(best) + 4 * tick:.4f}"
    waiting = _enter(
        exchange, buyer, "BUY", 3, type="ORDER_TYPE_STOP_LIMIT", stop_price=stop, price=limit
    )
    assert waiting["status"] == "ORDER_STATUS_TRIGGER_WAIT"
    shown = _look(exchange, buyer, waiting)
    assert (shown["status"], shown["stop_price"]) == ("ORDER_STATUS_TRIGGER_WAIT", stop)
    assert _book(exchange)["bids"][0]["price"] < best, "what waits does not show in the book"
    taken = _enter(
        exchange, seller, "BUY", 1, type="ORDER_TYPE_MARKET", time_in_force="TIME_IN_FORCE_IOC"
    )
    assert taken["status"] == "ORDER_STATUS_FILLED"
    after = _look(exchange, buyer, waiting)
    assert (after["status"], after["filled_lots"]) == ("ORDER_STATUS_FILLED", "3")


def test_waiting_stop_is_cancelled_and_gives_back_what_it_held(exchange, people) -> None:
    """TRD-040: a stop that was not reached can be cancelled."""
    seller, _ = people

    def held() -> str:
        balances = exchange.call("GET", "/v1/wallet/balances", token=seller).body["balances"]
        return next(one["held"] for one in balances if one["asset"] == "BARLEY.US2.CHI")

    before = held()
    order = _enter(exchange, seller, "SELL", 2, type="ORDER_TYPE_STOP", stop_price="3.9000")
    assert held() != before
    reply = exchange.call("DELETE", f"/v1/trading/orders/{order['order_id']}", token=seller)
    assert reply.body["order"]["status"] == "ORDER_STATUS_CANCELLED"
    assert held() == before


def test_iceberg_shows_a_part_at_a_time(exchange, people) -> None:
    """TRD-042."""
    seller, buyer = people
    asks = _book(exchange)["asks"]
    price = f"{float(asks[0]['price']) - 0.0025:.4f}"
    hidden = _enter(exchange, seller, "SELL", 10, price=price, display_lots=3)
    level = _book(exchange)["asks"][0]
    assert (level["price"], level["quantity_lots"]) == (price, "3")
    behind = _enter(exchange, seller, "SELL", 2, price=price)
    bought = _enter(exchange, buyer, "BUY", 4, price=price, time_in_force="TIME_IN_FORCE_IOC")
    assert bought["filled_lots"] == "4"
    # Three of the iceberg, then one of the order that stood behind what showed.
    assert _look(exchange, seller, hidden)["filled_lots"] == "3"
    assert _look(exchange, seller, behind)["filled_lots"] == "1"
    assert _book(exchange)["asks"][0]["quantity_lots"] == "4", "one behind, three that show anew"
    assert _look(exchange, seller, hidden)["remaining_lots"] == "7"
    for order in (hidden, behind):
        exchange.call("DELETE", f"/v1/trading/orders/{order['order_id']}", token=seller)


def test_market_to_limit_rests_at_the_best_price(exchange, people) -> None:
    """TRD-041."""
    _, buyer = people
    best = _book(exchange)["asks"][0]
    lots = int(best["quantity_lots"]) + 5
    order = _enter(exchange, buyer, "BUY", lots, type="ORDER_TYPE_MARKET_TO_LIMIT")
    assert (order["status"], order["price"]) == ("ORDER_STATUS_PARTIALLY_FILLED", best["price"])
    assert order["remaining_lots"] == "5"
    assert _book(exchange)["bids"][0] == {
        "price": best["price"],
        "quantity_lots": "5",
        "order_count": 1,
        "orders": [],
    }
    exchange.call("DELETE", f"/v1/trading/orders/{order['order_id']}", token=buyer)


def test_minimum_quantity_fills_enough_or_not_at_all(exchange, people) -> None:
    """TRD-043."""
    _, buyer = people
    best = _book(exchange)["asks"][0]
    there = int(best["quantity_lots"])
    more = {"price": best["price"], "time_in_force": "TIME_IN_FORCE_IOC"}
    order = {
        "symbol": SYMBOL,
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "quantity_lots": there + 9,
        "min_lots": there + 1,
        **more,
    }
    reply = exchange.call("POST", "/v1/trading/orders", order, token=buyer)
    assert (reply.status, reply.reason) == (400, "MIN_QTY_UNFILLABLE"), reply.body
    enough = _enter(exchange, buyer, "BUY", there + 9, min_lots=1, **more)
    assert enough["filled_lots"] == str(there)
    assert enough["cancel_reason"] == "CANCEL_REASON_IOC_REMAINDER"


def test_reduce_only_needs_a_position(exchange) -> None:
    """TRD-044, TRD-124: by gRPC and by a session."""
    with exchange.channel() as channel:
        stub = trading_pb2_grpc.TradingServiceStub(channel)
        buyer = grpc_token(channel, "trader.meridian")
        seller = grpc_token(channel, "farmer.jan")
        symbol = "CORN-Z26"

        def request(side: int, *, reduces: bool = False) -> trading_pb2.CreateOrderRequest:
            return trading_pb2.CreateOrderRequest(
                client_order_id=uuid.uuid4().hex,
                symbol=symbol,
                side=side,
                type=trading_pb2.ORDER_TYPE_LIMIT,
                price="4.5825",
                quantity_lots=1,
                reduce_only=reduces,
            )

        with pytest.raises(grpc.RpcError) as refused:
            stub.CreateOrder(request(types_pb2.SIDE_SELL, reduces=True), metadata=buyer)
        details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
        info = ErrorInfo()
        assert Status.FromString(details).details[0].Unpack(info)
        assert info.reason == "REDUCE_ONLY_INCREASES"
        stub.CreateOrder(request(types_pb2.SIDE_SELL), metadata=seller)
        bought = stub.CreateOrder(request(types_pb2.SIDE_BUY), metadata=buyer).order
        assert bought.status == trading_pb2.ORDER_STATUS_FILLED
        reducing = stub.CreateOrder(request(types_pb2.SIDE_SELL, reduces=True), metadata=buyer)
        assert reducing.order.status == trading_pb2.ORDER_STATUS_NEW
        assert reducing.order.reduce_only
        cancel = trading_pb2.CancelOrderRequest(order_id=reducing.order.order_id)
        stub.CancelOrder(cancel, metadata=buyer)
