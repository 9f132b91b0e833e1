"""Streams as traders and browsers follow them: NDJSON, EventSource, resume."""

import json
import subprocess
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import grpc
import httpx
import pytest

from e2e.exchange import Exchange, free_ports, grpc_token, running
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc

SYMBOL = "BARLEY-US2-CHI"
Event = tuple[str, int, dict[str, Any]]


def _trade(exchange: Exchange, tokens: tuple[str, str], price: str = "4.1000") -> str:
    """Makes a trade of one lot; returns the seller's order."""
    order = {"symbol": SYMBOL, "type": "ORDER_TYPE_LIMIT", "price": price, "quantity_lots": 1}
    orders = []
    for side, token in zip(("SIDE_SELL", "SIDE_BUY"), tokens, strict=True):
        body = order | {"side": side, "client_order_id": uuid.uuid4().hex}
        orders.append(exchange.call("POST", "/v1/trading/orders", body, token=token).body["order"])
    assert orders[1]["status"] == "ORDER_STATUS_FILLED", orders
    return str(orders[0]["order_id"])


@pytest.fixture(scope="module")
def tokens(exchange: Exchange) -> tuple[str, str]:
    return exchange.token("farmer.jan"), exchange.token("trader.meridian")


class Follower:
    """Opens streams, and closes them all at the end of a test."""

    def __init__(self) -> None:
        self._client = httpx.Client(timeout=10)

    def lines(self, url: str, **headers: str) -> Iterator[str]:
        """Returns the lines of a stream; the stream is open when this returns."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = self._client.build_request("GET", url, headers=named)
        reply = self._client.send(request, stream=True)
        reply.raise_for_status()
        return reply.iter_lines()

    def events(self, url: str, **headers: str) -> Iterator[Event]:
        """Returns name, ID and data of server-sent events."""
        return _parsed(self.lines(url, **headers))

    def close(self) -> None:
        """Closes all streams."""
        self._client.close()


def _parsed(lines: Iterator[str]) -> Iterator[Event]:
    name, number = "", 0
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "id":
            number = int(value)
        elif key == "data":
            yield name, number, json.loads(value)


@pytest.fixture
def follower() -> Iterator[Follower]:
    found = Follower()
    yield found
    found.close()


def test_market_stream_starts_with_a_snapshot_and_goes_on(
    exchange: Exchange, tokens: tuple[str, str], follower: Follower
) -> None:
    """TRD-201: NDJSON, the book first, then trades."""
    lines = follower.lines(f"{exchange.rest}/v1/market/stream?symbols={SYMBOL}")
    first = json.loads(next(lines))["updates"][0]
    assert first["snapshot"]
    assert len(first["book"]["bids"]) >= 10
    _trade(exchange, tokens)
    for line in lines:
        update = json.loads(line)["updates"][-1]
        if update.get("trades"):
            assert update["trades"][0]["price"] == "4.1000"
            assert update["market_summary"]["last"] == "4.1000"
            break


def test_event_source_resumes_without_gap_or_repeat(
    exchange: Exchange, tokens: tuple[str, str], follower: Follower
) -> None:
    """TRD-202: Last-Event-ID goes on right after what was seen."""
    url = f"{exchange.rest}/v1/events/market?symbols={SYMBOL}&channels=MARKET_CHANNEL_TRADES"
    events = follower.events(url)
    _, start, _ = next(events)
    _trade(exchange, tokens)
    seen = [number for name, number, _ in _take(events, 1)]
    _trade(exchange, tokens)
    _trade(exchange, tokens)
    again = [data for _, _, data in _take(follower.events(url, last_event_id=str(seen[-1])), 2)]
    assert all(int(update["sequence"]) > seen[-1] > start for update in again)
    assert sum(len(update["trades"]) for update in again) == 2
    assert again[0]["previous_sequence"] == str(seen[-1])


def _take(events: Iterator[Event], trades: int) -> Iterator[Event]:
    """Yields events with trades until so many trades have come."""
    for name, number, data in events:
        if name == "market" and data.get("trades"):
            trades -= len(data["trades"])
            yield name, number, data
            if trades <= 0:
                return


def test_orders_stream_resumes_by_sequence_over_grpc(
    exchange: Exchange, tokens: tuple[str, str], follower: Follower
) -> None:
    """TRD-203: every report once, each naming the one before."""
    with exchange.channel() as channel:
        metadata = grpc_token(channel, "farmer.jan")
        stub = trading_pb2_grpc.TradingServiceStub(channel)
        watch = stub.WatchOrders(trading_pb2.WatchOrdersRequest(), metadata=metadata)
        beat = next(watch).updates[0]
        assert beat.heartbeat
        order_id = int(_trade(exchange, tokens))
        reports = _reports(watch, order_id, 2)
        watch.cancel()
        kinds = [report.kind for _, report in reports]
        assert kinds == [
            trading_pb2.ExecutionReport.KIND_ACCEPTED,
            trading_pb2.ExecutionReport.KIND_FILL,
        ]
        assert reports[1][1].trade.is_maker
        request = trading_pb2.WatchOrdersRequest(from_sequence=reports[1][0])
        resumed = next(stub.WatchOrders(request, metadata=metadata)).updates[0]
        assert (resumed.sequence, resumed.previous_sequence) == (reports[1][0], reports[0][0])
        old = trading_pb2.WatchOrdersRequest(from_sequence=2**40)
        assert next(stub.WatchOrders(old, metadata=metadata)).updates[0].heartbeat


def _reports(watch: Any, order_id: int, count: int) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for reply in watch:
        for update in reply.updates:
            found += [
                (update.sequence, report)
                for report in update.reports
                if report.order.order_id == order_id
            ]
        if len(found) >= count:
            return found
    raise AssertionError("the stream ended")


def test_order_events_need_a_ticket_that_is_good_once(
    exchange: Exchange, tokens: tuple[str, str], follower: Follower
) -> None:
    """AUT-020: EventSource sends no header; its ticket opens one stream."""
    url = f"{exchange.rest}/v1/events/orders"
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        follower.lines(url)
    ticket = exchange.call("POST", "/v1/auth/stream-ticket", {}, token=tokens[0]).body["ticket"]
    events = follower.events(f"{url}?ticket={ticket}")
    assert next(events)[0] == "heartbeat"
    order_id = _trade(exchange, tokens)
    for name, _, data in events:
        if name == "orders" and data["reports"][0]["order"]["order_id"] == order_id:
            break
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        follower.lines(f"{url}?ticket={ticket}")


def test_slow_stream_is_beaten_by_a_pulse(exchange: Exchange) -> None:
    """TRD-204: an idle stream says each second that it lives."""
    with exchange.channel() as channel:
        call = channel.unary_stream("/farmgate.api.market.v1.MarketService/WatchMarket")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(b"\x0a\x02NO"))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


PAGE = """<!doctype html><title>waiting</title><script>
const seen = [], source = new EventSource("{url}");
source.addEventListener("market", event => {{
  seen.push(Number(event.lastEventId));
  document.title = "events " + seen.length;
  fetch("/seen?ids=" + seen.join(","));
}});
</script>"""


class _Page(BaseHTTPRequestHandler):
    """Serves the page of a browser test and hears what it saw."""

    url = ""
    seen: ClassVar[list[int]] = []
    arrived = threading.Condition()

    def do_GET(self) -> None:
        if self.path.startswith("/seen"):
            with self.arrived:
                type(self).seen = [int(one) for one in self.path.partition("=")[2].split(",")]
                self.arrived.notify_all()
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.format(url=self.url).encode())

    def log_message(self, *_arguments: object) -> None:
        pass


def test_chromium_follows_the_market_over_a_restart(tmp_path: Path) -> None:
    """TRD-205: a real browser's EventSource sees every event once, also over a restart."""
    (port,) = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    with running(tmp_path / "data", FARMGATE_WEB_ORIGINS=origin) as exchange:
        _Page.url = f"{exchange.rest}/v1/events/market?symbols={SYMBOL}&channels=1"
        page = HTTPServer(("127.0.0.1", port), _Page)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        browser = subprocess.Popen(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--remote-debugging-port=0",
                origin,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            both = exchange.token("farmer.jan"), exchange.token("trader.meridian")
            _wait(1)
            for count in (2, 3):
                _trade(exchange, both)
                _wait(count)
            exchange.stop()
            exchange.start()
            both = exchange.token("farmer.jan"), exchange.token("trader.meridian")
            _trade(exchange, both)
            seen = _wait(4)
            assert seen == sorted(set(seen))
        finally:
            browser.kill()
            browser.wait()
            page.shutdown()
            page.server_close()


def _wait(count: int) -> list[int]:
    """Waits until the page has seen so many events."""
    with _Page.arrived:
        assert _Page.arrived.wait_for(lambda: len(_Page.seen) >= count, timeout=30), _Page.seen
        return _Page.seen
