"""Use cases of operators about the market: halting it, stopping accounts, cancelling orders."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.admin import store
from farmgate.api.market.v1 import market_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.ports.matching import Matching, Switch
from farmgate.ports.matching_shapes import InstrumentMarket
from farmgate.users.facade import User, Users

M = TypeVar("M", bound=Serializable)
_AT_ONCE: Final = 256
APPROVAL_HOLDS: Final = timedelta(hours=24)
_HALTABLE: Final = frozenset({
    market_pb2.INSTRUMENT_PHASE_PRE_OPEN, market_pb2.INSTRUMENT_PHASE_AUCTION,
    market_pb2.INSTRUMENT_PHASE_OPEN,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """What an admin orders.

    Attributes:
        actor: User ID of the admin.
        symbol: One instrument; empty for all.
        user_id: One user; empty for all.
        account_id: One trading account; empty for all.
        side: 1 buy, 2 sell, 0 both.
    """

    actor: str
    reason: str
    symbol: str = ""
    user_id: str = ""
    account_id: str = ""
    side: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a second person's agreement."""

    id: str
    requested_by: str
    approved_by: str
    is_done: bool
    expires_at_s: float


@dataclass(frozen=True, slots=True)
class Controlled:
    """What was done.

    Attributes:
        symbols: Instruments that changed their phase.
        cancelled: Orders that were cancelled.
        sequence: Sequence of the core that shows it.
        request: What waits for a second person, or None.
    """

    symbols: Sequence[str]
    cancelled: int
    sequence: int
    request: Request | None = None
    is_thrown: bool = False


