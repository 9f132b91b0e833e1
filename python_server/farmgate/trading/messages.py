"""Rows of history as messages."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Row

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.ports.matching import InstrumentMarket, Matching
from farmgate.trading import rules


class Instruments:
    """Instruments by number, read from the core when an unknown one comes up.

    Args:
        matching: The core.
    """

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._by_number: dict[int, InstrumentMarket] = {}

    def get(self, number: int) -> InstrumentMarket:
        """Returns an instrument; its rules, not its market, are good for use."""
        if number not in self._by_number:
            self._by_number = {found["number"]: found for found in self._matching.instruments()}
        return self._by_number[number]

    def number_of(self, symbol: str) -> int | None:
        """Returns the number of a symbol; None for an unknown one."""
        found = self._matching.instruments([symbol])
        return found[0]["number"] if found else None


def timestamp(time_ns: int) -> Timestamp | None:
    """Returns a time; None for 0."""
    if time_ns == 0:
        return None
    return Timestamp(seconds=time_ns // 10**9, nanos=time_ns % 10**9)


def order_message(
    row: Row[Any], instrument: InstrumentMarket, account_id: str
) -> trading_pb2.Order:
    """Returns an order of history."""
    tick = instrument["tick_size_micro"]
    return trading_pb2.Order(
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        account_id=account_id,
        symbol=instrument["symbol"],
        side=row.side,
        type=row.order_type,
        time_in_force=row.time_in_force,
        price=rules.price(row.price_ticks, tick),
        quantity_lots=row.quantity_lots,
        filled_lots=row.filled_lots,
        remaining_lots=row.remaining_lots,
        average_price=rules.average_price(row.filled_notional_ticks, row.filled_lots, tick),
        status=row.status,
        reject_reason=row.reject_reason,
        cancel_reason=row.cancel_reason,
        stop_price=rules.price(row.stop_price_ticks, tick) if row.stop_price_ticks else "",
        display_lots=row.display_lots,
        min_lots=row.min_lots,
        reduce_only=bool(row.reduce_only),
        post_only=bool(row.post_only),
        self_trade_prevention=row.self_trade_prevention,
        expire_time=timestamp(row.expire_time_ns),
        sequence=row.sequence,
        create_time=timestamp(row.create_time_ns),
        update_time=timestamp(row.update_time_ns),
        version=row.version,
        fees=rules.cash(row.fees_minor),
    )


def trade_message(
    row: Row[Any],
    instrument: InstrumentMarket,
    account: int,
    account_id: str,
    change: Row[Any] | None = None,
) -> trading_pb2.Trade:
    """Returns a trade as one of its accounts sees it."""
    is_maker = row.maker_account == account
    aggressor = types_pb2.Side.ValueType(row.aggressor)
    other = types_pb2.SIDE_SELL if aggressor == types_pb2.SIDE_BUY else types_pb2.SIDE_BUY
    notional_minor = row.price_ticks * row.quantity_lots * instrument["tick_value_minor"]
    correction = None
    if change is not None:
        correction = trading_pb2.TradeCorrection(
            old_price=rules.price(change.old_price_ticks, instrument["tick_size_micro"]),
            old_quantity_lots=change.old_quantity_lots,
            correct_time=timestamp(change.change_time_ns),
            sequence=change.sequence,
        )
    return trading_pb2.Trade(
        trade_id=row.trade_id,
        symbol=instrument["symbol"],
        side=other if is_maker else aggressor,
        price=rules.price(row.price_ticks, instrument["tick_size_micro"]),
        quantity_lots=row.quantity_lots,
        notional=rules.cash(notional_minor),
        fee=rules.cash(row.maker_fee_minor if is_maker else row.taker_fee_minor),
        is_maker=is_maker,
        order_id=row.maker_order if is_maker else row.taker_order,
        sequence=row.sequence,
        trade_time=timestamp(row.trade_time_ns),
        account_id=account_id,
        kind=row.kind,
        status=row.status,
        correction=correction,
    )
