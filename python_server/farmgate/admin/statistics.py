"""The exchange in figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from farmgate.admin import store
from farmgate.db.engine import Database
from farmgate.errors import invalid
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching
from farmgate.ports.matching_shapes import InstrumentMarket
from farmgate.trading.facade import History
from farmgate.users.facade import Users

_NS = 10**9
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """An instrument's trading in the time asked for; money in 1e-4 of the currency."""

    market: InstrumentMarket
    trades: int
    lots: int
    notional_minor: int
    open_orders: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the exchange counts.

    Attributes:
        users: Role, all, active ones, those who signed in within a day.
        fees: Fees by currency, in 1e-4 of it.
        counts: Further counts that modules give, by name.
        reached: Sequence that the history shows.
        sequence: Sequence of the core.
    """

    users: list[tuple[str, int, int, int]]
    markets: list[MarketFigures]
    fees: dict[str, int]
    orders: int
    trades: int
    reached: int
    sequence: int
    counts: Mapping[str, int] = field(default_factory=dict)
    by_state: Mapping[str, int] = field(default_factory=dict)


# A module's counts, read in a transaction of the database.
Counter = Callable[[Connection], dict[str, Any]]


class Statistics:
    """Counts.

    Args:
        database: Where people are kept.
        history: What the projector wrote.
        matching: The core.
        users: People.
        clock: Tells the time.
        counters: What modules count.
    """

    def __init__(
        self, database: Database, history: History, matching: Matching, users: Users, clock: Clock,
        counters: list[Counter],
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._matching = matching
        self._users = users
        self._clock = clock
        self._counters = counters

    @property
    def now(self) -> datetime:
        """Returns the time."""
        return self._clock.now()

    async def figures(self, from_date: str, to_date: str) -> Figures:
        """Returns the figures from one day to another, both included; empty means today.

        Raises:
            DomainError: INVALID_ARGUMENT.
        """
        now = self._clock.now()
        first = _day("from_date", from_date) or now.date()
        last = _day("to_date", to_date) or max(first, now.date())
        if last < first:
            raise invalid("to_date", "must not be before from_date")
        since, until = _ns(first), _ns(last + _DAY)
        await self._matching.caught_up()
        sequence = self._matching.applied_sequence()
        read, reached = await self._history.read(
            lambda tx: (
                store.trade_figures(tx, since, until),
                store.open_orders(tx),
                store.order_count(tx, since, until),
            ),
            expected=sequence,
        )
        traded, open_orders, order_count = read
        users, counts = await self._database.read(
            lambda tx: (
                self._users.figures(tx, now - _DAY),
                {name: n for count in self._counters for name, n in count(tx).items()},
            )
        )
        by_number = {row[0]: row for row in traded}
        markets, fees = [], dict[str, int]()
        for market in self._matching.instruments():
            _, trades, lots, ticks, fee = by_number.get(market["number"], (0, 0, 0, 0, 0))
            count = open_orders.get(market["number"], 0)
            notional = ticks * market["tick_value_minor"]
            if trades or count:
                markets.append(MarketFigures(market, trades, lots, notional, count))
            if fee:
                fees[market["quote_asset"]] = fees.get(market["quote_asset"], 0) + fee
        by_state = counts.pop("contracts", {})
        return Figures(
            users, markets, fees, order_count, sum(row[1] for row in traded), reached, sequence,
            counts, by_state,
        )  # fmt: skip


def _day(field_name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise invalid(field_name, "must be a day such as 2026-06-01") from error


def _ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _NS
