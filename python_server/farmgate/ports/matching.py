"""The matching core, as the services use it: the only importer of the Rust extension.

Answers arrive on the event loop: the core writes to an eventfd, the loop wakes once for a whole
group of answers, and every caller's future is resolved.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from farmgate import _matching
from farmgate._matching import Follower, JournalFailure, MarketCursor, OrderCursor, Simulation
from farmgate.api.errors.v1 import errors_pb2
from farmgate.errors import DomainError
from farmgate.ports.leading import Leadership, share
from farmgate.ports.matching_instruments import Instruments
from farmgate.ports.matching_shapes import (
    AssetAudit,
    Block,
    ExecutedTrade,
    ForwardPosition,
    Hold,
    InstrumentMarket,
    InstrumentRules,
    Risk,
    RiskLimits,
    Switch,
    TradeSide,
)
from farmgate.ports.wakeups import WakeUps

__all__ = [
    "AssetAudit",
    "Block",
    "ExecutedTrade",
    "Follower",
    "ForwardPosition",
    "Hold",
    "InstrumentMarket",
    "InstrumentRules",
    "JournalFailure",
    "MarketCursor",
    "Matching",
    "OrderCursor",
    "Risk",
    "RiskLimits",
    "Simulation",
    "Switch",
    "TradeSide",
]

_REASON_PREFIX: Final = "REASON_"
# A read that must show what was acknowledged waits no longer than this.
_READ_WAIT_S: Final = 1.0


def refusal_error(refusal: _matching.Refusal) -> DomainError:
    """Returns the error of a refusal of the core."""
    name = errors_pb2.Reason.Name(errors_pb2.Reason.ValueType(refusal.reason))
    return DomainError(name.removeprefix(_REASON_PREFIX), **refusal.metadata)


class Matching(Instruments):
    """The running core of one shard.

    Args:
        engine: The core, opened.
    """

    def __init__(self, engine: _matching.Engine) -> None:
        self._engine = engine
        self.leadership = Leadership(engine)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeups = WakeUps()

    @classmethod
    def open(
        cls, directory: Path, *, durable: bool = True, snapshot_interval_commands: int = 1_000_000
    ) -> "Matching":
        """Recovers the core's state from a folder.

        Raises:
            farmgate._matching.JournalFailure: The folder is damaged or held by another process.
        """
        engine = _matching.Engine.open(
            directory, durable=durable, snapshot_interval_commands=snapshot_interval_commands
        )
        return cls(engine)

    @classmethod
    def share(cls, directory: Path, url: str, **options: Any) -> "Matching":
        """Returns the core over a journal in a database; see `leading.share`."""
        return cls(share(directory, url, **options))

    async def start(self) -> None:
        """Takes answers on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._engine.fileno(), self._drain)
        await self.leadership.find_place()

    async def stop(self) -> None:
        """Finishes what was submitted, answers it, and stops the core."""
        await asyncio.to_thread(self._engine.close)
        self._drain()
        if self._loop:
            self._loop.remove_reader(self._engine.fileno())
        self._wakeups.now()

    async def _ask(self, submit: Callable[..., None], *arguments: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        submit(*arguments, future)
        answer = await future
        if isinstance(answer, _matching.Refusal):
            raise refusal_error(answer)
        return answer

    async def create_order(self, account: int, key: bytes, message: bytes) -> bytes:
        """Enters an order; bytes of a CreateOrderRequest in, of the response out."""
        reply: bytes = await self._ask(self._engine.create_order, account, key, message)
        return reply

    async def cancel_order(self, account: int | None, key: bytes, message: bytes) -> bytes:
        """Cancels an order of an account, or of any for None."""
        reply: bytes = await self._ask(self._engine.cancel_order, account, key, message)
        return reply

    async def amend_order(self, account: int, key: bytes, message: bytes) -> bytes:
        """Changes an order."""
        reply: bytes = await self._ask(self._engine.amend_order, account, key, message)
        return reply

    async def batch_create_orders(self, account: int, message: bytes) -> bytes:
        """Enters many orders."""
        reply: bytes = await self._ask(self._engine.batch_create_orders, account, message)
        return reply

    def order_session(self, account: int, message: bytes) -> asyncio.Future[Any]:
        """Submits a message of a session; the future's result is for `session_reply`."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._engine.order_session(account, message, future)
        return future

    @staticmethod
    def session_reply(answer: Any) -> bytes:
        """Returns the bytes of a session's reply.

        Raises:
            DomainError: The message was refused whole.
        """
        if isinstance(answer, _matching.Refusal):
            raise refusal_error(answer)
        assert isinstance(answer, bytes), "A session is answered with bytes."
        return answer

    async def mass_cancel(self, account: int, message: bytes) -> bytes:
        """Cancels the account's orders that fit a filter."""
        reply: bytes = await self._ask(self._engine.mass_cancel, account, message)
        return reply

    async def register_asset(self, code: str) -> int:
        """Returns the number of an asset, registered if it is new."""
        number, *_ = await self._ask(self._engine.register_asset, code)
        return int(number)

    async def open_account(self, account_id: bytes, *, owner: int, max_open_orders: int) -> int:
        """Returns the number of an account, opened if it is new.

        Args:
            account_id: The 16 bytes of its ULID.
            owner: Number of its beneficial owner.
            max_open_orders: Most open orders at a time.
        """
        number, *_ = await self._ask(self._engine.open_account, account_id, owner, max_open_orders)
        return int(number)

    async def transfer(self, account: int, asset: int, amount_minor: int, key: bytes) -> int:
        """Moves an amount in from outside, or out when negative; returns the sequence.

        Raises:
            DomainError: INSUFFICIENT_FUNDS or AMOUNT_OVERFLOW.
        """
        _, sequence, _ = await self._ask(self._engine.transfer, account, asset, amount_minor, key)
        return int(sequence)

    async def set_switch(self, account: int, switch: Switch, *, is_on: bool) -> None:
        """Switches something on or off for an account."""
        await self._ask(self._engine.set_switch, account, switch, is_on)

    async def set_risk_limits(
        self, account: int, limits: RiskLimits, *, max_open_orders: int
    ) -> None:
        """Says how much an account may trade; what is open already stays."""
        await self._ask(self._engine.set_risk_limits, account, max_open_orders, limits)

    async def cancel_all(self, account: int, reason: int) -> int:
        """Cancels the account's orders, for a lost session those not good till cancelled.

        Args:
            account: Its number.
            reason: A `CancelReason` of the API.

        Returns:
            How many.
        """
        _, _, count = await self._ask(self._engine.cancel_all, account, reason)
        return int(count)

    async def change_trade(
        self,
        trade: ExecutedTrade,
        buyer: TradeSide,
        seller: TradeSide,
        *,
        price_ticks: int,
        quantity_lots: int,
    ) -> int:
        """Corrects a trade, or takes it back when no lots are left; returns the sequence.

        Raises:
            DomainError: TRADE_ALREADY_CORRECTED; PRICE_RANGE, QUANTITY_MAX or AMEND_NOT_ALLOWED for
                what it can't become; INSUFFICIENT_FUNDS or INSUFFICIENT_INVENTORY when a party no
                longer has what it would give back.
        """
        submit = self._engine.change_trade
        answer = await self._ask(submit, trade, buyer, seller, price_ticks, quantity_lots)
        return int(answer[1])

    async def block_trade(
        self,
        instrument: int,
        *,
        price_ticks: int,
        quantity_lots: int,
        buyer: int,
        seller: int,
        key: bytes,
    ) -> tuple[int, int]:
        """Settles a trade that two accounts agreed; returns its number and the sequence.

        Raises:
            DomainError: What keeps either account from it.
        """
        submit = self._engine.block_trade
        number, sequence, _ = await self._ask(
            submit, instrument, price_ticks, quantity_lots, buyer, seller, key
        )
        return int(number), int(sequence)

    def risk(self, account: int) -> Risk:
        """Returns the switches and limits of an account.

        Raises:
            DomainError: ACCOUNT_UNKNOWN.
        """
        found = self._engine.risk(account)
        if found is None:
            raise DomainError("ACCOUNT_UNKNOWN")
        bits, max_open_orders, limits = found
        switches = frozenset(switch for switch in Switch if bits & 1 << (switch - 1))
        return Risk(switches, max_open_orders, RiskLimits(*limits))

    def switched_on(self, switch: Switch) -> list[int]:
        """Returns the numbers of the accounts for which it is on."""
        return self._engine.switched_on(switch)

    def holds(self, account: int) -> list[Hold]:
        """Returns what is set aside of the account's balances, the oldest orders first."""
        return [Hold(*found) for found in self._engine.holds(account)]

    def audit(self) -> tuple[list[AssetAudit], int]:
        """Returns what the ledger says of each asset, and the sequence it says it at."""
        found, sequence = self._engine.audit()
        return [AssetAudit(*one) for one in found], sequence

    def positions(self, account: int) -> list[ForwardPosition]:
        """Returns the account's forwards: positions, and those with open orders only."""
        return self._engine.positions(account)

    def preview_order(self, account: int, message: bytes) -> bytes:
        """Tries an order; bytes of a CreateOrderRequest in, of a PreviewOrderResponse out.

        Raises:
            DomainError: What the order would be refused for.
        """
        reply = self._engine.preview_order(account, message)
        if isinstance(reply, _matching.Refusal):
            raise refusal_error(reply)
        return reply

    async def caught_up(self, sequence: int = 0) -> None:
        """Waits until reads show a sequence, or else all that is acknowledged now.

        Raises:
            DomainError: READ_BEHIND.
        """
        future = asyncio.get_running_loop().create_future()
        self._engine.wait_applied(sequence or None, future)
        try:
            await asyncio.wait_for(future, _READ_WAIT_S)
        except TimeoutError:
            raise DomainError(
                "READ_BEHIND", reached=self._engine.applied_sequence(), wanted=sequence
            ) from None

    def order_book(self, symbol: str, depth: int, owner: int | None = None) -> bytes | None:
        """Returns a GetOrderBookResponse, with orders for an owner; None for an unknown symbol."""
        return self._engine.order_book(symbol, depth, owner)

    def open_order(self, order_id: int) -> tuple[bytes, int] | None:
        """Returns the bytes of a GetOrderResponse and the account, for an open order."""
        return self._engine.open_order(order_id)

    def balances(self, account: int) -> list[tuple[str, int, int]]:
        """Returns asset code, total and held in minor units."""
        return self._engine.balances(account)

    def assets(self) -> list[str]:
        """Returns the codes of the assets; the first has number 1."""
        return self._engine.assets()

    def account_number(self, account_id: bytes) -> int | None:
        """Returns the number of an account by the 16 bytes of its ULID."""
        return self._engine.account_number(account_id)

    def account_sequence(self, account: int) -> int:
        """Returns the sequence of the last command that changed orders of the account."""
        return self._engine.account_sequence(account)

    def applied_sequence(self) -> int:
        """Returns the sequence that reads show."""
        return self._engine.applied_sequence()

    def state_hash(self) -> tuple[str, int]:
        """Returns the hash of the state that reads show, and its sequence."""
        return self._engine.state_hash()

    def statistics(self) -> dict[str, int]:
        """Returns the core's figures."""
        return self._engine.statistics()

    def watch_market(self, symbols: list[str], channels: int, from_sequence: int) -> MarketCursor:
        """Returns a place in market data.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN.
        """
        try:
            return self._engine.watch_market(symbols, channels, from_sequence)
        except _matching.RefusedError as error:
            raise refusal_error(error.args[0]) from None

    def watch_orders(self, account: int, from_sequence: int) -> OrderCursor:
        """Returns a place in an account's execution reports.

        Raises:
            DomainError: SEQ_GAP.
        """
        try:
            return self._engine.watch_orders(account, from_sequence)
        except _matching.RefusedError as error:
            raise refusal_error(error.args[0]) from None

    def taker(
        self, cursor: MarketCursor | OrderCursor
    ) -> Callable[[int], tuple[bytes, int, bool, bool]]:
        """Returns what moves a watcher on by at most so many bytes."""
        if isinstance(cursor, MarketCursor):
            return partial(self._engine.take_market, cursor)
        return partial(self._engine.take_orders, cursor)

    async def feeds_moved(self, timeout_s: float) -> bool:
        """Waits until feeds move on; False when the time ran out first."""
        return await self._wakeups.moved(timeout_s)

    def _drain(self) -> None:
        if self._engine.drain():
            self._wakeups.soon()
