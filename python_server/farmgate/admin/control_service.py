"""The gRPC face of market controls."""

from farmgate.admin.controls import Controlled, Controls, Order, scope_symbol
from farmgate.admin.messages import approval_message
from farmgate.admin.trade_controls import TradeControls, TradeDone, TradeOrder
from farmgate.api.admin.v1 import controls_pb2
from farmgate.errors import invalid
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer


class MarketControlServicer(Servicer):
    """Serves `MarketControlService`."""

    SERVICE = controls_pb2.DESCRIPTOR.services_by_name["MarketControlService"]

    def __init__(self, controls: Controls, trades: TradeControls) -> None:
        self._controls = controls
        self._trades = trades

    async def Halt(
        self, request: controls_pb2.HaltRequest, call: Call
    ) -> controls_pb2.HaltResponse:
        symbol = scope_symbol(request.scope, request.symbol, controls_pb2.HALT_SCOPE_MARKET)

        def render(done: Controlled) -> controls_pb2.HaltResponse:
            return controls_pb2.HaltResponse(
                symbols=done.symbols, cancelled_count=done.cancelled, sequence=done.sequence
            )

        order = Order(call.caller.user_id, request.reason, symbol)
        return await self._controls.halt(
            order, call.effect(render), cancels=request.is_orders_cancelled
        )

    async def Resume(
        self, request: controls_pb2.ResumeRequest, call: Call
    ) -> controls_pb2.ResumeResponse:
        symbol = scope_symbol(request.scope, request.symbol, controls_pb2.HALT_SCOPE_MARKET)

        def render(done: Controlled) -> controls_pb2.ResumeResponse:
            return controls_pb2.ResumeResponse(symbols=done.symbols, sequence=done.sequence)

        order = Order(call.caller.user_id, request.reason, symbol)
        return await self._controls.resume(
            order, call.effect(render), skips=request.is_auction_skipped
        )

    async def KillUser(
        self, request: controls_pb2.KillUserRequest, call: Call
    ) -> controls_pb2.KillUserResponse:
        if request.organization_id or not request.user_id:
            raise invalid("user_id", "must name the user")

        def render(done: Controlled) -> controls_pb2.KillUserResponse:
            return controls_pb2.KillUserResponse(
                is_thrown=done.is_thrown,
                cancelled_count=done.cancelled,
                approval=approval_message(done.request),
                sequence=done.sequence,
            )

        order = Order(call.caller.user_id, request.reason, user_id=request.user_id)
        act = self._controls.release if request.is_released else self._controls.kill
        return await act(order, call.effect(render))

    async def MassCancel(
        self, request: controls_pb2.MassCancelRequest, call: Call
    ) -> controls_pb2.MassCancelResponse:
        def render(done: Controlled) -> controls_pb2.MassCancelResponse:
            return controls_pb2.MassCancelResponse(
                cancelled_count=done.cancelled, sequence=done.sequence
            )

        order = Order(
            call.caller.user_id, request.reason, request.symbol, request.user_id,
            request.account_id, request.side,
        )  # fmt: skip
        return await self._controls.cancel(order, call.effect(render))

    async def BustTrade(
        self, request: controls_pb2.BustTradeRequest, call: Call
    ) -> controls_pb2.BustTradeResponse:
        def render(done: TradeDone) -> controls_pb2.BustTradeResponse:
            return controls_pb2.BustTradeResponse(
                approval=approval_message(done.request), sequence=done.sequence
            )

        order = TradeOrder(call.caller.user_id, request.trade_id, request.reason, is_bust=True)
        return await self._trades.change(order, call.effect(render))

    async def CorrectTrade(
        self, request: controls_pb2.CorrectTradeRequest, call: Call
    ) -> controls_pb2.CorrectTradeResponse:
        def render(done: TradeDone) -> controls_pb2.CorrectTradeResponse:
            return controls_pb2.CorrectTradeResponse(
                approval=approval_message(done.request), sequence=done.sequence
            )

        order = TradeOrder(
            call.caller.user_id, request.trade_id, request.reason, request.price,
            request.quantity_lots,
        )  # fmt: skip
        return await self._trades.change(order, call.effect(render))
