"""The processes of docker-compose.yml on loopback: a trade, rights, restarts, a lost leader."""

import concurrent.futures
import json
import os
import signal
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import grpc
import httpx
import psycopg
import pytest

from e2e.exchange import grpc_token
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from production.stack import Server, Stack, wait_until

# Each restarts both servers; `make test-production` runs the long form.
RESTARTS = int(os.environ.get("TEST_RESTARTS", "1"))
SYMBOL = "SOYBEAN-US2Y-CHI"
TAKEOVER_S = 5.0


def _order(side: str, lots: int, price: str) -> dict[str, object]:
    return {
        "client_order_id": uuid.uuid4().hex,
        "symbol": SYMBOL,
        "side": side,
        "type": "ORDER_TYPE_LIMIT",
        "price": price,
        "quantity_lots": lots,
    }


def _call(stack: Stack, method: str, path: str, token: str, body: object = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(method, stack.rest + path, json=body, headers=headers, timeout=15)


def test_a_trade_from_end_to_end(stack: Stack) -> None:
    """OPS-180: orders by the leader, history by the projector, both through Envoy."""
    seller, buyer = stack.token("farmer.jan"), stack.token("trader.meridian")
    sold = _call(
        stack, "POST", "/v1/trading/orders", seller, _order("SIDE_SELL", 3, "10.2875")
    ).json()
    bought = _call(
        stack, "POST", "/v1/trading/orders", buyer, _order("SIDE_BUY", 3, "10.2875")
    ).json()
    assert bought["order"]["status"] == "ORDER_STATUS_FILLED", bought
    path = f"/v1/trading/orders/{sold['order']['order_id']}"

    def is_in_history() -> bool:
        found = _call(stack, "GET", path, seller)
        return found.status_code == 200 and found.json()["order"]["status"].endswith("FILLED")

    wait_until(is_in_history, "History", 20)
    trades = _call(stack, "GET", "/v1/trading/trades", buyer).json()["trades"]
    assert any(one["symbol"] == SYMBOL for one in trades)
    # Streams are processes of their own, and follow the journal by a copy of their own.
    with httpx.stream(
        "GET",
        f"{stack.rest}/v1/market/stream?symbols={SYMBOL}",
        headers={"authorization": f"Bearer {buyer}"},
        timeout=20,
    ) as reply:
        assert reply.status_code == 200, reply.read()
        assert next(reply.iter_lines())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'nobody'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DROP TABLE audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "UPDATE journal_groups SET frame = ''",
        "DELETE FROM journal_groups",
        "TRUNCATE journal_groups",
        "DROP TABLE journal_groups",
        "DELETE FROM journal_leases",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE public.mine (id int)",
        "GRANT ALL ON audit_log TO farmgate_server",
    ],
)
def test_a_server_may_not_change_what_was_written(stack: Stack, statement: str) -> None:
    """OPS-181: with the rights of its role in the database."""
    url = stack.servers[0].environment["FARMGATE_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        if statement.startswith("GRANT"):
            # PostgreSQL warns where nothing is granted.
            connection.execute(statement)
            statement = "DELETE FROM audit_log"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM audit_log").fetchone()


def test_a_server_that_follows_names_the_leader(stack: Stack) -> None:
    """OPS-174."""
    leader = stack.leader()
    assert leader
    follower = next(one for one in stack.servers if one is not leader)
    with (
        grpc.insecure_channel(f"127.0.0.1:{leader.port}") as there,
        grpc.insecure_channel(f"127.0.0.1:{follower.port}") as here,
    ):
        metadata = grpc_token(there, "farmer.jan")
        request = trading_pb2.CreateOrderRequest(
            client_order_id=uuid.uuid4().hex, symbol=SYMBOL, side=1, type=2, price="10.1",
            quantity_lots=1,
        )  # fmt: skip
        stub = trading_pb2_grpc.TradingServiceStub(here)
        book = stub.GetOrderBook(trading_pb2.GetOrderBookRequest(symbol=SYMBOL), metadata=metadata)
        assert book.symbol == SYMBOL
        with pytest.raises(grpc.RpcError) as caught:
            stub.CreateOrder(request, metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert f"127.0.0.1:{leader.port}" in caught.value.details()


@dataclass
class Load:
    """Calls through Envoy from several callers, until told to stop."""

    stack: Stack
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        """Returns how many calls were answered."""
        return sum(self.outcomes.values())

    def rest(self, token: str) -> None:
        """Enters orders and reads the book by REST."""
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self.stack.rest, headers=headers, timeout=20) as client:
            while not self.over.is_set():
                # It finds nobody, so no limit of a day's turnover is reached.
                body = _order("SIDE_BUY", 1, "9.9000") | {"time_in_force": "TIME_IN_FORCE_IOC"}
                self._note("order", lambda body=body: client.post("/v1/trading/orders", json=body))
                path = f"/v1/trading/orderbook?symbol={SYMBOL}&depth=5"
                self._note("book", lambda path=path: client.get(path))

    def grpc(self, token: str) -> None:
        """Previews orders by gRPC."""
        metadata = (("authorization", f"Bearer {token}"),)
        with grpc.insecure_channel(self.stack.rest.removeprefix("http://")) as channel:
            stub = trading_pb2_grpc.TradingServiceStub(channel)
            request = trading_pb2.GetOrderBookRequest(symbol=SYMBOL)
            while not self.over.is_set():
                started = time.monotonic()
                try:
                    stub.GetOrderBook(request, metadata=metadata, timeout=20)
                    self.outcomes["grpc"] += 1
                except grpc.RpcError as error:
                    self.failures.append(f"gRPC {error.code()} {error.details()}")
                self.slowest_s = max(self.slowest_s, time.monotonic() - started)

    def _note(self, kind: str, call) -> None:
        started = time.monotonic()
        try:
            reply = call()
        except httpx.HTTPError as error:
            self.failures.append(f"{kind}: {error!r}")
            return
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        if reply.status_code == 200:
            self.outcomes[kind] += 1
        else:
            self.failures.append(f"{kind}: {reply.status_code} {reply.text[:300]}")


@pytest.mark.soak
def test_servers_restart_one_after_the_other_and_no_call_fails(stack: Stack) -> None:
    """OPS-182, OPS-175: under load by REST and gRPC, the leader among them."""
    load = Load(stack)
    seller, buyer = stack.token("farmer.jan"), stack.token("trader.meridian")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tasks = [
            pool.submit(load.rest, seller),
            pool.submit(load.rest, buyer),
            pool.submit(load.grpc, buyer),
        ]
        try:
            for _ in range(RESTARTS):
                for server in stack.servers:
                    wait_until(lambda: stack.leader() is not None, "A leader", 30)
                    assert stack.restart(server) == 0
                    wanted = load.count + 20
                    wait_until(lambda wanted=wanted: load.count > wanted, "Calls", 60)
        finally:
            load.over.set()
        for task in tasks:
            task.result(60)
    print(json.dumps({
        "restarts": 2 * RESTARTS, "calls": sum(load.outcomes.values()),
        "failed": len(load.failures), "slowest_s": round(load.slowest_s, 2), **load.outcomes,
    }))  # fmt: skip
    assert load.failures == []
    assert min(load.outcomes[kind] for kind in ("order", "book", "grpc")) > 0


@pytest.mark.soak
def test_another_server_takes_over_from_one_that_is_killed(stack: Stack) -> None:
    """OPS-172: as callers see it, through Envoy."""
    wait_until(lambda: stack.leader() is not None, "A leader", 30)
    leader = stack.leader()
    assert isinstance(leader, Server)
    other = next(one for one in stack.servers if one is not leader)
    token = stack.token("farmer.jan")
    leader.end(signal.SIGKILL)
    took_s = wait_until(lambda: other.status() == 1, "A takeover", 20)

    def is_taken() -> bool:
        body = _order("SIDE_SELL", 1, "10.2875")
        return _call(stack, "POST", "/v1/trading/orders", token, body).status_code == 200

    took_s += wait_until(is_taken, "An order through Envoy", 20)
    leader.start()
    wait_until(lambda: stack.answers(leader), "The killed server's return")
    assert stack.leader() is other, "It follows."
    print(json.dumps({"takeover_through_envoy_s": round(took_s, 2)}))
    assert took_s <= TAKEOVER_S
