"""The matching core: an engine that answers once its answer is durable.

Answers come through asyncio futures: `bytes` of a reply, a pair `(number, sequence)` for control
commands, None for waits, or a `Refusal`. Whoever opened the engine watches `fileno()` and calls
`drain()` on the thread of the event loop.
"""

from asyncio import Future
from os import PathLike
from typing import Any, TypeAlias, TypedDict, final

Answer: TypeAlias = "bytes | tuple[int, int] | Refusal | None"
Update: TypeAlias = tuple[bytes, int, bool, bool]

class JournalFailure(RuntimeError):
    """The journal can't be opened or read."""

class RefusedError(RuntimeError):
    """The engine refused; its argument is the `Refusal`."""

@final
class Refusal:
    """Why a request was refused: the reason's number and what its message mentions."""

    @property
    def reason(self) -> int: ...
    @property
    def metadata(self) -> dict[str, str]: ...

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

class Block(TypedDict):
    """What changed between two watermarks, as rows."""

    sequence: int
    time_ns: int
    commands: int
    accounts: list[tuple[int, bytes]]
    orders: list[tuple[Any, ...]]
    trades: list[tuple[int, ...]]
    postings: list[tuple[int, ...]]
    instruments: list[tuple[int, str, int, int]]
    assets: list[tuple[int, str]]

@final
class MarketCursor:
    """A watcher's place in market data."""

@final
class OrderCursor:
    """A watcher's place in an account's execution reports."""

@final
class Engine:
    """The matching engine of one shard, durable in a directory."""

    @staticmethod
    def open(
        directory: str | PathLike[str],
        *,
        durable: bool = True,
        snapshot_interval_commands: int = 1_000_000,
        queue_requests_max: int = 65_536,
        epoch: int = 1,
    ) -> Engine: ...
    def fileno(self) -> int: ...
    def drain(self) -> bool: ...
    def create_order(self, account: int, key: bytes, message: bytes, future: Future[Answer]) -> None: ...
    def cancel_order(self, account: int | None, key: bytes, message: bytes, future: Future[Answer]) -> None: ...
    def amend_order(self, account: int, key: bytes, message: bytes, future: Future[Answer]) -> None: ...
    def batch_create_orders(self, account: int, message: bytes, future: Future[Answer]) -> None: ...
    def order_session(self, account: int, message: bytes, future: Future[Answer]) -> None: ...
    def mass_cancel(self, account: int, message: bytes, future: Future[Answer]) -> None: ...
    def register_asset(self, code: str, future: Future[Answer]) -> None: ...
    def open_account(self, id: bytes, owner: int, max_open_orders: int, future: Future[Answer]) -> None: ...
    def restrict_account(self, account: int, restricted: bool, future: Future[Answer]) -> None: ...
    def transfer(self, account: int, asset: int, amount: int, key: bytes, future: Future[Answer]) -> None: ...
    def define_instrument(self, rules: InstrumentRules, future: Future[Answer]) -> None: ...
    def set_phase(self, instrument: int, phase: int, future: Future[Answer]) -> None: ...
    def wait_applied(self, sequence: int | None, future: Future[Answer]) -> None: ...
    def order_book(self, symbol: str, depth: int) -> bytes | None: ...
    def open_order(self, order_id: int) -> tuple[bytes, int] | None: ...
    def balances(self, account: int) -> list[tuple[str, int, int]]: ...
    def instruments(self, symbols: list[str] | None = None) -> list[InstrumentMarket]: ...
    def assets(self) -> list[str]: ...
    def account_number(self, id: bytes) -> int | None: ...
    def account_sequence(self, account: int) -> int: ...
    def applied_sequence(self) -> int: ...
    def state_hash(self) -> tuple[str, int]: ...
    def watch_market(self, symbols: list[str], channels: int, from_sequence: int) -> MarketCursor: ...
    def watch_orders(self, account: int, from_sequence: int) -> OrderCursor: ...
    def take_market(self, cursor: MarketCursor, bytes_max: int) -> Update: ...
    def take_orders(self, cursor: OrderCursor, bytes_max: int) -> Update: ...
    def statistics(self) -> dict[str, int]: ...
    def close(self) -> None: ...

@final
class Follower:
    """Reads history from another process's journal, as rows."""

    @staticmethod
    def open(directory: str | PathLike[str], watermark: int) -> Follower: ...
    def next_block(self, commands_max: int) -> Block | None: ...
    def state_hash(self) -> tuple[str, int]: ...
