"""What the specification asks of webhooks and streams, through Envoy and through gRPC."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from e2e.exchange import free_ports
from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.api.notifications.v1 import webhooks_pb2, webhooks_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2
from farmgate.app import wire
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.process import Edge
from farmgate.app.seeding.ground import DOMAIN, PASSWORD
from farmgate.app.settings import Settings
from farmgate.db.outbox import Announcement, announce
from farmgate.ports.clock import FakeClock
from service.notifications.test_webhooks import Receiver, received
from support import Api, refused, running

SYMBOL = "CORN-US2Y-CHI"
TRADES = market_pb2.MARKET_CHANNEL_TRADES
# Reports of orders that are kept, in all.
REPORTS_KEPT = 262_144
BATCH = 10_000
GIVEN = {
    "demo": True, "rate_ip_per_min": 100_000, "rate_user_per_min": 100_000,
    "rate_orders_per_s": 10**9,
}  # fmt: skip
_names = itertools.count()


class Both:
    """An exchange in this process, behind an Envoy of its own."""

    def __init__(self, api: Api, rest: str, clock: FakeClock) -> None:
        self.api = api
        self.rest = rest
        self.clock = clock

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            return await client.request(method, self.rest + path, json=body, headers=headers)


@asynccontextmanager
async def exchange(settings: Settings, folder: Path) -> AsyncIterator[Both]:
    # Envoy judges tokens by the machine's clock.
    clock = FakeClock(datetime.now(UTC))
    rest, admin = free_ports(2)
    async with running(wire.build(settings, clock=clock)) as api:
        upstream = ("127.0.0.1", api.application.grpc_port)
        edge = Edge(
            EdgeOptions(
                host="127.0.0.1", rest_port=rest, admin_port=admin, upstreams=(upstream,),
                stream_upstreams=(), origins=(),
            ),
            folder / "edge",
        )  # fmt: skip
        await edge.start()
        try:
            yield Both(api, f"http://127.0.0.1:{rest}", clock)
        finally:
            await edge.stop()


@pytest.fixture
async def both(make_settings: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[Both]:
    async with exchange(make_settings(**GIVEN), tmp_path) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Slow enough for its time to be told in milliseconds.
        await asyncio.sleep(0.02)
        await found.handle(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"  # type: ignore[attr-defined]
    yield found
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("by", ["rest", "grpc"])
async def test_scenario_a17(both: Both, receiver: Any, by: str) -> None:
    """NTF-020: scenario A17: three failures, then 200."""
    api, person = both.api, await both.api.person()
    token = f"Bearer {person.tokens.access_token}"
    stub = webhooks_pb2_grpc.WebhookServiceStub(api.channel)
    if by == "rest":
        body = {"url": receiver.url, "events": ["contract"]}
        made = await both.call("POST", "/v1/webhooks", body, authorization=token)
        assert made.status_code == 200, made.text
        secret, webhook_id = made.json()["secret"], made.json()["webhook"]["webhook_id"]
    else:
        request = webhooks_pb2.CreateWebhookRequest(url=receiver.url, events=["contract"])
        reply = await stub.CreateWebhook(request, metadata=person.metadata)
        secret, webhook_id = reply.secret, reply.webhook.webhook_id
    receiver.answers = [500, 503, 404, 200]
    told = Announcement(
        "contract.active", both.clock.now(), user_id=person.user.user_id, data={"number": "7"}
    )
    await api.application.base.database.write(lambda tx: announce(tx, told))
    await received(receiver, 4, both.clock)

    async def delivery() -> dict[str, Any]:
        path = f"/v1/webhooks/{webhook_id}/deliveries"
        if by == "rest":
            (found,) = (await both.call("GET", path, authorization=token)).json()["deliveries"]
            return {**found, "latency_ms": int(found["latency_ms"])}
        request = webhooks_pb2.ListWebhookDeliveriesRequest(webhook_id=webhook_id)
        (one,) = (await stub.ListWebhookDeliveries(request, metadata=person.metadata)).deliveries
        return {
            "state": webhooks_pb2.WebhookDeliveryState.Name(one.state), "attempt": one.attempt,
            "status_code": one.status_code, "latency_ms": one.latency_ms,
            "event_id": one.event_id,
        }  # fmt: skip

    async with asyncio.timeout(20):
        while (found := await delivery())["state"] != "WEBHOOK_DELIVERY_STATE_DELIVERED":
            await asyncio.sleep(0.02)
    assert (found["attempt"], found["status_code"]) == (4, 200)
    assert 20 <= found["latency_ms"] < 10_000
    assert {headers["webhook-id"] for headers, _ in receiver.requests} == {found["event_id"]}
    assert [receiver.is_signed(number, secret) for number in range(4)] == [True] * 4
    assert len(receiver.requests) == 4


async def trader(both: Both) -> tuple[tuple[str, str], ...]:
    reply = await both.api.log_in(f"mill.nord@{DOMAIN}", PASSWORD)
    return (("authorization", f"Bearer {reply.access_token}"),)


async def trade(both: Both, metadata: Any, count: int) -> None:
    """Makes trades of one lot, in one step."""
    await send(both, metadata, crossing(count))


def crossing(count: int) -> trading_pb2.OrderSessionRequest:
    """Returns orders that trade with one another."""
    request = orders(2 * count)
    for number, instruction in enumerate(request.instructions):
        instruction.create.side = 2 - number % 2
        instruction.create.time_in_force = trading_pb2.TIME_IN_FORCE_GTC
    return request


def orders(count: int) -> trading_pb2.OrderSessionRequest:
    """Returns orders that find nobody and are cancelled at once."""
    request = trading_pb2.OrderSessionRequest(request_id=f"r{next(_names)}")
    for _ in range(count):
        order = request.instructions.add().create
        order.instrument_id, order.side, order.quantity_lots = 1, 1, 1
        order.type = trading_pb2.ORDER_TYPE_LIMIT
        order.time_in_force = trading_pb2.TIME_IN_FORCE_IOC
        order.price_ticks = 1_833
        order.self_trade_prevention = trading_pb2.SELF_TRADE_PREVENTION_NONE
    return request


async def send(both: Both, metadata: Any, *requests: trading_pb2.OrderSessionRequest) -> None:
    async def given() -> AsyncIterator[trading_pb2.OrderSessionRequest]:
        for request in requests:
            yield request

    async for _ in both.api.trading.OrderSession(given(), metadata=metadata):
        pass


class Follower:
    """Follows trades by REST or gRPC, and keeps what it saw."""

    def __init__(self, both: Both, by: str) -> None:
        self._both, self._by = both, by
        self.updates: list[dict[str, Any]] = []

    @property
    def trades(self) -> list[int]:
        return [int(one["trade_id"]) for update in self.updates for one in update["trades"]]

    async def follow(self, trades: int, from_sequence: int = 0) -> None:
        """Follows until so many trades were seen in all, and leaves."""
        steps = self._rest(from_sequence) if self._by == "rest" else self._grpc(from_sequence)
        async with asyncio.timeout(30), contextlib.aclosing(steps):
            async for update in steps:
                if update["heartbeat"]:
                    continue
                self.updates.append(update)
                if len(self.trades) >= trades:
                    return

    async def _rest(self, from_sequence: int) -> AsyncIterator[dict[str, Any]]:
        path = f"/v1/market/stream?symbols={SYMBOL}&channels=MARKET_CHANNEL_TRADES"
        url = f"{self._both.rest}{path}&from_sequence={from_sequence}"
        async with (
            httpx.AsyncClient(trust_env=False, timeout=20) as client,
            client.stream("GET", url) as reply,
        ):
            async for line in reply.aiter_lines():
                for update in json.loads(line)["updates"]:
                    yield _plain(update)

    async def _grpc(self, from_sequence: int) -> AsyncIterator[dict[str, Any]]:
        stub = market_pb2_grpc.MarketServiceStub(self._both.api.channel)
        request = market_pb2.WatchMarketRequest(
            symbols=[SYMBOL], channels=[TRADES], from_sequence=from_sequence
        )
        call = stub.WatchMarket(request)
        try:
            async for reply in call:
                for update in reply.updates:
                    yield _plain(
                        {
                            "sequence": update.sequence,
                            "heartbeat": update.heartbeat,
                            "previous_sequence": update.previous_sequence,
                            "snapshot": update.snapshot,
                            "trades": [{"trade_id": one.trade_id} for one in update.trades],
                        }
                    )
        finally:
            call.cancel()


def _plain(update: dict[str, Any]) -> dict[str, Any]:
    return {
        "sequence": int(update["sequence"]), "heartbeat": bool(update.get("heartbeat")),
        "previous_sequence": int(update.get("previous_sequence", 0)),
        "snapshot": bool(update.get("snapshot")), "trades": update.get("trades", []),
    }  # fmt: skip


@pytest.mark.parametrize("by", ["rest", "grpc"])
async def test_scenario_a21(both: Both, by: str) -> None:
    """TRD-202: scenario A21: a reader is away for a while."""
    metadata, follower = await trader(both), Follower(both, by)
    following = asyncio.create_task(follower.follow(3))
    while not follower.updates:
        await asyncio.sleep(0.01)
    assert follower.updates[0]["snapshot"]
    await trade(both, metadata, 3)
    await following
    # Away: what happens meanwhile is many updates, as in five seconds of a busy market.
    for _ in range(50):
        await trade(both, metadata, 5)
    last = follower.updates[-1]["sequence"]
    await follower.follow(253, last + 1)
    assert len(follower.trades) == 253
    assert follower.trades == sorted(set(follower.trades)), "None is missing or comes twice."
    for before, after in itertools.pairwise(follower.updates):
        assert after["previous_sequence"] == before["sequence"]


async def test_scenario_a21_of_own_orders(both: Both) -> None:
    """TRD-209: scenario A21: too old is a gap, and where to go on is told."""
    metadata = await trader(both)
    first = trading_pb2.WatchOrdersRequest(from_sequence=1)

    async def begun(call: Any) -> Any:
        async for reply in call:
            call.cancel()
            return reply
        return None

    # Two reports an order.
    batches = [orders(BATCH) for _ in range(REPORTS_KEPT // (2 * BATCH) + 2)]
    await send(both, metadata, *batches)
    async with asyncio.timeout(60):
        while True:
            try:
                await begun(both.api.trading.WatchOrders(first, metadata=metadata))
            except grpc.aio.AioRpcError:
                break
    refusal = await refused(begun(both.api.trading.WatchOrders(first, metadata=metadata)))
    assert refusal.reason == "SEQ_GAP"
    oldest = int(refusal.metadata["oldest_sequence"])
    assert oldest > 1
    assert "snapshot" in refusal.message
    path = "/v1/trading/orders/stream?from_sequence=1"
    reply = await both.call("GET", path, authorization=metadata[0][1])
    async with asyncio.timeout(60):
        while reply.status_code == 503:  # Envoy looks at the server's readiness now and then.
            reply = await both.call("GET", path, authorization=metadata[0][1])
    assert reply.status_code == 400, reply.text
    assert "SEQ_GAP" in reply.text
    again = trading_pb2.WatchOrdersRequest(from_sequence=oldest)
    resumed = await begun(both.api.trading.WatchOrders(again, metadata=metadata))
    assert resumed.updates[0].sequence >= oldest