class Controls:
    """Acts on the core and leaves an audit row.

    Args:
        matching: The core.
        database: Where users, approvals and the audit log are kept.
        users: People.
        clock: Tells the time.
        ids: Names approvals.
    """

    def __init__(
        self, matching: Matching, database: Database, users: Users, clock: Clock, ids: Ids
    ) -> None:
        self._matching = matching
        self._database = database
        self._users = users
        self._clock = clock
        self._ids = ids

    async def halt(self, order: Order, effect: Effect[Controlled, M], *, cancels: bool) -> M:
        """Halts one instrument or all that trade.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN or INSTRUMENT_NOT_TRADING.
        """
        chosen = self._chosen(order.symbol, _HALTABLE)
        for one in chosen:
            await self._matching.set_phase(one["number"], market_pb2.INSTRUMENT_PHASE_HALTED)
        cancelled = 0
        if cancels:
            for one in chosen:
                cancelled += await self._cancel(one["symbol"], 0, None)
        return await self._done(order, effect, [one["symbol"] for one in chosen], cancelled)

    async def resume(self, order: Order, effect: Effect[Controlled, M], *, skips: bool) -> M:
        """Lets one instrument or all that are halted trade again, through an auction or at once.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN or INSTRUMENT_NOT_TRADING.
        """
        chosen = self._chosen(order.symbol, {market_pb2.INSTRUMENT_PHASE_HALTED})
        for one in chosen:
            if not skips:
                await self._matching.set_phase(one["number"], market_pb2.INSTRUMENT_PHASE_AUCTION)
            await self._matching.set_phase(one["number"], market_pb2.INSTRUMENT_PHASE_OPEN)
        return await self._done(order, effect, [one["symbol"] for one in chosen], 0)

    async def kill(self, order: Order, effect: Effect[Controlled, M]) -> M:
        """Throws the kill switch of somebody: orders are cancelled, further ones refused.

        Raises:
            DomainError: NOT_FOUND or ACCOUNT_UNKNOWN.
        """
        account = await self._account(order)
        await self._matching.set_switch(account, Switch.KILLED, is_on=True)
        cancelled = await self._matching.cancel_all(account, trading_pb2.CANCEL_REASON_KILL_SWITCH)
        return await self._done(order, effect, (), cancelled, is_thrown=True)

    async def release(self, order: Order, effect: Effect[Controlled, M]) -> M:
        """Lifts a kill switch once a second admin asks for it too.

        Raises:
            DomainError: NOT_FOUND, ACCOUNT_UNKNOWN, or FOUR_EYES_REQUIRED when the same admin asks
                again.
        """
        account = await self._account(order)
        resource = f"account/{account}"

        def agree(connection: Connection) -> Controlled:
            outcome = self._agree(connection, "KILL_RELEASE", resource, order.actor)
            done = Controlled(
                (), 0, self._matching.applied_sequence(), outcome, not outcome.is_done
            )
            effect.record(connection, done, resource=resource, reason=order.reason)
            return done

        done = await self._database.write(agree)
        if done.request and done.request.is_done:
            await self._matching.set_switch(account, Switch.KILLED, is_on=False)
        return effect.reply

    async def cancel(self, order: Order, effect: Effect[Controlled, M]) -> M:
        """Cancels orders of one account or of all, on one instrument or on all.

        Raises:
            DomainError: NOT_FOUND, ACCOUNT_UNKNOWN or INSTRUMENT_UNKNOWN.
        """
        account = None
        if order.user_id or order.account_id:
            account = await self._account(order)
        if order.symbol:
            self._found(order.symbol)
        cancelled = await self._cancel(order.symbol, order.side, account)
        return await self._done(order, effect, (), cancelled)

    async def set_trading(self, *, is_enabled: bool) -> None:
        """Halts or resumes every instrument."""
        halted = market_pb2.INSTRUMENT_PHASE_HALTED
        for one in self._matching.instruments():
            if is_enabled and one["phase"] == halted:
                await self._matching.set_phase(one["number"], market_pb2.INSTRUMENT_PHASE_OPEN)
            elif not is_enabled and one["phase"] in _HALTABLE:
                await self._matching.set_phase(one["number"], halted)

    def _found(self, symbol: str) -> InstrumentMarket:
        found = self._matching.instruments([symbol])
        if not found:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=symbol)
        return found[0]

    def _chosen(self, symbol: str, phases: set[int] | frozenset[int]) -> list[InstrumentMarket]:
        if not symbol:
            return [one for one in self._matching.instruments() if one["phase"] in phases]
        found = self._found(symbol)
        if found["phase"] not in phases:
            name = market_pb2.InstrumentPhase.Name(
                market_pb2.InstrumentPhase.ValueType(found["phase"])
            )
            phase = name.removeprefix("INSTRUMENT_PHASE_")
            raise DomainError("INSTRUMENT_NOT_TRADING", symbol=symbol, phase=phase)
        return [found]

    async def _account(self, order: Order) -> int:
        def find(connection: Connection) -> User | None:
            if order.user_id:
                return self._users.by_id(connection, order.user_id)
            return self._users.by_account(connection, order.account_id)

        user = await self._database.read(find)
        if user is None:
            resource = "user" if order.user_id else "account"
            raise DomainError("NOT_FOUND", resource=resource, id=order.user_id or order.account_id)
        if user.account_number is None:
            raise DomainError("ACCOUNT_UNKNOWN")
        return user.account_number

    async def _cancel(self, instrument_symbol: str, side: int, account: int | None) -> int:
        """Returns how many orders were cancelled, of one account or of all."""
        if account is None:
            accounts = await self._database.read(self._users.account_numbers)
        else:
            accounts = [account]
        cancelled = 0
        for start in range(0, len(accounts), _AT_ONCE):
            group = accounts[start : start + _AT_ONCE]
            counts = await asyncio.gather(
                *(self._cancel_of(one, instrument_symbol, side) for one in group)
            )
            cancelled += sum(counts)
        return cancelled

    async def _cancel_of(self, account: int, symbol: str, side: int) -> int:
        if not symbol and not side:
            return await self._matching.cancel_all(account, trading_pb2.CANCEL_REASON_ADMIN)
        request = trading_pb2.MassCancelRequest(symbol=symbol, side=types_pb2.Side.ValueType(side))
        reply = await self._matching.mass_cancel(account, request.SerializeToString())
        return int(trading_pb2.MassCancelResponse.FromString(reply).cancelled_count)

    def _agree(self, connection: Connection, kind: str, resource: str, actor: str) -> Request:
        now = self._clock.now()
        waiting = store.open_approval(connection, kind, resource, now)
        if waiting is None:
            until = now + APPROVAL_HOLDS
            new = self._ids.ulid()
            store.add_approval(
                connection, id=new, kind=kind, resource=resource, requested_by=actor,
                requested_at=now, expires_at=until,
            )  # fmt: skip
            return Request(new, actor, "", is_done=False, expires_at_s=until.timestamp())
        if waiting.requested_by == actor:
            raise DomainError("FOUR_EYES_REQUIRED")
        store.approve(connection, waiting.id, actor)
        until = waiting.expires_at
        return Request(
            waiting.id, waiting.requested_by, actor, is_done=True, expires_at_s=until.timestamp()
        )

    async def _done(
        self, order: Order, effect: Effect[Controlled, M], symbols: Sequence[str], cancelled: int,
        *, is_thrown: bool = False,
    ) -> M:  # fmt: skip
        await self._matching.caught_up()
        sequence = self._matching.applied_sequence()
        done = Controlled(symbols, cancelled, sequence, is_thrown=is_thrown)
        resource = order.symbol or order.user_id or order.account_id or "market"

        def record(connection: Connection) -> None:
            effect.record(connection, done, resource=f"market/{resource}", reason=order.reason)

        await self._database.write(record)
        return effect.reply


def scope_symbol(scope: int, symbol: str, market: int) -> str:
    """Returns the symbol a scope means, empty for the whole market.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    if scope == market:
        if symbol:
            raise invalid("symbol", "must be empty for the whole market")
        return ""
    if not symbol:
        raise invalid("symbol", "must name the instrument")
    return symbol
