"""Taking trades back and correcting them, for the operators."""

from typing import Any, Final

from sqlalchemy import Row

from farmgate.api.types.v1 import types_pb2
from farmgate.errors import DomainError
from farmgate.ports.matching import ExecutedTrade, Matching, TradeSide
from farmgate.trading import store
from farmgate.trading.history import History

# What a database's integers hold.
TRADE_ID_MAX: Final = 2**63 - 1


class TradeChanges:
    """What history tells of a trade goes with the command: the core keeps no trades.

    Args:
        matching: The core.
        history: What the projector wrote.
    """

    def __init__(self, matching: Matching, history: History) -> None:
        self._matching = matching
        self._history = history

    async def find(self, trade_id: int) -> Row[Any]:
        """Returns a trade of history.

        Raises:
            DomainError: TRADE_UNKNOWN.
        """
        if trade_id > TRADE_ID_MAX:
            raise DomainError("TRADE_UNKNOWN", trade_id=trade_id)
        await self._matching.caught_up()
        row, _ = await self._history.read(
            lambda tx: store.trade(tx, trade_id), expected=self._matching.applied_sequence()
        )
        if row is None:
            raise DomainError("TRADE_UNKNOWN", trade_id=trade_id)
        return row

    def symbol(self, trade: Row[Any]) -> str:
        """Returns the symbol of a trade's instrument."""
        listed = self._matching.instruments()
        return next(one["symbol"] for one in listed if one["number"] == trade.instrument)

    def tick_micro(self, trade: Row[Any]) -> int:
        """Returns the tick of a trade's instrument, in millionths."""
        listed = self._matching.instruments()
        return next(one["tick_size_micro"] for one in listed if one["number"] == trade.instrument)

    async def change(self, trade: Row[Any], *, price_ticks: int, quantity_lots: int) -> int:
        """Corrects a trade, or takes it back when no lots are left; returns the sequence.

        Raises:
            DomainError: As `Matching.change_trade`.
        """
        executed = ExecutedTrade(
            trade.trade_id, trade.instrument, trade.kind, trade.trade_time_ns, trade.price_ticks,
            trade.quantity_lots,
        )  # fmt: skip
        maker = TradeSide(trade.maker_account, trade.maker_fee_minor, trade.maker_deposit_minor)
        taker = TradeSide(trade.taker_account, trade.taker_fee_minor, trade.taker_deposit_minor)
        buys = trade.aggressor == types_pb2.SIDE_BUY
        buyer, seller = (taker, maker) if buys else (maker, taker)
        return await self._matching.change_trade(
            executed, buyer, seller, price_ticks=price_ticks, quantity_lots=quantity_lots
        )
