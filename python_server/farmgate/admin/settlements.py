"""Use cases of operators about settlement prices: set by hand, by two admins."""

from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.admin import store
from farmgate.admin.controls import APPROVAL_HOLDS, Request
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import text_of
from farmgate.errors import DomainError
from farmgate.market.facade import DailySettlement, DayLimits, settlement_store
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

M = TypeVar("M", bound=Serializable)
_KIND = "SETTLEMENT_PRICE"


@dataclass(frozen=True, slots=True)
class SettlementOrder:
    """What an admin wants a day to settle at.

    Attributes:
        actor: User ID of the admin.
        day: Business day, YYYY-MM-DD.
        price: Settlement price as a decimal.
    """

    actor: str
    symbol: str
    day: str
    price: str
    reason: str


@dataclass(frozen=True, slots=True)
class SettlementDone:
    """What was done: noted for a second admin, or carried out."""

    request: Request
    sequence: int


class Settlements:
    """Sets settlement prices once two admins want the same.

    Args:
        limits: Knows settlements and the limits that follow from them.
        database: Where approvals, settlements and the audit log are kept.
        clock: Tells the time.
        ids: Names approvals.
    """

    def __init__(self, limits: DayLimits, database: Database, clock: Clock, ids: Ids) -> None:
        self._limits = limits
        self._database = database
        self._clock = clock
        self._ids = ids

    async def set(self, order: SettlementOrder, effect: Effect[SettlementDone, M]) -> M:
        """Notes the wish of the first admin; carries it out when a second one has the same.

        The price of the newest settled day moves the day's limits with it.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, INVALID_ARGUMENT, PRICE_TICK, PRICE_RANGE or
                FOUR_EYES_REQUIRED.
        """
        row, is_newest = await self._limits.manual(order.symbol, order.day, order.price)
        about = f"settlement/{order.symbol}/{order.day}/{row.settlement_ticks}"
        now = self._clock.now()
        waiting = await self._database.read(lambda tx: store.open_approval(tx, _KIND, about, now))
        if waiting is None:
            return await self._note(order, about, effect)
        if waiting.requested_by == order.actor:
            raise DomainError("FOUR_EYES_REQUIRED")
        sequence = await self._limits.put_in_force(row) if is_newest else 0
        _, holders = await self._limits.open_interest()
        request = Request(
            waiting.id, waiting.requested_by, order.actor, is_done=True,
            expires_at_s=waiting.expires_at.timestamp(),
        )  # fmt: skip

        def write(connection: Connection) -> None:
            if store.open_approval(connection, _KIND, about, now) is None:
                raise DomainError("FOUR_EYES_REQUIRED")
            store.approve(connection, waiting.id, order.actor)
            self._limits.tell(connection, [row], holders)
            self._put(connection, replace(row, limits_sequence=sequence), order, effect, request)

        await self._database.write(write)
        return effect.reply

    def _put(
        self, connection: Connection, row: DailySettlement, order: SettlementOrder,
        effect: Effect[SettlementDone, M], request: Request,
    ) -> None:  # fmt: skip
        before = settlement_store.one(connection, order.symbol, order.day)
        settlement_store.put(connection, row)
        detail = {
            "day": order.day, "ticks": row.settlement_ticks,
            "before_ticks": before.settlement_ticks if before else 0,
        }  # fmt: skip
        effect.record(
            connection, SettlementDone(request, row.limits_sequence),
            resource=f"instrument/{order.symbol}", reason=order.reason, detail=text_of(detail),
        )  # fmt: skip

    async def _note(
        self, order: SettlementOrder, about: str, effect: Effect[SettlementDone, M]
    ) -> M:
        now = self._clock.now()
        until = now + APPROVAL_HOLDS

        def write(connection: Connection) -> None:
            new = self._ids.ulid()
            store.add_approval(
                connection, id=new, kind=_KIND, resource=about, requested_by=order.actor,
                requested_at=now, expires_at=until,
            )  # fmt: skip
            request = Request(new, order.actor, "", is_done=False, expires_at_s=until.timestamp())
            effect.record(
                connection, SettlementDone(request, 0), resource=f"instrument/{order.symbol}",
                reason=order.reason,
            )  # fmt: skip

        await self._database.write(write)
        return effect.reply
