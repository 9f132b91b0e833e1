"""Use cases of the parties of a trade: asking for its review, and agreeing one outside the book."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row

from farmgate.api.types.v1 import types_pb2
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids, is_ulid, ulid_bytes
from farmgate.ports.matching import InstrumentMarket, Matching
from farmgate.trading import agreement_store, rules, store
from farmgate.trading.changes import TradeChanges
from farmgate.trading.history import History
from farmgate.trading.tables import KIND_BLOCK, STATUS_EXECUTED

M = TypeVar("M", bound=Serializable)
_REPORT_HOLDS: Final = timedelta(hours=1)
# What the core counts lots in.
_LOTS_MAX: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Block:
    """A trade that one party reports.

    Attributes:
        side: Of the party that reports: 1 buys, 2 sells.
        counterparty_id: Trading account of the other party.
    """

    symbol: str
    price: str
    quantity_lots: int
    side: int
    counterparty_id: str


@dataclass(frozen=True, slots=True)
class Reported:
    """A report as it stands; no trade as long as the other party did not report the same."""

    report_id: str
    expires_at: datetime
    trade_id: int = 0
    sequence: int = 0


class Agreements:
    """What parties of trades may ask for.

    Args:
        matching: The core.
        history: What the projector wrote.
        database: Where reviews and reports are kept.
        clock: Tells the time.
        ids: Names reviews and reports.
        user_of: Returns the user ID of an account's number, or None.
    """

    def __init__(
        self, matching: Matching, history: History, database: Database, clock: Clock, ids: Ids,
        user_of: Callable[[Connection, int], str | None],
    ) -> None:  # fmt: skip
        self._matching = matching
        self._history = history
        self._database = database
        self._clock = clock
        self._ids = ids
        self._user_of = user_of
        self._changes = TradeChanges(matching, history)

    async def review(
        self, account: int, user_id: str, trade_id: int, reason: str, effect: Effect[str, M]
    ) -> M:
        """Asks for the review of a trade as clearly wrong; the same party asks once.

        Raises:
            DomainError: TRADE_UNKNOWN, TRADE_ALREADY_CORRECTED, TRADE_REVIEW_WINDOW or
                TRADE_NON_REVIEWABLE_RANGE.
        """
        trade = await self._changes.find(trade_id)
        if account not in {trade.maker_account, trade.taker_account}:
            raise DomainError("TRADE_UNKNOWN", trade_id=trade_id)
        if trade.status != STATUS_EXECUTED:
            raise DomainError("TRADE_ALREADY_CORRECTED")
        now = self._clock.now()
        before, _ = await self._history.read(
            lambda tx: store.price_before(tx, trade_id, trade.instrument), expected=0
        )
        symbol = self._changes.symbol(trade)

        def write(connection: Connection) -> None:
            asked = agreement_store.review_of(connection, trade_id, user_id)
            if asked is None:
                settings = configuration.current(connection, now)
                _check_window(trade, now, settings.integer("trading.bust_window_min"))
                _check_range(trade, before, settings.integer("trading.non_reviewable_ticks"))
                review_id = self._ids.ulid()
                agreement_store.add_review(
                    connection, id=review_id, trade_id=trade_id, requested_by=user_id,
                    requested_at=now, reason=reason,
                )  # fmt: skip
                data = {"trade_id": str(trade_id), "symbol": symbol, "reason": reason}
                told = Announcement(
                    "admin.trade_review", now, role="ADMIN", about=f"trade/{trade_id}", data=data
                )
                announce(connection, told)
            else:
                review_id = asked.id
            effect.record(connection, review_id, resource=f"trade/{trade_id}", reason=reason)

        await self._database.write(write)
        return effect.reply

    async def report(
        self, account: int, user_id: str, block: Block, effect: Effect[Reported, M]
    ) -> M:
        """Notes a block; when the other party reported the same, both together are a trade.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, PRICE_TICK, BLOCK_BELOW_MINIMUM, ACCOUNT_UNKNOWN,
                SELF_TRADE_PREVENTED, or what keeps either account from the trade.
        """
        instrument, price_ticks = self._priced(block)
        counterparty = self._counterparty(account, block.counterparty_id)
        now = self._clock.now()
        same: dict[str, Any] = {
            "instrument": instrument["number"], "price_ticks": price_ticks,
            "quantity_lots": block.quantity_lots, "side": block.side, "account": account,
            "counterparty": counterparty,
        }  # fmt: skip

        def find(connection: Connection) -> Row[Any] | None:
            minimum = configuration.current(connection, now).integer("trading.block_min_lots")
            if block.quantity_lots < minimum:
                raise DomainError("BLOCK_BELOW_MINIMUM", minimum=minimum)
            return agreement_store.report_to_meet(connection, now=now, **same)

        met = await self._database.read(find)
        trade_id = sequence = 0
        if met is not None:
            buys = block.side == types_pb2.SIDE_BUY
            # Named by the report it meets: two calls that meet the same make one trade.
            trade_id, sequence = await self._matching.block_trade(
                instrument["number"], price_ticks=price_ticks, quantity_lots=block.quantity_lots,
                buyer=account if buys else counterparty, seller=counterparty if buys else account,
                key=f"block {met.id}".encode(),
            )  # fmt: skip
        report = Reported(self._ids.ulid(), now + _REPORT_HOLDS, trade_id, sequence)
        resource = f"block/{report.report_id}"

        def write(connection: Connection) -> None:
            if met is not None and not agreement_store.meet(connection, met.id, trade_id):
                raise DomainError("VERSION_CONFLICT", expected="open", actual="met")
            agreement_store.add_report(
                connection, id=report.report_id, reported_by=user_id, reported_at=now,
                expires_at=report.expires_at, trade_id=trade_id, **same,
            )  # fmt: skip
            self._tell(connection, block, account, counterparty, report, now)
            effect.record(connection, report, resource=resource)

        await self._database.write(write)
        return effect.reply

    def _priced(self, block: Block) -> tuple[InstrumentMarket, int]:
        found = self._matching.instruments([block.symbol])
        if not found:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=block.symbol)
        tick = found[0]["tick_size_micro"]
        ticks, rest = divmod(int(Decimal(block.price) * 10**rules.MICRO_DECIMALS), tick)
        if rest:
            raise DomainError("PRICE_TICK", price=block.price, tick=rules.price(1, tick))
        if ticks < 1:
            raise invalid("price", "must be more than 0")
        if block.quantity_lots > _LOTS_MAX:
            raise DomainError("QUANTITY_MAX", quantity=block.quantity_lots, maximum=_LOTS_MAX)
        return found[0], ticks

    def _counterparty(self, account: int, counterparty_id: str) -> int:
        number = None
        if is_ulid(counterparty_id):
            number = self._matching.account_number(ulid_bytes(counterparty_id))
        if not number:
            # Nobody, or the exchange itself.
            raise DomainError("ACCOUNT_UNKNOWN")
        if number == account:
            raise DomainError("SELF_TRADE_PREVENTED")
        return number

    def _tell(
        self, connection: Connection, block: Block, account: int, counterparty: int,
        report: Reported, now: datetime,
    ) -> None:  # fmt: skip
        """Tells the other party that a report waits, or both that it became a trade."""
        kind = "trade.executed" if report.trade_id else "trade.block_reported"
        buys = block.side == types_pb2.SIDE_BUY
        sides = {account: "Bought" if buys else "Sold", counterparty: "Sold" if buys else "Bought"}
        for number, side in sides.items():
            user_id = self._user_of(connection, number)
            if user_id is None or (number == account and not report.trade_id):
                continue
            data = {
                "side": side, "lots": block.quantity_lots, "symbol": block.symbol,
                "price": block.price, "trade_id": str(report.trade_id),
            }  # fmt: skip
            about = f"block/{report.report_id}"
            announce(connection, Announcement(kind, now, user_id, about=about, data=data))


def _check_window(trade: Row[Any], now: datetime, minutes: int) -> None:
    traded_at = datetime.fromtimestamp(trade.trade_time_ns / 10**9, UTC)
    if now > traded_at + timedelta(minutes=minutes):
        raise DomainError("TRADE_REVIEW_WINDOW", minutes=minutes)


def _check_range(trade: Row[Any], before: int | None, ticks: int) -> None:
    """A price near the one before is never clearly wrong; blocks are agreed, not made by error."""
    is_near = before is not None and abs(trade.price_ticks - before) <= ticks
    if is_near or trade.kind == KIND_BLOCK:
        raise DomainError("TRADE_NON_REVIEWABLE_RANGE")
