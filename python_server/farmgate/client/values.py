"""What the client's methods return."""

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2

T = TypeVar("T")


class Rows(list[T]):
    """A list that pandas can have."""

    def to_df(self) -> Any:
        """Returns a pandas DataFrame, a row each.

        Raises:
            ImportError: pandas is not installed.
        """
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame([asdict(one) if is_dataclass(one) else one for one in self])  # type: ignore[arg-type] # A row is no class.


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument: prices are a unit, amounts are lots of `lot_size` units."""

    symbol: str
    id: int
    kind: str
    commodity: str
    grade: str
    location: str
    base: str
    quote: str
    unit: str
    lot_size: Decimal
    tick_size: Decimal
    min_lots: int
    max_lots: int
    price_low: Decimal | None
    price_high: Decimal | None
    phase: str
    maker_bps: Decimal
    taker_bps: Decimal

    @classmethod
    def of(cls, one: market_pb2.Instrument) -> "Market":
        """Returns the market of a message."""
        return cls(
            one.symbol, one.instrument_id,
            name_of(market_pb2.InstrumentKind.Name, one.kind, "INSTRUMENT_KIND_"),
            one.commodity_code, one.grade_code, one.location_code, one.base_asset,
            one.quote_currency, one.unit, Decimal(one.lot_size), Decimal(one.tick_size),
            one.min_lots, one.max_lots, decimal_of(one.price_low), decimal_of(one.price_high),
            name_of(market_pb2.InstrumentPhase.Name, one.phase, "INSTRUMENT_PHASE_"),
            Decimal(one.maker_bps or 0), Decimal(one.taker_bps or 0),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ticker:
    """Last and best prices, and the day so far."""

    symbol: str
    last: Decimal | None
    bid: Decimal | None
    bid_lots: int
    ask: Decimal | None
    ask_lots: int
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: int
    change_pct: Decimal | None
    sequence: int

    @classmethod
    def of(cls, price: market_pb2.Price, summary: market_pb2.MarketSummary) -> "Ticker":
        """Returns the ticker of two messages."""
        return cls(
            price.symbol, decimal_of(price.last_price), decimal_of(price.best_bid),
            price.best_bid_lots, decimal_of(price.best_ask), price.best_ask_lots,
            decimal_of(summary.open), decimal_of(summary.high), decimal_of(summary.low),
            summary.volume_lots, decimal_of(summary.change_pct), price.sequence,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """A price and what rests there."""

    price: Decimal
    lots: int
    orders: int

    @classmethod
    def of(cls, one: trading_pb2.BookLevel) -> "Level":
        """Returns the level of a message."""
        return cls(Decimal(one.price), one.quantity_lots, one.order_count)


@dataclass(frozen=True, slots=True)
class OrderBook:
    """A book, best first."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence: int


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade as everybody sees it; `side` is that of who took."""

    id: int
    symbol: str
    price: Decimal
    lots: int
    side: str
    time: datetime

    @classmethod
    def of(cls, symbol: str, one: market_pb2.PublicTrade) -> "PublicTrade":
        """Returns the trade of a message."""
        return cls(
            one.trade_id, symbol, Decimal(one.price), one.quantity_lots, side_of(one.aggressor),
            time_of(one.trade_time),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices of an interval."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    trades: int
    is_complete: bool

    @classmethod
    def of(cls, one: market_pb2.PricePoint) -> "Candle":
        """Returns the candle of a message."""
        return cls(
            time_of(one.open_time), Decimal(one.open), Decimal(one.high), Decimal(one.low),
            Decimal(one.close), one.volume_lots, one.trade_count, one.complete,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a reference series."""

    date: date
    value: Decimal

    @classmethod
    def of(cls, one: market_pb2.ReferencePoint) -> "Point":
        """Returns the value of a message."""
        return cls(date.fromisoformat(one.date), Decimal(one.value))


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has of an asset."""

    asset: str
    total: Decimal
    free: Decimal
    used: Decimal

    @classmethod
    def of(cls, one: users_pb2.AssetBalance) -> "Balance":
        """Returns the balance of a message."""
        return cls(one.asset, Decimal(one.total), Decimal(one.available), Decimal(one.held))


@dataclass(frozen=True, slots=True)
class Order:
    """An order of one's own."""

    id: int
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    price: Decimal | None
    stop_price: Decimal | None
    amount: int
    filled: int
    remaining: int
    average: Decimal | None
    status: str
    cancel_reason: str
    fee: Decimal
    version: int
    sequence: int
    time: datetime

    @classmethod
    def of(cls, one: trading_pb2.Order) -> "Order":
        """Returns the order of a message."""
        return cls(
            one.order_id, one.client_order_id, one.symbol, side_of(one.side),
            name_of(trading_pb2.OrderType.Name, one.type, "ORDER_TYPE_"),
            name_of(trading_pb2.TimeInForce.Name, one.time_in_force, "TIME_IN_FORCE_"),
            decimal_of(one.price), decimal_of(one.stop_price), one.quantity_lots,
            one.filled_lots, one.remaining_lots, decimal_of(one.average_price),
            name_of(trading_pb2.OrderStatus.Name, one.status, "ORDER_STATUS_"),
            name_of(trading_pb2.CancelReason.Name, one.cancel_reason, "CANCEL_REASON_"),
            Decimal(one.fees or 0), one.version, one.sequence, time_of(one.create_time),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MyTrade:
    """A fill of one's own."""

    id: int
    order_id: int
    symbol: str
    side: str
    price: Decimal
    lots: int
    cost: Decimal
    fee: Decimal
    is_maker: bool
    status: str
    time: datetime

    @classmethod
    def of(cls, one: trading_pb2.Trade) -> "MyTrade":
        """Returns the fill of a message."""
        return cls(
            one.trade_id, one.order_id, one.symbol, side_of(one.side), Decimal(one.price),
            one.quantity_lots, Decimal(one.notional or 0), Decimal(one.fee or 0), one.is_maker,
            name_of(trading_pb2.TradeStatus.Name, one.status, "TRADE_STATUS_"),
            time_of(one.trade_time),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A movement of a balance."""

    id: str
    asset: str
    kind: str
    change: Decimal
    held_change: Decimal
    total: Decimal
    held: Decimal
    reference: str
    sequence: int
    time: datetime

    @classmethod
    def of(cls, one: users_pb2.LedgerEntry) -> "LedgerEntry":
        """Returns the entry of a message."""
        return cls(
            one.entry_id, one.asset,
            name_of(users_pb2.LedgerEntryKind.Name, one.kind, "LEDGER_ENTRY_KIND_"),
            Decimal(one.total_change or 0), Decimal(one.held_change or 0),
            Decimal(one.total or 0), Decimal(one.held or 0), one.reference, one.sequence,
            time_of(one.post_time),
        )  # fmt: skip


def name_of(name: Callable[[Any], str], value: int, prefix: str) -> str:
    """Returns a constant's name in small letters, empty for the unstated one."""
    found = name(value).removeprefix(prefix).lower()
    return "" if found == "unspecified" else found


def side_of(side: int) -> str:
    """Returns "buy" or "sell"."""
    return name_of(types_pb2.Side.Name, side, "SIDE_")


def decimal_of(text: str) -> Decimal | None:
    """Returns a decimal, None for an empty text."""
    return Decimal(text) if text else None


def time_of(stamp: Any) -> datetime:
    """Returns a timestamp's time."""
    found: datetime = stamp.ToDatetime(tzinfo=UTC)
    return found
