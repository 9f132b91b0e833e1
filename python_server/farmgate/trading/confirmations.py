"""Confirmations: the trades of an account on one day, their sums, and a hash over all of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Row

from farmgate.api.types.v1 import types_pb2
from farmgate.errors import invalid
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching
from farmgate.trading import rules, statement_rules
from farmgate.trading import statement_store as store
from farmgate.trading.history import History
from farmgate.trading.messages import Instruments
from farmgate.trading.tables import STATUS_CORRECTED

_PAGE: Final = 5_000
_SHOWN_MAX: Final = 2_000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A trade as one of its accounts made it."""

    trade_id: int
    order_id: int
    symbol: str
    side: int
    price: str
    quantity_lots: int
    notional_minor: int
    fee_minor: int
    currency: str
    trade_time_ns: int
    is_corrected: bool

    def told(self) -> dict[str, str]:
        """Returns it as the canonical form has it."""
        return {
            "currency": self.currency,
            "fee": rules.cash(self.fee_minor),
            "notional": rules.cash(self.notional_minor),
            "order_id": str(self.order_id),
            "price": self.price,
            "quantity_lots": str(self.quantity_lots),
            "side": types_pb2.Side.Name(types_pb2.Side.ValueType(self.side)).removeprefix("SIDE_"),
            "symbol": self.symbol,
            "trade_id": str(self.trade_id),
            "trade_time": statement_rules.moment(self.trade_time_ns),
        }


@dataclass(slots=True)
class Total:
    """What trades come to in one currency, in minor units."""

    bought_minor: int = 0
    sold_minor: int = 0
    fees_minor: int = 0


@dataclass(slots=True)
class Confirmation:
    """The trades of a day; of many, the first are here and all are in the hash."""

    account_id: str
    day: date
    trades: list[Confirmed] = field(default_factory=list)
    trade_count: int = 0
    totals: dict[str, Total] = field(default_factory=dict)
    sha256: str = ""

    def add(self, found: Sequence[Confirmed]) -> None:
        """Counts trades in."""
        self.trades += found[: _SHOWN_MAX - len(self.trades)]
        self.trade_count += len(found)
        for one in found:
            total = self.totals.setdefault(one.currency, Total())
            if one.side == types_pb2.SIDE_BUY:
                total.bought_minor += one.notional_minor
            else:
                total.sold_minor += one.notional_minor
            total.fees_minor += one.fee_minor


class Confirmations:
    """Draws confirmations up.

    Args:
        history: The trades.
        matching: The core, which knows the instruments.
        clock: Tells the time.
    """

    def __init__(self, history: History, matching: Matching, clock: Clock) -> None:
        self._history = history
        self._matching = matching
        self._clock = clock
        self._instruments = Instruments(matching)

    async def get(self, account: int, account_id: str, text: str) -> Confirmation:
        """Returns the confirmation of a day.

        Raises:
            DomainError: INVALID_ARGUMENT for what is no day, or one to come.
        """
        day = self._day(text)
        since, until = statement_rules.day_ns(day), statement_rules.day_ns(day + _DAY)
        await self._matching.caught_up()
        (reached, last), _ = await self._history.read(
            lambda tx: store.trade_span(
                tx, account, store.first_at(tx, since) - 1, store.first_at(tx, until) - 1
            ),
            expected=self._matching.applied_sequence(),
        )
        confirmation = Confirmation(account_id, day)
        start, end = _around(account_id, day)
        digest = hashlib.sha256(start.encode())
        reached -= 1
        while True:
            rows, _ = await self._history.read(
                lambda tx, r=reached: store.trades_within(  # type: ignore[misc] # mypy does not see defaults.
                    tx, account, after=r, last=last, limit=_PAGE
                ),
                expected=0,
            )
            found = [self._confirmed(row, account) for row in rows]
            comma = "," if confirmation.trade_count and found else ""
            pieces = ",".join(statement_rules.canonical(one.told()) for one in found)
            digest.update((comma + pieces).encode())
            confirmation.add(found)
            if len(rows) < _PAGE:
                break
            reached = rows[-1].trade_id
        digest.update(end.encode())
        confirmation.sha256 = digest.hexdigest()
        return confirmation

    def _confirmed(self, row: Row[Any], account: int) -> Confirmed:
        instrument = self._instruments.get(row.instrument)
        is_maker = row.maker_account == account
        aggressor = int(row.aggressor)
        other = types_pb2.SIDE_SELL if aggressor == types_pb2.SIDE_BUY else types_pb2.SIDE_BUY
        return Confirmed(
            row.trade_id,
            row.maker_order if is_maker else row.taker_order,
            instrument["symbol"],
            other if is_maker else aggressor,
            rules.price(row.price_ticks, instrument["tick_size_micro"]),
            row.quantity_lots,
            row.price_ticks * row.quantity_lots * instrument["tick_value_minor"],
            row.maker_fee_minor if is_maker else row.taker_fee_minor,
            instrument["quote_asset"],
            row.trade_time_ns,
            row.status == STATUS_CORRECTED,
        )

    def _day(self, text: str) -> date:
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise invalid("trade_date", "must be a day such as 2026-06-01") from error
        if not date(1970, 1, 1) <= day <= self._clock.now().date():
            raise invalid("trade_date", "must not lie in the future, nor before 1970")
        return day


def _around(account_id: str, day: date) -> tuple[str, str]:
    """Returns what comes before and after the trades in the canonical form."""
    text = statement_rules.canonical({
        "account_id": account_id,
        "schema": statement_rules.CONFIRMATION_SCHEMA,
        "trade_date": day.isoformat(),
        "trades": [],
    })  # fmt: skip
    before, mark, after = text.partition('"trades":[')
    return before + mark, after
