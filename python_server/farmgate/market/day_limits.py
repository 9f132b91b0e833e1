"""The prices of a day in force: from the settlement of the day before to the core."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row

from farmgate.db import configuration
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.market import listing_store, settlement, settlement_store, store
from farmgate.market import terms as stated
from farmgate.market.calendars import CALENDARS, DEFAULT
from farmgate.market.settlement_store import DailySettlement
from farmgate.market.terms import Defaults
from farmgate.ports.clock import Clock
from farmgate.ports.matching import InstrumentRules, Matching
from farmgate.users.facade import Users

MANUAL: Final = "MANUAL"
AUDIENCE: Final = ("FARMER", "TRADER", "COOP_MANAGER")
_MICRO: Final = 10**6


class DayLimits:
    """Brings the limits that follow from settlements to the core.

    Args:
        matching: The core.
        database: Where settlements are kept.
        clock: Tells the time.
        users: People, who are told.
    """

    def __init__(self, matching: Matching, database: Database, clock: Clock, users: Users) -> None:
        self._users = users
        self._matching = matching
        self._database = database
        self._clock = clock

    async def apply(self) -> int:
        """Puts the limits in force that are not yet; returns how many.

        The core comes first, so that a process that dies in between does it again.
        """
        pending = await self._database.read(settlement_store.pending)
        if not pending:
            return 0
        sequences = [(row, await self.put_in_force(row)) for row in pending]

        def write(connection: Connection) -> None:
            for row, sequence in sequences:
                settlement_store.in_force(connection, row.symbol, row.business_date, sequence)

        await self._database.write(write)
        return len(pending)

    async def put_in_force(self, row: DailySettlement) -> int:
        """Moves the day's prices of the core; returns the sequence, 1 when nothing is listed."""
        found = self._matching.instruments([row.symbol])
        rules = self._matching.instrument_rules(row.symbol)
        if not found or rules is None:
            return 1
        # Rows of before may reach beyond what the instrument can hold.
        low = min(max(row.next_low_ticks, rules["price_min"]), rules["price_max"])
        high = max(min(row.next_high_ticks, rules["price_max"]), low)
        sequence = await self._matching.set_price_limits(found[0]["number"], low, high)
        await self._matching.caught_up(sequence)
        return sequence

    async def manual(self, symbol: str, day: str, price: str) -> tuple[DailySettlement, bool]:
        """Returns a day's settlement at a price that people chose, and whether no later one is.

        Raises:
            DomainError: INSTRUMENT_UNKNOWN, INVALID_ARGUMENT, PRICE_TICK or PRICE_RANGE.
        """
        row = await self._database.read(lambda tx: listing_store.one(tx, symbol))
        rules = self._matching.instrument_rules(symbol)
        if row is None or rules is None:
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=symbol)
        now = self._clock.now()
        _check_day(row, day, now)
        ticks = stated.ticks_of(price, rules["tick_size_micro"], "price")
        if not rules["price_min"] <= ticks <= rules["price_max"]:
            raise DomainError(
                "PRICE_RANGE", price=price, low=_decimal(rules["price_min"], rules),
                high=_decimal(rules["price_max"], rules),
            )  # fmt: skip

        def make(connection: Connection) -> tuple[DailySettlement, bool]:
            defaults = listing_store.defaults(configuration.current(connection, now))
            return _chosen(connection, row, day, ticks, rules, defaults, now)

        return await self._database.read(make)

    async def open_interest(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """Returns, by forward, the lots bought and not sold again, and who has a position."""
        interest: dict[str, int] = {}
        holders: dict[str, list[int]] = {}
        for account in await self._database.read(self._users.account_numbers):
            for position in self._matching.positions(account):
                symbol, net = position["symbol"], position["net_lots"]
                interest[symbol] = interest.get(symbol, 0) + max(0, net)
                if net:
                    holders.setdefault(symbol, []).append(account)
        return interest, holders

    def tell(
        self, connection: Connection, rows: Iterable[DailySettlement],
        holders: Mapping[str, Sequence[int]],
    ) -> None:  # fmt: skip
        """Tells everybody of settlements at a limit, and who has a position of its settlement.

        Args:
            connection: The transaction.
            rows: What was settled.
            holders: Numbers of the accounts with a position, by symbol.
        """
        now = self._clock.now()
        described = store.descriptions(connection)
        told: list[Announcement] = []
        for row in rows:
            price = settlement_price(row, described[row.symbol].tick_size_micro)
            data = {"symbol": row.symbol, "price": price, "date": row.business_date}
            about = f"{row.symbol}/{row.business_date}/{price}"
            for number in holders.get(row.symbol, ()):
                user = self._users.by_account_number(connection, number)
                if user is not None:
                    kind = "market.settlement_published"
                    told.append(Announcement(kind, now, user.id, about=about, data=data))
            if row.hit_limit != "NONE":
                data |= {"limit": price, "side": row.hit_limit.lower()}
                told += [
                    Announcement("market.price_limit_hit", now, role=role, about=about, data=data)
                    for role in AUDIENCE
                ]
        announce(connection, *told)


def settlement_price(row: DailySettlement, tick_micro: int) -> str:
    """Returns a settlement price as a decimal."""
    whole, rest = divmod(row.settlement_ticks * tick_micro, _MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _decimal(ticks: int, rules: InstrumentRules) -> str:
    whole, rest = divmod(ticks * rules["tick_size_micro"], _MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _check_day(row: Row[Any], day: str, now: datetime) -> None:
    calendar = CALENDARS.get(row.calendar_code, DEFAULT)
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise invalid("business_date", "must be a day of the calendar") from None
    if not calendar.is_open_on(wanted) or calendar.close(wanted) > now:
        raise invalid("business_date", "must be a trading day that is over")


def _chosen(
    connection: Connection, row: Row[Any], day: str, ticks: int, rules: InstrumentRules,
    defaults: Defaults, now: datetime,
) -> tuple[DailySettlement, bool]:  # fmt: skip
    before = settlement_store.before(connection, row.symbol, day, settlement.MEAN_DAYS - 1)
    found = settlement_store.one(connection, row.symbol, day)
    low = found.limit_low_ticks if found else rules["limit_low"]
    high = found.limit_high_ticks if found else rules["limit_high"]
    hit = settlement.hit(ticks, low, high)
    reach = stated.limits_after(
        stated.terms_of(row.terms), defaults, [one.settlement_ticks for one in before] + [ticks],
        rules, is_expanded=hit != "NONE",
    )  # fmt: skip
    is_newest = len(settlement_store.since(connection, row.symbol, day)) <= (found is not None)
    return (
        DailySettlement(
            symbol=row.symbol,
            business_date=day,
            settlement_ticks=ticks,
            tier=MANUAL,
            prior_ticks=before[-1].settlement_ticks if before else 0,
            limit_low_ticks=low,
            limit_high_ticks=high,
            next_low_ticks=reach.low,
            next_high_ticks=reach.high,
            hit_limit=hit,
            open_interest=found.open_interest if found else 0,
            settled_at=now,
        ),
        is_newest,
    )
