"""The extension against a book written down in a page: any orders, changes and limits."""

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.errors import DomainError
from farmgate.ports.matching import Matching
from service.trading.market import RULES

BUY, SELL = 1, 2
LOW, HIGH = 1_795, 1_805
OPEN = {trading_pb2.ORDER_STATUS_NEW, trading_pb2.ORDER_STATUS_PARTIALLY_FILLED}
prices = st.integers(LOW, HIGH)
lots = st.integers(1, 9)
traders = st.integers(0, 2)


@dataclass
class Order:
    """An order that rests."""

    id: int
    age: int
    trader: int
    side: int
    price: int
    left: int
    total: int


class Page:
    """The book: orders in the order in which they took their places."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.low, self.high = LOW, HIGH

    def shows(self, order: Order) -> bool:
        return order.price <= self.high if order.side == BUY else order.price >= self.low

    def opposite(self, order: Order) -> list[Order]:
        """Returns what an order would trade with, the first first."""
        sign = 1 if order.side == BUY else -1
        found = [
            one for one in self.orders
            if one.side != order.side and self.shows(one) and sign * one.price <= sign * order.price
        ]  # fmt: skip
        return sorted(found, key=lambda one: sign * one.price)

    def enter(self, order: Order, *, stays: bool) -> int:
        """Trades and lets what is left rest; returns the lots filled."""
        filled = 0
        for one in self.opposite(order):
            if not order.left or one.trader == order.trader:
                # The newer of one owner's orders ends.
                order.left = 0 if one.trader == order.trader else order.left
                break
            traded = min(order.left, one.left)
            filled, order.left, one.left = filled + traded, order.left - traded, one.left - traded
        self.orders = [one for one in self.orders if one.left]
        if order.left and stays:
            self.orders.append(order)
        return filled

    def move_limits(self, low: int, high: int) -> None:
        hidden = [one for one in self.orders if not self.shows(one)]
        self.low, self.high = low, high
        for one in sorted(hidden, key=lambda one: one.age):
            if one in self.orders and self.shows(one) and self.opposite(one):
                self.orders.remove(one)
                self.enter(one, stays=True)

    def levels(self, side: int) -> list[tuple[int, int, int]]:
        found: dict[int, list[int]] = {}
        for one in self.orders:
            if one.side == side and self.shows(one):
                found.setdefault(one.price, []).append(one.left)
        order = sorted(found, reverse=side == BUY)
        return [(price, sum(found[price]), len(found[price])) for price in order]


class Core:
    """One core for all examples, each of which lists an instrument of its own."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.matching = Matching.open(folder)
        self.numbers = itertools.count(1)
        self.run(self.matching.start())
        for code in ("USD", "CORN"):
            self.run(self.matching.register_asset(code))

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def close(self) -> None:
        self.run(self.matching.stop())
        self.runner.close()

    def trader(self) -> int:
        number = next(self.numbers)
        identity = number.to_bytes(16, "big")
        account = self.run(
            self.matching.open_account(identity, owner=number, max_open_orders=1_000)
        )
        for asset in (1, 2):
            self.run(self.matching.transfer(account, asset, 10**12, b""))
        return account


CORES: list[Core] = []


def price_of(ticks: int) -> str:
    return f"{ticks * 25 / 10_000:.4f}"


