"""Limits, auctions and settings as operators and traders meet them, over REST and gRPC."""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from e2e.exchange import Exchange, Reply, grpc_token, running
from farmgate.api.admin.v1 import (
    config_pb2,
    config_pb2_grpc,
    instruments_pb2,
    instruments_pb2_grpc,
)
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2

REASON = "as the scenario has it"
AUCTION_S = 5


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange of this file's own: settings and rules change."""
    with running(tmp_path_factory.mktemp("rules"), FARMGATE_DEMO_HISTORY="false") as found:
        yield found


@pytest.fixture(scope="module")
def admins(own: Exchange) -> tuple[str, str]:
    """Two admins: the demonstration's, and one whom the database makes one."""
    first = own.token("admin")
    person = {
        "email": "second@example.com", "password": "Second-Pass-2026!", "display_name": "Second",
        "role": "ROLE_TRADER",
    }  # fmt: skip
    assert own.call("POST", "/v1/auth/register", person).status == 200
    with closing(sqlite3.connect(own.folder / "farmgate.db")) as database, database:
        database.execute("UPDATE users SET role = 'ADMIN' WHERE email = ?", (person["email"],))
    login = own.call("POST", "/v1/auth/login", {k: person[k] for k in ("email", "password")})
    return first, str(login.body["access_token"])


def list_corn(own: Exchange, admin: str, symbol: str, **rules: Any) -> dict[str, Any]:
    body = {
        "symbol": symbol, "kind": "INSTRUMENT_KIND_FORWARD", "commodity_code": "CORN",
        "grade_code": "US2Y", "location_code": "CHI", "quote_currency": "USD", "unit": "bu",
        "lot_size": "100", "tick_size": "0.0025", "start_price": "4.58", "reason": REASON,
        "delivery_start": "2030-03-01", "delivery_end": "2030-03-31", "rules": rules,
    }  # fmt: skip
    reply = own.call("POST", "/v1/admin/instruments", body, token=admin)
    assert reply.status == 200, reply.body
    return reply.body["instrument"]


def enter(
    own: Exchange, token: str, symbol: str, side: str, price: str, lots: int, **more: Any
) -> Reply:
    order = {
        "client_order_id": uuid.uuid4().hex, "symbol": symbol, "side": f"SIDE_{side}",
        "type": "ORDER_TYPE_LIMIT", "price": price, "quantity_lots": lots, **more,
    }  # fmt: skip
    return own.call("POST", "/v1/trading/orders", order, token=token)


def seen(own: Exchange, symbol: str) -> dict[str, Any]:
    return own.call("GET", f"/v1/market/instruments/{symbol}").body["instrument"]


def over_grpc(own: Exchange, call: Callable[[grpc.Channel, Any], Any], name: str) -> Any:
    """Calls gRPC as somebody; returns the answer or the refusal's reason and values."""
    with own.channel() as channel:
        try:
            return call(channel, grpc_token(channel, name))
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            status = Status.FromString(trailers["grpc-status-details-bin"])
            info = ErrorInfo()
            status.details[0].Unpack(info)
            return info


def buy_over_grpc(symbol: str, price: str, **more: Any) -> Callable[[grpc.Channel, Any], Any]:
    def call(channel: grpc.Channel, metadata: Any) -> Any:
        request = trading_pb2.CreateOrderRequest(
            symbol=symbol, side=types_pb2.SIDE_BUY, type=trading_pb2.ORDER_TYPE_LIMIT,
            price=price, quantity_lots=1, **more,
        )  # fmt: skip
        return trading_pb2_grpc.TradingServiceStub(channel).CreateOrder(request, metadata=metadata)

    return call


