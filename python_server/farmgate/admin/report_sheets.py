"""What each kind of report tells, as a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from farmgate.admin.report_store import Owner
from farmgate.ports.documents import Column
from farmgate.ports.matching import InstrumentMarket
from farmgate.trading import rules

# Per cent of a market's volume from which an account is a large trader in it, in hundredths.
LARGE_SHARE_CENTI: Final = 1_000
_FORWARD: Final = 2
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """What a report covers: days, both included, and a symbol, or all."""

    first: date
    last: date
    symbol: str

    @property
    def since(self) -> datetime:
        """Returns when it begins."""
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)

    @property
    def until(self) -> datetime:
        """Returns when it is over."""
        after = self.last + timedelta(days=1)
        return datetime(after.year, after.month, after.day, tzinfo=UTC)


Instruments = Mapping[int, InstrumentMarket]
Table = tuple[Sequence[Column], list[list[str]]]


def _columns(*names: str) -> list[Column]:
    """Returns columns; a name that ends in "#" is of numbers."""
    return [Column(name.rstrip("#"), is_number=name.endswith("#")) for name in names]


def volumes(rows: Iterable[Row[Any]], known: Instruments) -> Table:
    """Returns trades, lots and value by day and symbol, with a line of sums by currency."""
    columns = _columns("day", "symbol", "trades#", "lots#", "value#", "currency")
    lines, sums = [], dict[str, list[int]]()
    for row in rows:
        one = known[row.instrument]
        minor = int(row.ticks) * one["tick_value_minor"]
        sums.setdefault(one["quote_asset"], [0, 0])
        sums[one["quote_asset"]][0] += row.trades
        sums[one["quote_asset"]][1] += minor
        lines.append([
            _day(row.day), one["symbol"], str(row.trades), str(int(row.lots)), rules.cash(minor),
            one["quote_asset"],
        ])  # fmt: skip
    for currency, (count, minor) in sorted(sums.items()):
        lines.append(["total", "", str(count), "", rules.cash(minor), currency])
    return columns, lines


def fees(rows: Iterable[Row[Any]], known: Instruments) -> Table:
    """Returns fees by day and symbol, of makers and takers, with a line of sums by currency."""
    columns = _columns(
        "day", "symbol", "trades#", "maker_fees#", "taker_fees#", "fees#", "currency"
    )
    lines, sums = [], dict[str, list[int]]()
    for row in rows:
        one = known[row.instrument]
        maker, taker = int(row.maker_fees), int(row.taker_fees)
        total = sums.setdefault(one["quote_asset"], [0, 0, 0])
        for index, value in enumerate((row.trades, maker, taker)):
            total[index] += value
        lines.append([
            _day(row.day), one["symbol"], str(row.trades), rules.cash(maker), rules.cash(taker),
            rules.cash(maker + taker), one["quote_asset"],
        ])  # fmt: skip
    for currency, (count, maker, taker) in sorted(sums.items()):
        lines.append([
            "total", "", str(count), rules.cash(maker), rules.cash(taker),
            rules.cash(maker + taker), currency,
        ])  # fmt: skip
    return columns, lines


def positions(rows: Iterable[Row[Any]], known: Instruments, owners: Mapping[int, Owner]) -> Table:
    """Returns who is long or short of which forward, by all trades until the last day."""
    columns = _columns("symbol", "user_id", "name", "organization", "bought_lots#", "sold_lots#",
                       "net_lots#")  # fmt: skip
    lines = []
    for row in rows:
        owner, net = owners.get(row.account), int(row.bought) - int(row.sold)
        if owner and net and known[row.instrument]["kind"] == _FORWARD:
            lines.append([
                known[row.instrument]["symbol"], owner.user_id, owner.name, owner.organization,
                str(int(row.bought)), str(int(row.sold)), str(net),
            ])  # fmt: skip
    return columns, lines


def large_traders(
    rows: Sequence[Row[Any]], known: Instruments, owners: Mapping[int, Owner]
) -> Table:
    """Returns who made at least a tenth of a market's volume, the largest share first.

    A trade has two sides, so all shares of a market add up to 100 per cent.
    """
    columns = _columns("symbol", "user_id", "name", "organization", "bought_lots#", "sold_lots#",
                       "share_pct#")  # fmt: skip
    whole: dict[int, int] = {}
    for row in rows:
        whole[row.instrument] = whole.get(row.instrument, 0) + int(row.bought) + int(row.sold)
    found = []
    for row in rows:
        owner, lots = owners.get(row.account), int(row.bought) + int(row.sold)
        share = _share_centi(lots, whole[row.instrument])
        if owner and share >= LARGE_SHARE_CENTI:
            line = [
                known[row.instrument]["symbol"], owner.user_id, owner.name, owner.organization,
                str(int(row.bought)), str(int(row.sold)), rules.decimal(share, 2, 2),
            ]  # fmt: skip
            found.append((line[0], -share, owner.user_id, line))
    return columns, [line for *_, line in sorted(found, key=lambda one: one[:3])]


def kyc(rows: Iterable[Row[Any]]) -> Table:
    """Returns the cases of a time without what was handed in."""
    columns = _columns("case_id", "user_id", "level#", "status", "attempt#", "risk#", "submitted",
                       "decided", "hours#", "expires")  # fmt: skip
    lines = []
    for row in rows:
        took = ""
        if row.submitted_at and row.decided_at and row.decided_at >= row.submitted_at:
            took = str(int((row.decided_at - row.submitted_at).total_seconds()) // 3_600)
        lines.append([
            row.id, row.user_id, str(row.target_level), row.status, str(row.attempts),
            str(row.risk_score), _time(row.submitted_at), _time(row.decided_at), took,
            _time(row.expires_at),
        ])  # fmt: skip
    return columns, lines


def _share_centi(part: int, whole: int) -> int:
    """Returns hundredths of a per cent, rounded half up."""
    return (20_000 * part + whole) // (2 * whole) if whole else 0


def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""
