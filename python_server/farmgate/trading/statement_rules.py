"""What a statement is called, what it covers, and the form that its hash is taken of.

A statement's ID says what it covers: the milliseconds of a ULID are the start of its period, and
its 80 bits are the kind of period, the account's number, and the sequence of its last line. So a
statement needs no row to be asked for, and one ID always names the same lines.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from farmgate.ports.ids import encode, is_ulid, ulid_bytes

DAILY: Final = 1
MONTHLY: Final = 2
PERIODS: Final = {DAILY: "DAILY", MONTHLY: "MONTHLY"}
SCHEMA: Final = "farmgate.statement/1"
CONFIRMATION_SCHEMA: Final = "farmgate.confirmation/1"
_NS: Final = 10**9
_DAY: Final = timedelta(days=1)
_SEQUENCE_BITS: Final = 47
_ACCOUNT_BITS: Final = 32
_STAMP_SHIFT: Final = 80
_LINES: Final = '"lines":['


@dataclass(frozen=True, slots=True)
class Place:
    """What a statement covers.

    Attributes:
        period: DAILY or MONTHLY.
        start: First day.
        account: Number of the account in the core.
        through: Journal sequence of the last line.
    """

    period: int
    start: date
    account: int
    through: int

    @property
    def id(self) -> str:
        """Returns the statement's ID."""
        bits = (self.period - 1) << _ACCOUNT_BITS | self.account
        stamp_ms = day_ns(self.start) // 10**6
        return encode(stamp_ms << _STAMP_SHIFT | bits << _SEQUENCE_BITS | self.through)

    @property
    def after(self) -> date:
        """Returns the first day after the period."""
        return day_after(self.period, self.start)

    @property
    def end(self) -> date:
        """Returns the last day."""
        return self.after - _DAY


def place_of(statement_id: str) -> Place | None:
    """Returns what a statement of this ID would cover; None for an ID that is none."""
    if not is_ulid(statement_id):
        return None
    value = int.from_bytes(ulid_bytes(statement_id), "big")
    seconds, rest = divmod(value >> _STAMP_SHIFT, 1_000)
    try:
        start = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):
        return None
    bits = value & (1 << _STAMP_SHIFT) - 1
    account = bits >> _SEQUENCE_BITS & (1 << _ACCOUNT_BITS) - 1
    period = (bits >> _SEQUENCE_BITS + _ACCOUNT_BITS) + 1
    place = Place(period, start.date(), account, bits & (1 << _SEQUENCE_BITS) - 1)
    is_start = start == _midnight(place.start) and start_of(period, place.start) == place.start
    return place if is_start and not rest else None


def start_of(period: int, day: date) -> date:
    """Returns the first day of the period that a day lies in."""
    return day if period == DAILY else day.replace(day=1)


def day_after(period: int, start: date) -> date:
    """Returns the first day after the period that starts on a day."""
    if period == DAILY:
        return start + _DAY
    return (start.replace(day=28) + 4 * _DAY).replace(day=1)


def day_ns(day: date) -> int:
    """Returns the start of a day in UTC, in nanoseconds since 1970."""
    return int(_midnight(day).timestamp()) * _NS


def day_of(time_ns: int) -> date:
    """Returns the day of a time, in UTC."""
    return datetime.fromtimestamp(time_ns // _NS, UTC).date()


def moment(time_ns: int) -> str:
    """Returns a time as canonical forms tell it, to the nanosecond."""
    seconds, rest = divmod(time_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def canonical(value: Any) -> str:
    """Returns JSON with sorted keys and without blanks; numbers are texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Line:
    """A movement of a balance, as text."""

    post_time_ns: int
    kind: str
    asset: str
    amount: str
    balance: str
    reference: str

    def told(self) -> dict[str, str]:
        """Returns it as the canonical form has it."""
        return {
            "amount": self.amount,
            "asset": self.asset,
            "balance": self.balance,
            "kind": self.kind,
            "post_time": moment(self.post_time_ns),
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True)
class AssetLine:
    """An asset over a period, as text."""

    asset: str
    opening: str
    closing: str
    fees: str


def head(
    place: Place, account_id: str, balances: Sequence[AssetLine], counts: Mapping[str, int]
) -> str:
    """Returns the canonical form of a statement without its lines."""
    return canonical({
        "account_id": account_id,
        "balances": [
            {"asset": b.asset, "closing": b.closing, "fees": b.fees, "opening": b.opening}
            for b in balances
        ],
        "end_date": place.end.isoformat(),
        "lines": [],
        "period": PERIODS[place.period],
        "schema": SCHEMA,
        "start_date": place.start.isoformat(),
        "statement_id": place.id,
        "through_sequence": str(place.through),
        **{name: str(count) for name, count in counts.items()},
    })  # fmt: skip


def around_lines(text: str) -> tuple[str, str]:
    """Returns what comes before and after the lines in a canonical form without them."""
    before, mark, after = text.partition(_LINES)
    assert mark, "A canonical form has a place for its lines."
    return before + mark, after


def joined(lines: Iterable[Line], *, is_first: bool) -> str:
    """Returns lines in canonical form, with the comma before them unless they are the first."""
    text = ",".join(canonical(line.told()) for line in lines)
    return text if is_first or not text else "," + text


def csv_rows(
    place: Place, account_id: str, balances: Sequence[AssetLine], *, is_opening: bool
) -> Iterator[tuple[str, ...]]:
    """Yields the rows before the lines, or those after them, in a table."""
    day = (place.start if is_opening else place.after).isoformat()
    for one in balances:
        kind, value = ("OPENING", one.opening) if is_opening else ("CLOSING", one.closing)
        yield (f"{day}T00:00:00.000000000Z", kind, one.asset, "", value, account_id)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