class Trading(RuleBasedStateMachine):
    """Does the same on the page and in the core."""

    def __init__(self) -> None:
        super().__init__()
        self.core = CORES[0]
        self.page, self.ages = Page(), itertools.count()
        self.symbol = f"CORN-{next(self.core.numbers)}"
        rules: Any = RULES | {"symbol": self.symbol, "limit_low": LOW, "limit_high": HIGH}
        self.number = self.core.run(self.core.matching.define_instrument(rules))
        self.traders = [self.core.trader() for _ in range(3)]

    def is_refused(self, submitted: Any) -> None:
        with pytest.raises(DomainError) as refusal:
            self.core.run(submitted)
        assert refusal.value.reason == "PRICE_LIMIT"

    @rule(trader=traders, side=st.sampled_from([BUY, SELL]), price=prices, count=lots,
          stays=st.booleans())  # fmt: skip
    def enter(self, trader: int, side: int, price: int, count: int, *, stays: bool) -> None:
        request = trading_pb2.CreateOrderRequest(
            symbol=self.symbol, side=types_pb2.Side.ValueType(side),
            type=trading_pb2.ORDER_TYPE_LIMIT, price=price_of(price), quantity_lots=count,
            time_in_force=trading_pb2.TIME_IN_FORCE_GTC if stays else trading_pb2.TIME_IN_FORCE_IOC,
        )  # fmt: skip
        submitted = self.core.matching.create_order(
            self.traders[trader], b"", request.SerializeToString()
        )
        if not self.page.low <= price <= self.page.high:
            self.is_refused(submitted)
            return
        reply = trading_pb2.CreateOrderResponse.FromString(self.core.run(submitted)).order
        order = Order(reply.order_id, next(self.ages), trader, side, price, count, count)
        assert reply.filled_lots == self.page.enter(order, stays=stays)
        assert (reply.status in OPEN) == (order in self.page.orders)

    @precondition(lambda self: self.page.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.page.orders))
        request = trading_pb2.CancelOrderRequest(order_id=order.id)
        account = self.traders[order.trader]
        self.core.run(self.core.matching.cancel_order(account, b"", request.SerializeToString()))
        self.page.orders.remove(order)

    @precondition(lambda self: self.page.orders)
    @rule(data=st.data(), price=st.none() | prices, total=lots)
    def amend(self, data: st.DataObject, price: int | None, total: int) -> None:
        order = data.draw(st.sampled_from(self.page.orders))
        request = trading_pb2.AmendOrderRequest(order_id=order.id, quantity_lots=total)
        if price is not None:
            request.price = price_of(price)
        account = self.traders[order.trader]
        submitted = self.core.matching.amend_order(account, b"", request.SerializeToString())
        wanted = order.price if price is None else price
        filled = order.total - order.left
        keeps = wanted == order.price and total <= order.total
        if total > filled and not keeps and not self.page.low <= wanted <= self.page.high:
            self.is_refused(submitted)
            return
        self.core.run(submitted)
        order.total, order.left = total, max(0, total - filled)
        if not order.left:
            self.page.orders.remove(order)
        elif not keeps:
            self.page.orders.remove(order)
            order.price = wanted
            self.page.enter(order, stays=True)

    @rule(first=prices, second=prices)
    def move_limits(self, first: int, second: int) -> None:
        low, high = min(first, second), max(first, second)
        self.core.run(self.core.matching.set_price_limits(self.number, low, high))
        self.page.move_limits(low, high)

    @invariant()
    def the_book_is_the_page(self) -> None:
        self.core.run(self.core.matching.caught_up())
        found = self.core.matching.order_book(self.symbol, 50)
        book = trading_pb2.GetOrderBookResponse.FromString(found or b"")
        for side, levels in ((BUY, book.bids), (SELL, book.asks)):
            shown = [(one.price, one.quantity_lots, one.order_count) for one in levels]
            written = [(price_of(price), *rest) for price, *rest in self.page.levels(side)]
            assert shown == written
        orders, _ = self.core.matching.usage(self.number)
        assert orders == len(self.page.orders)

    def teardown(self) -> None:
        assets, _ = self.core.matching.audit()
        assert all(one.is_right for one in assets)


@pytest.fixture
def core() -> Iterator[Core]:
    with tempfile.TemporaryDirectory() as folder:
        CORES.append(Core(Path(folder)))
        yield CORES[0]
        CORES.pop().close()


def test_any_trading_leaves_the_book_as_written_down(core: Core) -> None:
    """TRD-001 to TRD-009, TRD-080 to TRD-082."""
    Trading.TestCase.settings = settings(
        max_examples=60, stateful_step_count=40, deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    Trading.TestCase("runTest").runTest()