def test_a5_price_runs_to_the_limit_and_settles_there(
    own: Exchange, admins: tuple[str, str]
) -> None:
    """A5, TRD-011, MKT-032: corn at 4.58 has 30 cents; after a settlement at the limit 55."""
    symbol = "CORN-A5"
    listed = list_corn(own, admins[0], symbol, band_ticks=10_000)
    assert (listed["price_low"], listed["price_high"]) == ("4.2800", "4.8800")
    seller, buyer = own.token("farmer.jan"), own.token("trader.meridian")
    for price in ("4.7", "4.88"):
        assert enter(own, seller, symbol, "SELL", price, 1).status == 200
        assert enter(own, buyer, symbol, "BUY", price, 1).body["order"]["filled_lots"] == "1"
    for price in ("4.8825", "4.2775"):
        refused = enter(own, buyer, symbol, "BUY", price, 1)
        assert (refused.status, refused.reason) == (400, "PRICE_LIMIT")
        values = next(one["metadata"] for one in refused.body["details"] if "metadata" in one)
        assert values == {"price": price, "low": "4.2800", "high": "4.8800"}
    info = over_grpc(own, buy_over_grpc(symbol, "4.8825"), "trader.meridian")
    assert (info.reason, info.metadata["high"]) == ("PRICE_LIMIT", "4.8800")
    resting = enter(own, buyer, symbol, "BUY", "4.3", 1).body["order"]

    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    body = {"business_date": day, "price": "4.88", "reason": REASON}
    path = f"/v1/admin/instruments/{symbol}/settlement-price"
    first = own.call("POST", path, body, token=admins[0])
    assert (first.status, first.body["approval"]["is_done"]) == (200, False)
    assert own.call("POST", path, body, token=admins[0]).reason == "FOUR_EYES_REQUIRED"
    second = own.call("POST", path, body, token=admins[1])
    assert (second.status, second.body["approval"]["is_done"]) == (200, True)
    # 7 % of 4.88 is 0.3416, so 0.35, and half as much again 0.55: 4.33 to 5.43.
    found = seen(own, symbol)
    assert (found["price_low"], found["price_high"]) == ("4.3300", "5.4300")
    kept = own.call("GET", f"/v1/trading/orders/{resting['order_id']}", token=buyer).body["order"]
    assert kept["status"] == "ORDER_STATUS_NEW", "what rests outside keeps its place"
    assert enter(own, buyer, symbol, "BUY", "4.2975", 1).reason == "PRICE_LIMIT"
    assert enter(own, seller, symbol, "SELL", "5.43", 1).status == 200
    info = over_grpc(own, buy_over_grpc(symbol, "5.4325"), "trader.meridian")
    assert dict(info.metadata) == {"price": "5.4325", "low": "4.3300", "high": "5.4300"}


class Indications:
    """Reads the auction channel in the background."""

    def __init__(self, own: Exchange, symbol: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self.phases: list[str] = []
        self._moved = threading.Condition()
        query = f"symbols={symbol}&channels=MARKET_CHANNEL_AUCTION&channels=MARKET_CHANNEL_STATUS"
        self._stream = httpx.stream("GET", f"{own.rest}/v1/market/stream?{query}", timeout=30)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reply = self._stream.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)

    def _read(self) -> None:
        try:
            for line in self._reply.iter_lines():
                self._note(json.loads(line) if line.strip() else {})
        except httpx.HTTPError:
            return

    def _note(self, message: dict[str, Any]) -> None:
        for update in message.get("updates", []):
            with self._moved:
                if "auction" in update:
                    self.seen.append(update["auction"])
                if "phase" in update:
                    self.phases.append(update["phase"])
                self._moved.notify_all()

    def until(self, is_so: Callable[[], bool]) -> None:
        with self._moved:
            assert self._moved.wait_for(is_so, 20), (self.seen, self.phases)


def test_a6_a_breach_of_the_band_leads_to_an_auction(
    own: Exchange, admins: tuple[str, str]
) -> None:
    """A6, TRD-045, TRD-046, TRD-048, TRD-220: 1834 ticks, 30 lots, 15 sellers left over."""
    body = {"key": "trading.volatility_auction_s", "value": str(AUCTION_S), "reason": REASON}
    assert own.call("POST", "/v1/admin/system-config", body, token=admins[0]).status == 200
    symbol = "CORN-A6"
    list_corn(own, admins[0], symbol, band_ticks=4)
    seller, buyer = own.token("farmer.jan"), own.token("trader.meridian")

    def at(ticks: int) -> str:
        return f"{ticks * 25 / 10_000:.4f}"

    with Indications(own, symbol) as stream:
        enter(own, seller, symbol, "SELL", at(1_830), 1)
        assert enter(own, buyer, symbol, "BUY", at(1_830), 1).body["order"]["filled_lots"] == "1"
        enter(own, seller, symbol, "SELL", at(1_836), 5)
        # Six ticks from the last price, beyond the band of four.
        breach = enter(own, buyer, symbol, "BUY", at(1_836), 1, time_in_force="TIME_IN_FORCE_IOC")
        assert breach.body["order"]["status"] == "ORDER_STATUS_CANCELLED"
        began = time.monotonic()
        stream.until(lambda: "INSTRUMENT_PHASE_AUCTION" in stream.phases)
        for ticks, lots in ((1_835, 10), (1_834, 20), (1_833, 15)):
            assert enter(own, buyer, symbol, "BUY", at(ticks), lots).status == 200
        for ticks, lots in ((1_831, 8), (1_833, 17), (1_834, 20)):
            assert enter(own, seller, symbol, "SELL", at(ticks), lots).status == 200
        refused = enter(own, buyer, symbol, "BUY", at(1_836), 1, time_in_force="TIME_IN_FORCE_IOC")
        assert refused.reason == "ORDER_NOT_ALLOWED_IN_PHASE"
        ioc = trading_pb2.TIME_IN_FORCE_IOC
        info = over_grpc(
            own, buy_over_grpc(symbol, at(1_836), time_in_force=ioc), "trader.meridian"
        )
        assert (info.reason, info.metadata["phase"]) == ("ORDER_NOT_ALLOWED_IN_PHASE", "AUCTION")
        assert time.monotonic() - began < AUCTION_S, "the machine is too slow for the scenario"
        stream.until(lambda: {
            "indicative_price": "4.5850", "indicative_lots": "30", "imbalance_side": "SIDE_SELL",
            "imbalance_lots": "15",
        } in stream.seen)  # fmt: skip
        stream.until(
            lambda: stream.phases[-1] == "INSTRUMENT_PHASE_OPEN" and len(stream.phases) > 2
        )
    trades = own.call("GET", f"/v1/market/trades?symbol={symbol}").body["trades"]
    crossed = [one for one in trades if one["price"] == "4.5850"]
    assert sum(int(one["quantity_lots"]) for one in crossed) == 30
    book = own.call("GET", f"/v1/trading/orderbook?symbol={symbol}&depth=5").body
    assert book["bids"][0]["price"] < book["asks"][0]["price"]
    assert book["asks"][0] == {"price": "4.5850", "quantity_lots": "15", "order_count": 1}


