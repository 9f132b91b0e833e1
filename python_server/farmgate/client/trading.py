"""Calls of whoever is signed in: orders, fills, balances, the ledger."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2, users_pb2_grpc
from farmgate.client.market import MarketCalls
from farmgate.client.values import Balance, LedgerEntry, MyTrade, Order, Rows

_PAGE: Final = 500
_OPEN: Final = ("new", "partially_filled", "trigger_wait")


class TradingCalls(MarketCalls):
    """What an account does."""

    @property
    def _trading(self) -> trading_pb2_grpc.TradingServiceStub:
        return trading_pb2_grpc.TradingServiceStub(self.channel)

    async def create_order(
        self, symbol: str, type: str, side: str, amount: int,  # noqa: A002 - As ccxt names it.
        price: Decimal | str | None = None, *, stop_price: Decimal | str | None = None,
        time_in_force: str = "", client_order_id: str = "", post_only: bool = False,
        reduce_only: bool = False, display: int = 0, minimum: int = 0,
        expires_at: datetime | None = None,
    ) -> Order:  # fmt: skip
        """Enters an order; returns it as it is after matching.

        Args:
            symbol: The instrument.
            type: "limit", "market", "market_to_limit", "stop" or "stop_limit".
            side: "buy" or "sell".
            amount: Lots.
            price: Limit, a unit.
            stop_price: Price that triggers it.
            time_in_force: "gtc", "day", "gtd", "ioc", "fok" or "gfa"; empty for what is usual.
            client_order_id: A name of one's own: a repeat gets the first answer. One is made when
                it is empty, and kept while the call is sent again.
            post_only: Whether it must not take.
            reduce_only: Whether it may only reduce a position.
            display: Lots that others see; 0 for all.
            minimum: Lots that are filled at once or not at all; 0 for none.
            expires_at: When it ends, for "gtd".

        Raises:
            ValueError: A name is none of those above.
            FarmgateError: `InsufficientFunds`, `PriceTick` and others.
        """
        request = trading_pb2.CreateOrderRequest(
            client_order_id=client_order_id or uuid.uuid4().hex,
            symbol=symbol,
            side=_constant(types_pb2.Side, "SIDE", side, "side"),
            type=_constant(trading_pb2.OrderType, "ORDER_TYPE", type, "type"),
            price=str(price) if price is not None else "",
            stop_price=str(stop_price) if stop_price is not None else "",
            quantity_lots=amount,
            post_only=post_only,
            reduce_only=reduce_only,
            display_lots=display,
            min_lots=minimum,
        )
        if time_in_force:
            request.time_in_force = _constant(
                trading_pb2.TimeInForce, "TIME_IN_FORCE", time_in_force, "time_in_force"
            )
        if expires_at is not None:
            request.expire_time.FromDatetime(expires_at)
        return Order.of((await self.call(self._trading.CreateOrder, request)).order)

    async def cancel_order(self, order_id: int) -> Order:
        """Cancels an order.

        Raises:
            FarmgateError: `NotFound` when it is not open, or another's.
        """
        request = trading_pb2.CancelOrderRequest(order_id=order_id)
        return Order.of((await self.call(self._trading.CancelOrder, request)).order)

    async def cancel_all_orders(self, symbol: str = "") -> int:
        """Cancels all open orders, of an instrument when it is named; returns how many."""
        request = trading_pb2.MassCancelRequest(symbol=symbol)
        count: int = (await self.call(self._trading.MassCancel, request)).cancelled_count
        return count

    async def edit_order(
        self, order_id: int, *, amount: int = 0, price: Decimal | str | None = None,
        version: int = 0,
    ) -> Order:  # fmt: skip
        """Changes an order; what gets no worse for others keeps its place.

        Args:
            order_id: The order.
            amount: Lots in all, with those filled; 0 leaves them.
            price: Limit; None leaves it.
            version: The order's version as it was read; 0 changes any.
        """
        request = trading_pb2.AmendOrderRequest(
            order_id=order_id, quantity_lots=amount, expected_version=version,
            price=str(price) if price is not None else "",
        )  # fmt: skip
        return Order.of((await self.call(self._trading.AmendOrder, request)).order)

    async def fetch_order(self, order_id: int) -> Order:
        """Returns an order of one's own."""
        request = trading_pb2.GetOrderRequest(order_id=order_id)
        return Order.of((await self.call(self._trading.GetOrder, request)).order)

    async def fetch_orders(
        self, symbol: str = "", *, statuses: Sequence[str] = (), limit: int = 100
    ) -> Rows[Order]:
        """Returns orders of one's own, newest first."""
        request = trading_pb2.ListOrdersRequest(
            symbol=symbol,
            statuses=[
                _constant(trading_pb2.OrderStatus, "ORDER_STATUS", one, "statuses")
                for one in statuses
            ],
        )
        found = await self._pages(self._trading.ListOrders, request, "orders", limit)
        return Rows(map(Order.of, found))

    async def fetch_open_orders(self, symbol: str = "", limit: int = 1_000) -> Rows[Order]:
        """Returns the orders of one's own that are open, newest first."""
        return await self.fetch_orders(symbol, statuses=_OPEN, limit=limit)

    async def fetch_my_trades(
        self, symbol: str = "", *, order_id: int = 0, limit: int = 100
    ) -> Rows[MyTrade]:
        """Returns fills of one's own, newest first."""
        request = trading_pb2.ListTradesRequest(symbol=symbol, order_id=order_id)
        found = await self._pages(self._trading.ListTrades, request, "trades", limit)
        return Rows(map(MyTrade.of, found))

    async def fetch_balance(self) -> dict[str, Balance]:
        """Returns the balances by asset."""
        stub = users_pb2_grpc.WalletServiceStub(self.channel)
        reply = await self.call(stub.GetBalances, users_pb2.GetBalancesRequest())
        return {one.asset: Balance.of(one) for one in reply.balances}

    async def fetch_ledger(self, limit: int = 100) -> Rows[LedgerEntry]:
        """Returns the movements of the balances, newest first."""
        stub = users_pb2_grpc.WalletServiceStub(self.channel)
        found = await self._pages(stub.ListLedger, users_pb2.ListLedgerRequest(), "entries", limit)
        return Rows(map(LedgerEntry.of, found))

    async def fetch_trading_limits(self) -> trading_pb2.GetRiskLimitsResponse:
        """Returns what one may have at risk."""
        request = trading_pb2.GetRiskLimitsRequest()
        reply: trading_pb2.GetRiskLimitsResponse = await self.call(
            self._trading.GetRiskLimits, request
        )
        return reply

    async def fetch_trading_fees(self) -> Rows[trading_pb2.FeeTier]:
        """Returns the tiers of fees."""
        request = trading_pb2.GetFeeScheduleRequest()
        return Rows((await self.call(self._trading.GetFeeSchedule, request)).tiers)

    async def fetch_positions(self) -> Rows[trading_pb2.Position]:
        """Returns the positions."""
        request = trading_pb2.GetPositionsRequest()
        return Rows((await self.call(self._trading.GetPositions, request)).positions)

    async def _pages(self, method: Any, request: Any, name: str, limit: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < limit:
            request.page_size = min(_PAGE, limit - len(found))
            reply = await self.call(method, request)
            found += getattr(reply, name)
            request.page_token = reply.next_page_token
            if not request.page_token:
                break
        return found


def _constant(kind: Any, prefix: str, name: str, field: str) -> Any:
    """Returns a constant by its name in small letters.

    Raises:
        ValueError: There is none.
    """
    known = [key.removeprefix(f"{prefix}_").lower() for key in kind.keys() if kind.Value(key)]  # noqa: SIM118 - It is no dict.
    if name.lower() not in known:
        raise ValueError(f"{field} must be one of {', '.join(known)}")
    return kind.Value(f"{prefix}_{name.upper()}")
