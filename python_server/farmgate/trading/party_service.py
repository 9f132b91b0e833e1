"""The methods of `TradingService` for the parties of a trade."""

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.trading.v1 import trading_pb2
from farmgate.rpc.call import Call
from farmgate.trading.accounts import own_account
from farmgate.trading.agreements import Agreements, Block, Reported


class PartyMethods:
    """Reviews of trades, and trades agreed outside the book."""

    _agreements: Agreements

    async def RequestTradeReview(
        self, request: trading_pb2.RequestTradeReviewRequest, call: Call
    ) -> trading_pb2.RequestTradeReviewResponse:
        def render(review_id: str) -> trading_pb2.RequestTradeReviewResponse:
            return trading_pb2.RequestTradeReviewResponse(review_id=review_id)

        user_id = call.caller.user_id
        return await self._agreements.review(
            own_account(call), user_id, request.trade_id, request.reason, call.effect(render)
        )

    async def ReportBlockTrade(
        self, request: trading_pb2.ReportBlockTradeRequest, call: Call
    ) -> trading_pb2.ReportBlockTradeResponse:
        def render(done: Reported) -> trading_pb2.ReportBlockTradeResponse:
            until = Timestamp()
            until.FromDatetime(done.expires_at)
            return trading_pb2.ReportBlockTradeResponse(
                report_id=done.report_id,
                trade_id=done.trade_id,
                sequence=done.sequence,
                expire_time=None if done.trade_id else until,
            )

        block = Block(
            request.symbol, request.price, request.quantity_lots, request.side,
            request.counterparty_account_id,
        )  # fmt: skip
        user_id = call.caller.user_id
        return await self._agreements.report(own_account(call), user_id, block, call.effect(render))