def test_a19_settings_hold_and_are_taken_back(own: Exchange, admins: tuple[str, str]) -> None:
    """A19, ADM-020, ADM-022, ADM-063."""
    symbol, key = "CORN-A19", "trading.market_protection_ticks"
    list_corn(own, admins[0], symbol)

    def protection() -> int:
        path = "/v1/admin/instruments?page_size=500"
        rows = own.call("GET", path, token=admins[0]).body["instruments"]
        return next(
            int(one["rules"]["protection_ticks"]) for one in rows
            if one["instrument"]["symbol"] == symbol
        )  # fmt: skip

    def put(value: str) -> Reply:
        body = {"key": key, "value": value, "reason": REASON}
        return own.call("POST", "/v1/admin/system-config", body, token=admins[0])

    assert protection() == 40
    bad = put("0")
    assert (bad.status, bad.reason) == (400, "CONFIG_INVALID")
    values = next(one["metadata"] for one in bad.body["details"] if "metadata" in one)
    assert values["rule"] == "must be a whole number from 1 to 10000"
    first = put("33")
    assert (first.body["entry"]["config_version"], protection()) == (1, 33)

    def again(channel: grpc.Channel, metadata: Any) -> Any:
        stub = config_pb2_grpc.ConfigServiceStub(channel)
        request = config_pb2.SetSystemConfigRequest(key=key, value="55", reason=REASON)
        return stub.SetSystemConfig(request, metadata=metadata)

    def back(channel: grpc.Channel, metadata: Any) -> Any:
        stub = config_pb2_grpc.ConfigServiceStub(channel)
        request = config_pb2.RollbackConfigRequest(key=key, config_version=1, reason=REASON)
        return stub.RollbackConfig(request, metadata=metadata)

    assert over_grpc(own, again, "admin").entry.config_version == 2
    assert protection() == 55
    rolled = over_grpc(own, back, "admin").entry
    assert (rolled.config_version, rolled.value, protection()) == (3, "33", 33)


def test_limits_over_grpc(own: Exchange, admins: tuple[str, str]) -> None:
    """ADM-062, ADM-066: the same calls over gRPC."""
    symbol = "CORN-GRPC"
    list_corn(own, admins[0], symbol)

    def limit(channel: grpc.Channel, metadata: Any) -> Any:
        stub = instruments_pb2_grpc.InstrumentServiceStub(channel)
        request = instruments_pb2.SetPriceLimitsRequest(
            symbol=symbol, price_low="4.5", price_high="4.6", reason=REASON
        )
        return stub.SetPriceLimits(request, metadata=metadata)

    def refuse(channel: grpc.Channel, metadata: Any) -> Any:
        stub = instruments_pb2_grpc.InstrumentServiceStub(channel)
        request = instruments_pb2.DelistInstrumentRequest(
            symbol=symbol, reason=REASON, expected_version=7
        )
        return stub.DelistInstrument(request, metadata=metadata)

    assert over_grpc(own, limit, "admin").instrument.price_high == "4.6000"
    assert seen(own, symbol)["price_low"] == "4.5000"
    assert over_grpc(own, refuse, "admin").reason == "VERSION_CONFLICT"
    assert over_grpc(own, limit, "farmer.jan").reason == "PERMISSION_DENIED"
    body = {"reason": REASON}
    gone = own.call("POST", f"/v1/admin/instruments/{symbol}/delist", body, token=admins[0])
    assert gone.body["instrument"]["phase"] == "INSTRUMENT_PHASE_DELISTED"
