"""Use cases of operators about trades: taking them back and correcting them, two admins each."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row

from farmgate.admin import store
from farmgate.admin.controls import APPROVAL_HOLDS, Request
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.trading.facade import TradeChanges
from farmgate.users.facade import Users

M = TypeVar("M", bound=Serializable)
_STATUS_EXECUTED: Final = 1
_MICRO: Final = 10**6


@dataclass(frozen=True, slots=True)
class TradeOrder:
    """What an admin wants of a trade.

    Attributes:
        actor: User ID of the admin.
        price: Right price as a decimal; empty keeps it.
        quantity_lots: Right quantity; 0 keeps it.
        is_bust: Whether nothing of the trade is to stay.
    """

    actor: str
    trade_id: int
    reason: str
    price: str = ""
    quantity_lots: int = 0
    is_bust: bool = False


@dataclass(frozen=True, slots=True)
class TradeDone:
    """What was done: noted for a second admin, or carried out."""

    request: Request
    sequence: int


class TradeControls:
    """Changes trades once two admins want the same.

    Args:
        changes: Finds and changes trades.
        database: Where approvals, users and the audit log are kept.
        users: People.
        clock: Tells the time.
        ids: Names approvals.
    """

    def __init__(
        self, changes: TradeChanges, database: Database, users: Users, clock: Clock, ids: Ids
    ) -> None:
        self._changes = changes
        self._database = database
        self._users = users
        self._clock = clock
        self._ids = ids

    async def change(self, order: TradeOrder, effect: Effect[TradeDone, M]) -> M:
        """Notes the wish of the first admin; carries it out when a second one has the same.

        Raises:
            DomainError: TRADE_UNKNOWN, TRADE_ALREADY_CORRECTED, FOUR_EYES_REQUIRED, PRICE_TICK, or
                what the core says: PRICE_RANGE, QUANTITY_MAX, AMEND_NOT_ALLOWED, or
                INSUFFICIENT_FUNDS and INSUFFICIENT_INVENTORY of a party.
        """
        trade = await self._changes.find(order.trade_id)
        price, lots = self._wanted(order, trade)
        kind = "TRADE_BUST" if order.is_bust else "TRADE_CORRECT"
        resource = f"trade/{order.trade_id}"
        about = resource if order.is_bust else f"{resource}/{price}/{lots}"
        now = self._clock.now()
        waiting = await self._database.read(lambda tx: store.open_approval(tx, kind, about, now))
        if waiting is None:
            return await self._note(order, trade, kind, about, effect)
        if waiting.requested_by == order.actor:
            raise DomainError("FOUR_EYES_REQUIRED")
        sequence = await self._carry_out(trade, price, lots)
        request = Request(
            waiting.id, waiting.requested_by, order.actor, is_done=True,
            expires_at_s=waiting.expires_at.timestamp(),
        )  # fmt: skip

        def write(connection: Connection) -> None:
            if store.open_approval(connection, kind, about, now) is None:
                raise DomainError("TRADE_ALREADY_CORRECTED")
            store.approve(connection, waiting.id, order.actor)
            self._tell(connection, order, trade, now)
            done = TradeDone(request, sequence)
            effect.record(connection, done, resource=resource, reason=order.reason)

        await self._database.write(write)
        return effect.reply

    async def _carry_out(self, trade: Row[Any], price_ticks: int, lots: int) -> int:
        """Changes the trade; returns the sequence, 0 when it was changed before.

        With the approval still open and the trade as wanted, that was by a call that ended before
        it could say so; another change that came first is a refusal.
        """
        try:
            return await self._changes.change(trade, price_ticks=price_ticks, quantity_lots=lots)
        except DomainError as refusal:
            now = await self._changes.find(trade.trade_id)
            is_as_wanted = (now.price_ticks, now.quantity_lots) == (price_ticks, lots)
            if refusal.reason != "TRADE_ALREADY_CORRECTED" or not is_as_wanted:
                raise
            return 0

    async def _note(
        self, order: TradeOrder, trade: Row[Any], kind: str, about: str,
        effect: Effect[TradeDone, M],
    ) -> M:  # fmt: skip
        if trade.status != _STATUS_EXECUTED:
            raise DomainError("TRADE_ALREADY_CORRECTED")
        now = self._clock.now()
        until = now + APPROVAL_HOLDS

        def write(connection: Connection) -> None:
            new = self._ids.ulid()
            store.add_approval(
                connection, id=new, kind=kind, resource=about, requested_by=order.actor,
                requested_at=now, expires_at=until,
            )  # fmt: skip
            request = Request(new, order.actor, "", is_done=False, expires_at_s=until.timestamp())
            done = TradeDone(request, 0)
            resource = f"trade/{order.trade_id}"
            effect.record(connection, done, resource=resource, reason=order.reason)

        await self._database.write(write)
        return effect.reply

    def _wanted(self, order: TradeOrder, trade: Row[Any]) -> tuple[int, int]:
        """Returns price in ticks and lots that are to hold."""
        if order.is_bust:
            return trade.price_ticks, 0
        price = trade.price_ticks
        if order.price:
            tick = self._changes.tick_micro(trade)
            price, rest = divmod(int(Decimal(order.price) * _MICRO), tick)
            if rest:
                raise DomainError("PRICE_TICK", price=order.price, tick=Decimal(tick) / _MICRO)
        lots = order.quantity_lots or trade.quantity_lots
        if lots > trade.quantity_lots:
            raise DomainError("QUANTITY_MAX", quantity=lots, maximum=trade.quantity_lots)
        if (price, lots) == (trade.price_ticks, trade.quantity_lots):
            raise DomainError("AMEND_NOT_ALLOWED", rule="name a new price or a new quantity")
        return price, lots

    def _tell(
        self, connection: Connection, order: TradeOrder, trade: Row[Any], now: datetime
    ) -> None:
        kind = "trade.busted" if order.is_bust else "trade.corrected"
        data = {
            "trade_id": str(order.trade_id), "symbol": self._changes.symbol(trade),
            "reason": order.reason, "price": order.price, "lots": order.quantity_lots,
        }  # fmt: skip
        about = f"trade/{order.trade_id}"
        for account in sorted({trade.maker_account, trade.taker_account}):
            user = self._users.by_account_number(connection, account)
            if user is not None:
                announce(connection, Announcement(kind, now, user.id, about=about, data=data))
