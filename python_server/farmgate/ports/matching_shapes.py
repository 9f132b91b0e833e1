"""Shapes of the dictionaries that cross into and out of the matching core."""

from enum import IntEnum
from typing import Any, NamedTuple, NotRequired, TypedDict


class InstrumentRules(TypedDict):
    """The rules of an instrument; cash in 1e-4, commodities in 1e-3, prices in ticks."""

    symbol: str
    kind: int
    base_asset: int
    quote_asset: int
    tick_size_micro: int
    tick_value_minor: int
    lot_size_minor: int
    min_lots: int
    max_lots: int
    price_min: int
    price_max: int
    limit_low: int
    limit_high: int
    protection_ticks: int
    max_notional_minor: int
    maker_fee_centi_bps: int
    taker_fee_centi_bps: int
    deposit_bps: int
    phase: int
    # How far a trade may be from the one before; a further one starts a volatility auction.
    band_ticks: NotRequired[int]
    volatility_auction_ns: NotRequired[int]
    # 1 earliest first, 2 in proportion, 3 split; 0 is 1.
    allocation: NotRequired[int]
    fifo_percent: NotRequired[int]
    share_min_lots: NotRequired[int]
    # Greatest position of an account in a forward; 0 for none.
    position_limit_lots: NotRequired[int]


class InstrumentMarket(TypedDict):
    """An instrument with its market as it stands; prices are decimals."""

    number: int
    symbol: str
    kind: int
    phase: int
    base_asset: str
    quote_asset: str
    tick_size_micro: int
    tick_value_minor: int
    lot_size_minor: int
    min_lots: int
    max_lots: int
    limit_low: str
    limit_high: str
    maker_fee_centi_bps: int
    taker_fee_centi_bps: int
    sequence: int
    last: str | None
    last_ticks: int | None
    last_lots: int
    bid: tuple[str, int] | None
    ask: tuple[str, int] | None
    summary: bytes


class Switch(IntEnum):
    """What can be switched on for an account."""

    RESTRICTED = 1
    KILLED = 2
    CANCEL_ON_DISCONNECT = 3
    NO_FORWARDS = 4


class RiskLimits(NamedTuple):
    """What an account may do at most; 0 is no limit, money is in 1e-4 of its currency."""

    max_order_lots: int = 0
    max_order_notional_minor: int = 0
    max_daily_notional_minor: int = 0
    max_position_lots: int = 0


class Risk(NamedTuple):
    """The switches and limits of an account."""

    switches: frozenset[Switch]
    max_open_orders: int
    limits: RiskLimits


class Hold(NamedTuple):
    """What is set aside of a balance; amounts are in minor units of their asset.

    Attributes:
        order_id: The order it is for; 0 for the deposit of a position.
        symbol: The instrument.
        asset: What is set aside.
        held_minor: How much.
        currency: What the order is paid in.
        value_minor: What the order may still trade for; 0 for a position.
        time_ns: When the order was accepted; 0 for a position.
    """

    order_id: int
    symbol: str
    asset: str
    held_minor: int
    currency: str
    value_minor: int
    time_ns: int


class AssetAudit(NamedTuple):
    """What the ledger says of one asset, and what it ought to say.

    Attributes:
        asset: Its code.
        issued: What came in from outside and did not leave.
        total: Sum over all accounts; equals `issued`.
        held: Sum of what is set aside.
        explained: What open orders and positions set aside; equals `held`.
        wrong_accounts: Accounts that break a rule of balances.
    """

    asset: str
    issued: int
    total: int
    held: int
    explained: int
    wrong_accounts: int

    @property
    def is_right(self) -> bool:
        """Returns whether the ledger is right about the asset."""
        return self.issued == self.total and self.held == self.explained and not self.wrong_accounts


class TradeSide(NamedTuple):
    """What one side of a trade paid and left; money is in 1e-4 of the quote currency."""

    account: int
    fee_minor: int
    deposit_minor: int


class ExecutedTrade(NamedTuple):
    """A trade as it was made."""

    trade_id: int
    instrument: int
    kind: int
    time_ns: int
    price_ticks: int
    quantity_lots: int


class ForwardPosition(TypedDict):
    """An account in one forward; ticks are sums of price times lots."""

    symbol: str
    tick_size_micro: int
    tick_value_minor: int
    net_lots: int
    open_ticks: int
    realised_ticks: int
    last_ticks: int | None
    open_buy_lots: int
    open_sell_lots: int


class SimulationSummary(TypedDict):
    """What a run outside the market gave so far; the result is in 1e-4 of the quote currency."""

    commands: int
    total: int
    trades: int
    volume_lots: int
    last_ticks: int
    net_lots: int
    result_minor: int
    events_hash: str


class Block(TypedDict):
    """What changed between two watermarks, as rows."""

    sequence: int
    time_ns: int
    commands: int
    accounts: list[tuple[int, bytes]]
    orders: list[tuple[Any, ...]]
    trades: list[tuple[int, ...]]
    changes: list[tuple[int, ...]]
    postings: list[tuple[int, ...]]
    instruments: list[tuple[int, str, int, int]]
    assets: list[tuple[int, str]]


class DayResult(TypedDict):
    """What the check of a day came to.

    Attributes:
        header: Its header, as it stands in the file.
        manifest: Its manifest, as it stands in the file.
        findings: What is wrong: kind, sequence or 0, words.
        records: Records that were read.
        fills: Fills that were compared.
        last_sequence: Sequence of the last record.
        chain: Chain after it, as hexadecimal.
        root: Root of the records, as hexadecimal; empty without records.
        end_hash: Hash of the state after the day, as hexadecimal.
    """

    header: str
    manifest: str
    findings: list[tuple[str, int, str]]
    records: int
    fills: int
    last_sequence: int
    chain: str
    root: str
    end_hash: str
