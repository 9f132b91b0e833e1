"""Bad input, by REST and by gRPC: a stable reason, nothing journalled, nothing broken."""

import uuid

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from e2e.exchange import Exchange, grpc_token
from farmgate.api.trading.v1 import trading_pb2

GOOD = {
    "symbol": "CORN-US2Y-TOL",
    "side": "SIDE_BUY",
    "type": "ORDER_TYPE_LIMIT",
    "price": "4.5000",
    "quantity_lots": 1,
}
BAD_ORDERS = [
    ({"quantity_lots": 0}, 400, "QUANTITY_LOT"),
    ({"quantity_lots": -5}, 400, "QUANTITY_LOT"),
    ({"quantity_lots": 2**63 - 1}, 400, "QUANTITY_MAX"),
    ({"quantity_lots": 10_001}, 400, "QUANTITY_MAX"),
    ({"price": "0"}, 400, "PRICE_RANGE"),
    ({"price": "-4.5"}, 400, "PRICE_RANGE"),
    ({"price": "999999999999"}, 400, "PRICE_RANGE"),
    ({"price": "4.5001"}, 400, "PRICE_TICK"),
    ({"price": "4,5"}, 400, "DECIMAL_FORMAT"),
    ({"price": "1e3"}, 400, "DECIMAL_FORMAT"),
    ({"price": "1" * 400}, 400, "DECIMAL_FORMAT"),
    ({"price": ""}, 400, "PRICE_REQUIRED"),
    ({"symbol": ""}, 400, "FIELD_REQUIRED"),
    ({"symbol": "NO-SUCH"}, 404, "INSTRUMENT_UNKNOWN"),
    ({"symbol": "IDX-ALL"}, 400, "INSTRUMENT_NOT_TRADING"),
    ({"side": 0}, 400, "SIDE_INVALID"),
    ({"side": 77}, 400, "SIDE_INVALID"),
    ({"type": 0}, 400, "ORDER_TYPE_INVALID"),
    ({"type": "ORDER_TYPE_MARKET"}, 400, "TIF_INVALID", {"time_in_force": "TIME_IN_FORCE_GTC"}),
    ({"type": "ORDER_TYPE_MARKET"}, 400, "PRICE_NOT_ALLOWED"),
    ({"time_in_force": "TIME_IN_FORCE_GTD"}, 400, "EXPIRY_INVALID"),
    ({"post_only": True, "time_in_force": "TIME_IN_FORCE_IOC"}, 400, "TIF_INVALID"),
    ({"client_order_id": "x" * 37}, 400, "CLIENT_ORDER_ID_INVALID"),
    ({"client_order_id": "é"}, 400, "CLIENT_ORDER_ID_INVALID"),
    ({"self_trade_prevention": 9}, 400, "SELF_TRADE_MODE_INVALID"),
    ({"account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 404, "ACCOUNT_UNKNOWN"),
    ({"type": "ORDER_TYPE_STOP", "price": ""}, 400, "STOP_PRICE_REQUIRED"),
    ({"type": "ORDER_TYPE_STOP", "stop_price": "4.6000"}, 400, "PRICE_NOT_ALLOWED"),
    ({"type": "ORDER_TYPE_STOP_LIMIT", "stop_price": "4.6001"}, 400, "PRICE_TICK"),
    ({"type": "ORDER_TYPE_STOP_LIMIT", "stop_price": "9999"}, 400, "PRICE_RANGE"),
    ({"stop_price": "4.6000"}, 400, "PRICE_NOT_ALLOWED"),
    ({"type": "ORDER_TYPE_MARKET_TO_LIMIT"}, 400, "PRICE_NOT_ALLOWED"),
    ({"display_lots": 2}, 400, "DISPLAY_QTY_INVALID"),
    ({"display_lots": -1}, 400, "DISPLAY_QTY_INVALID"),
    ({"min_lots": 1}, 400, "MIN_QTY_INVALID"),
    ({"min_lots": 2, "time_in_force": "TIME_IN_FORCE_IOC"}, 400, "MIN_QTY_INVALID"),
    ({"reduce_only": True}, 501, "ORDER_TYPE_UNSUPPORTED"),
]


def _journalled(exchange: Exchange, token: str) -> int:
    """Returns the sequence of the last durable command."""
    return int(exchange.call("GET", "/v1/wallet/balances", token=token).body["sequence"])


@pytest.mark.parametrize("case", BAD_ORDERS, ids=lambda case: f"{case[2]}-{str(case[0])[:30]}")
def test_bad_order_is_refused_before_the_journal(exchange: Exchange, case: tuple) -> None:
    """TRD-120: what breaks a rule of the instrument leaves no trace."""
    change, status, reason, *more = case
    body = GOOD | change | (more[0] if more else {})
    token = exchange.token("farmer.lea")
    before = _journalled(exchange, token)
    reply = exchange.call("POST", "/v1/trading/orders", body, token=token)
    assert (reply.status, reply.reason) == (status, reason), reply.body
    assert _journalled(exchange, token) == before


def test_market_refusal_is_durable_and_its_owner_sees_it(exchange: Exchange) -> None:
    """TRD-121: what the market refuses is a REJECTED order with a reason."""
    token = exchange.token("coop.heartland")
    order = GOOD | {"quantity_lots": 10_000, "client_order_id": uuid.uuid4().hex}
    reply = exchange.call("POST", "/v1/trading/orders", order, token=token)
    assert (reply.status, reply.reason) == (400, "INSUFFICIENT_FUNDS"), reply.body
    detail = reply.body["details"][0]["metadata"]
    assert (detail["asset"], detail["needed"]) == ("USD", "4501125.0000")
    again = exchange.call("POST", "/v1/trading/orders", order, token=token)
    assert again.reason == "INSUFFICIENT_FUNDS"
    listed = exchange.call("GET", "/v1/trading/orders", token=token).body["orders"][0]
    assert listed["reject_reason"] == "INSUFFICIENT_FUNDS"
    other = exchange.call("POST", "/v1/trading/orders", order | {"quantity_lots": 1}, token=token)
    assert (other.status, other.reason) == (409, "DUPLICATE_CLIENT_ORDER_ID")


def test_callers_without_a_right_are_told_so(exchange: Exchange) -> None:
    """AUT-010: no token, a broken one, an expired one, another's order, a role that may not."""
    assert exchange.call("GET", "/v1/trading/orders").reason == "UNAUTHENTICATED"
    broken = exchange.call("GET", "/v1/trading/orders", token="x.y.z")
    assert (broken.status, broken.reason) == (401, "TOKEN_INVALID")
    token = exchange.token("farmer.jan")
    key = serialization.load_pem_private_key(
        (exchange.folder / "secrets" / "signing.pem").read_bytes(), password=None
    )
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = jwt.get_unverified_header(token)
    past = claims | {"iat": 1_000_000, "nbf": 1_000_000, "exp": 1_000_900}
    stale = jwt.encode(past, key, algorithm="RS256", headers=headers)
    expired = exchange.call("GET", "/v1/trading/orders", token=stale)
    assert (expired.status, expired.reason) == (401, "TOKEN_EXPIRED")
    mine = exchange.call("POST", "/v1/trading/orders", GOOD, token=token).body["order"]
    path = f"/v1/trading/orders/{mine['order_id']}"
    other = exchange.token("trader.meridian")
    for method in ("GET", "DELETE"):
        foreign = exchange.call(method, path, token=other)
        assert (foreign.status, foreign.reason) == (404, "ORDER_NOT_FOUND")
    assert exchange.call("DELETE", path, token=token).status == 200
    closed = exchange.call("DELETE", path, token=token)
    assert (closed.status, closed.reason) == (404, "ORDER_NOT_FOUND")
    auditor = exchange.token("auditor")
    denied = exchange.call("POST", "/v1/trading/orders", GOOD, token=auditor)
    assert (denied.status, denied.reason) == (403, "PERMISSION_DENIED")
    newcomer = exchange.token("newuser")
    level = exchange.call("POST", "/v1/trading/orders", GOOD, token=newcomer)
    assert (level.status, level.reason) == (400, "KYC_LEVEL_REQUIRED")


def test_edge_answers_in_the_same_shape(exchange: Exchange) -> None:
    """OPS-020: Envoy's own errors look like the server's."""
    missing = exchange.call("GET", "/v1/nothing")
    assert (missing.status, missing.reason) == (404, "METHOD_UNKNOWN")
    unknown = exchange.call("GET", "/v1/market/instruments?colour=red")
    assert (unknown.status, unknown.reason) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "method", ["CreateOrder", "CancelOrder", "AmendOrder", "BatchCreateOrders", "MassCancel"]
)
@pytest.mark.parametrize("message", [b"\xff\xff", b"\x0a\xff\x01", b"\x00", b"\x0a\x02\xc3\x28"])
def test_malformed_bytes_are_refused_whole(exchange: Exchange, method: str, message: bytes) -> None:
    """TRD-122: bytes that are no message."""
    with exchange.channel() as channel:
        metadata = grpc_token(channel, "trader.meridian")
        path = f"/farmgate.api.trading.v1.TradingService/{method}"
        call = channel.unary_unary(path)
        with pytest.raises(grpc.RpcError) as caught:
            call(message, metadata=metadata)
        assert _reason(caught.value) == "MALFORMED_MESSAGE"


def test_session_with_a_malformed_message_ends(exchange: Exchange) -> None:
    """TRD-123: the messages before it are answered, it is refused."""
    with exchange.channel() as channel:
        metadata = grpc_token(channel, "trader.meridian")
        path = "/farmgate.api.trading.v1.TradingService/OrderSession"
        good = trading_pb2.OrderSessionRequest()
        good.instructions.add().cancel.order_id = 1
        replies = channel.stream_stream(path)(
            iter([good.SerializeToString(), b"\xff\xff"]), metadata=metadata
        )
        first = trading_pb2.OrderSessionResponse.FromString(next(replies))
        assert first.acks[0].status == trading_pb2.ORDER_STATUS_REJECTED
        with pytest.raises(grpc.RpcError) as caught:
            next(replies)
        assert _reason(caught.value) == "MALFORMED_MESSAGE"


def _reason(error: grpc.RpcError) -> str:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = ErrorInfo()
    assert Status.FromString(details).details[0].Unpack(info)
    return info.reason
