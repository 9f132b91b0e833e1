"""What an account may do, what it has, and what an order of it would do."""

from farmgate.api.trading.v1 import trading_pb2
from farmgate.errors import invalid
from farmgate.ports.matching import ForwardPosition, Matching, Switch
from farmgate.rpc.call import Call
from farmgate.trading import rules
from farmgate.trading.accounts import own_account

_REASON_LENGTH_MIN = 5
_CENTI_BPS_DECIMALS = 2


class AccountMethods:
    """The methods of `TradingService` about the caller's account as a whole."""

    _matching: Matching

    async def PreviewOrder(
        self, request: trading_pb2.PreviewOrderRequest, call: Call
    ) -> trading_pb2.PreviewOrderResponse:
        await self._matching.caught_up()
        order = request.order.SerializeToString()
        reply = self._matching.preview_order(own_account(call), order)
        return trading_pb2.PreviewOrderResponse.FromString(reply)

    async def GetPositions(
        self, request: trading_pb2.GetPositionsRequest, call: Call
    ) -> trading_pb2.GetPositionsResponse:
        account = own_account(call)
        await self._matching.caught_up()
        positions = self._matching.positions(account)
        return trading_pb2.GetPositionsResponse(positions=map(position_message, positions))

    async def GetRiskLimits(
        self, request: trading_pb2.GetRiskLimitsRequest, call: Call
    ) -> trading_pb2.GetRiskLimitsResponse:
        account = own_account(call)
        await self._matching.caught_up()
        risk = self._matching.risk(account)
        limits = risk.limits
        return trading_pb2.GetRiskLimitsResponse(
            max_order_lots=limits.max_order_lots,
            max_order_notional=_money_limit(limits.max_order_notional_minor),
            max_open_orders=risk.max_open_orders,
            max_position_lots=limits.max_position_lots,
            max_daily_notional=_money_limit(limits.max_daily_notional_minor),
        )

    async def GetFeeSchedule(
        self, request: trading_pb2.GetFeeScheduleRequest, call: Call
    ) -> trading_pb2.GetFeeScheduleResponse:
        listed = sorted(self._matching.instruments(), key=lambda listed: listed["symbol"])
        tiers = [
            trading_pb2.FeeTier(
                symbol=instrument["symbol"],
                min_notional="0",
                maker_bps=_basis_points(instrument["maker_fee_centi_bps"]),
                taker_bps=_basis_points(instrument["taker_fee_centi_bps"]),
            )
            for instrument in listed
        ]
        return trading_pb2.GetFeeScheduleResponse(tiers=tiers)

    async def SetCancelOnDisconnect(
        self, request: trading_pb2.SetCancelOnDisconnectRequest, call: Call
    ) -> trading_pb2.SetCancelOnDisconnectResponse:
        account, switch = own_account(call), Switch.CANCEL_ON_DISCONNECT
        await self._matching.set_switch(account, switch, is_on=request.enabled)
        return trading_pb2.SetCancelOnDisconnectResponse(enabled=request.enabled)

    async def KillSwitch(
        self, request: trading_pb2.KillSwitchRequest, call: Call
    ) -> trading_pb2.KillSwitchResponse:
        account = own_account(call)
        if len(request.reason.strip()) < _REASON_LENGTH_MIN:
            raise invalid("reason", f"must have at least {_REASON_LENGTH_MIN} characters")
        await self._matching.set_switch(account, Switch.KILLED, is_on=request.engaged)
        count = 0
        if request.engaged:
            # What came in before the switch was thrown is open by now, nothing comes after.
            reason = trading_pb2.CANCEL_REASON_KILL_SWITCH
            count = await self._matching.cancel_all(account, reason)
        return trading_pb2.KillSwitchResponse(engaged=request.engaged, cancelled_count=count)


def _money_limit(minor: int) -> str:
    return rules.cash(minor) if minor else ""


def _basis_points(centi_bps: int) -> str:
    return rules.decimal(centi_bps, _CENTI_BPS_DECIMALS, _CENTI_BPS_DECIMALS)


def position_message(position: ForwardPosition) -> trading_pb2.Position:
    """Returns a position with its results; what is open is valued at the last price."""
    net, open_ticks = position["net_lots"], position["open_ticks"]
    last = position["last_ticks"]
    unrealised = 0
    if net and last is not None:
        unrealised = (net * last) - (open_ticks if net > 0 else -open_ticks)
    tick, value = position["tick_size_micro"], position["tick_value_minor"]
    return trading_pb2.Position(
        symbol=position["symbol"],
        net_lots=net,
        open_buy_lots=position["open_buy_lots"],
        open_sell_lots=position["open_sell_lots"],
        average_price=rules.average_price(open_ticks, abs(net), tick),
        realised=rules.cash(position["realised_ticks"] * value),
        unrealised=rules.cash(unrealised * value),
    )
