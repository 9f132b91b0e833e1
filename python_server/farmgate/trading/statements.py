"""Statements of account: drawn up of history, hashed, and kept once their period is over."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection

from farmgate.api.users.v1 import users_pb2
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.jobs.kinds import ACCOUNTS, Kind, Run, Schedule
from farmgate.ports import documents
from farmgate.ports.clock import Clock
from farmgate.ports.documents import Column, Sheet
from farmgate.ports.matching import Matching
from farmgate.trading import rules, statement_rules
from farmgate.trading import statement_store as store
from farmgate.trading.history import History
from farmgate.trading.statement_rules import PERIODS, AssetLine, Line, Place
from farmgate.trading.statement_store import Kept
from farmgate.users.facade import Users

ISSUE: Final = Kind("statements.issue", queue=ACCOUNTS, timeout_s=3_600.0)
# Late enough that what was entered at midnight is history.
ISSUE_SCHEDULE: Final = Schedule("statements.issue", "5 0 * * *", ISSUE)
# Lines that are read at a time.
_PAGE: Final = 5_000
_LINES_MAX: Final = 2_000
_KIND_PREFIX: Final = "LEDGER_ENTRY_KIND_"

# Counts the open contracts of a user.
OpenContracts = Callable[[Connection, str], int]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of account.

    Attributes:
        place: What it covers.
        account_id: ULID of the account.
        balances: What each asset did.
        sha256: Hash of its canonical form; empty when it was not taken.
        created_at: When it was drawn up for good; None while its period is not over.
        lines: The first of its lines.
        head: Its canonical form without lines.
    """

    place: Place
    account_id: str
    balances: list[AssetLine]
    line_count: int
    trade_count: int
    open_contract_count: int
    sha256: str = ""
    created_at: datetime | None = None
    lines: tuple[Line, ...] = ()

    @property
    def head(self) -> str:
        """Returns the canonical form without lines."""
        counts = {"line_count": self.line_count, "trade_count": self.trade_count}
        return statement_rules.head(self.place, self.account_id, self.balances, counts)


class Statements:
    """Draws statements up.

    Args:
        database: Where those of periods that are over are kept.
        history: The movements.
        matching: The core, which knows the assets.
        clock: Tells the time.
        users: Knows whose an account is.
        open_contracts: Counts contracts.
    """

    def __init__(
        self, database: Database, history: History, matching: Matching, clock: Clock,
        users: Users, open_contracts: OpenContracts,
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._matching = matching
        self._clock = clock
        self._users = users
        self._open_contracts = open_contracts

    async def page(
        self, account: int, account_id: str, *, period: int, before: str, limit: int
    ) -> list[Statement]:
        """Returns an account's statements, the newest period first, without lines.

        Those of today and this month tell what was posted so far.
        """
        kept = await self._database.read(
            lambda tx: store.kept_page(tx, account, period=period, before=before, limit=limit)
        )
        found = [_statement(one, account_id) for one in kept]
        for one in PERIODS:
            if period in {0, one}:
                place = await self._current(account, one)
                if place is not None and (not before or place.id < before):
                    found.append(await self._drawn(place, account_id))
        found.sort(key=lambda one: one.place.id, reverse=True)
        return found[:limit]

    async def get(self, place: Place, account_id: str) -> Statement:
        """Returns a statement with its first lines and its hash.

        Raises:
            DomainError: NOT_FOUND.
        """
        kept = await self._kept(place)
        drawn = await self._drawn(place, account_id)
        shown: list[Line] = []
        digest = hashlib.sha256()
        async for text, lines in self._texts(drawn):
            digest.update(text.encode())
            shown += lines[: _LINES_MAX - len(shown)]
        # A difference is no refusal: history or the row was changed by somebody.
        assert kept is None or digest.hexdigest() == kept.sha256, "A statement recomputes."
        return replace(
            drawn,
            sha256=digest.hexdigest(),
            lines=tuple(shown),
            created_at=kept.created_at if kept else None,
            open_contract_count=kept.open_contract_count if kept else drawn.open_contract_count,
        )

    async def texts(self, place: Place, account_id: str) -> AsyncIterator[str]:
        """Yields the canonical form in pieces.

        Raises:
            DomainError: NOT_FOUND.
        """
        await self._kept(place)
        async for text, _ in self._texts(await self._drawn(place, account_id)):
            yield text

    async def table(self, place: Place, account_id: str) -> AsyncIterator[list[tuple[str, ...]]]:
        """Yields the rows of a table: what was there, every line, what is there then.

        Raises:
            DomainError: NOT_FOUND.
        """
        await self._kept(place)
        drawn = await self._drawn(place, account_id)
        rows = statement_rules.csv_rows
        yield list(rows(place, account_id, drawn.balances, is_opening=True))
        async for lines in self._lines(place):
            yield [
                (statement_rules.moment(one.post_time_ns), one.kind, one.asset, one.amount,
                 one.balance, one.reference)
                for one in lines
            ]  # fmt: skip
        yield list(rows(place, account_id, drawn.balances, is_opening=False))

    async def pages(self, place: Place, account_id: str) -> bytes:
        """Returns a statement as a PDF, which is the same every time.

        Raises:
            DomainError: NOT_FOUND, or INVALID_ARGUMENT for more lines than pages are good for.
        """
        statement = await self.get(place, account_id)
        if statement.line_count > _LINES_MAX:
            raise invalid("format", f"must be another one for more than {_LINES_MAX} lines")
        return await asyncio.to_thread(documents.pdf_bytes, _sheet(statement))

    async def issue(self, _run: Run) -> None:
        """Draws up what is over and not drawn up yet; done again it does nothing."""
        await self._matching.caught_up()
        sequence = self._matching.applied_sequence()
        await self._history.read(lambda _tx: None, expected=sequence, required=sequence)
        today = self._clock.now().date()
        for period in PERIODS:
            # The newest period again: a process may have died in the midst of it.
            newest = await self._database.read(lambda tx, p=period: store.newest_start(tx, p))  # type: ignore[misc] # mypy does not see defaults.
            after = -1
            if newest:
                after = await self._before(date.fromisoformat(newest))
            while (start := await self._next(period, after)) and (
                statement_rules.day_after(period, start) <= today
            ):
                after = await self._issue(period, start)

    async def _issue(self, period: int, start: date) -> int:
        """Draws up a period for everybody; returns the last sequence of it."""
        after = await self._before(start)
        through = await self._before(statement_rules.day_after(period, start))
        accounts = await self._history.read(
            lambda tx: store.accounts_within(tx, after, through), expected=0
        )
        for account in accounts[0]:
            found = await self._history.read(
                lambda tx, a=account: store.last_line(tx, a, after, through),  # type: ignore[misc] # mypy does not see defaults.
                expected=0,
            )
            await self._keep(Place(period, start, account, found[0]))
        return through

    async def _keep(self, place: Place) -> None:
        user = await self._database.read(
            lambda tx: self._users.by_account_number(tx, place.account)
        )
        if user is None or user.account_id is None:
            # The exchange's own, or one whose owner left.
            return
        statement = await self.get(place, user.account_id)
        closing = {one.asset: one.closing for one in statement.balances}
        now = self._clock.now()
        kept = Kept(
            place.id, place.account, place.period, place.start.isoformat(), place.end.isoformat(),
            place.through, {code: _minor(code, text) for code, text in closing.items()},
            [[one.asset, one.opening, one.closing, one.fees] for one in statement.balances],
            statement.line_count, statement.trade_count, statement.open_contract_count,
            statement.sha256, now,
        )  # fmt: skip
        told = {"date": kept.start_date, "count": kept.trade_count}

        def write(connection: Connection) -> None:
            is_new = store.keep(connection, kept)
            if is_new and kept.trade_count and place.period == statement_rules.DAILY:
                about = f"confirmation/{place.account}/{kept.start_date}"
                announce(
                    connection,
                    Announcement(
                        "trade.confirmation", now, user_id=user.id, about=about, data=told
                    ),
                )

        await self._database.write(write)

    async def _current(self, account: int, period: int) -> Place | None:
        """Returns the statement of the period under way; None without lines."""
        await self._matching.caught_up()
        start = statement_rules.start_of(period, self._clock.now().date())
        after = await self._before(start)
        through, _ = await self._history.read(
            lambda tx: store.last_line(tx, account, after, 1 << 62),
            expected=self._matching.applied_sequence(),
        )
        return Place(period, start, account, through) if through else None

    async def _kept(self, place: Place) -> Kept | None:
        """Returns the row of a statement; None for one of a period that is not over.

        Raises:
            DomainError: NOT_FOUND when there is no such statement.
        """
        kept = await self._database.read(lambda tx: store.kept(tx, place.id))
        if kept is None:
            after = await self._before(place.start)
            end = await self._before(place.after)
            last, _ = await self._history.read(
                lambda tx: store.last_line(tx, place.account, after, min(place.through, end)),
                expected=place.through,
            )
            if not last or last != place.through:
                raise DomainError("NOT_FOUND", resource="statement", id=place.id)
        return kept

    async def _drawn(self, place: Place, account_id: str) -> Statement:
        after = await self._before(place.start)
        base = await self._database.read(lambda tx: store.newest_through(tx, place.account, after))
        account, through, known = place.account, place.through, base.through if base else 0
        (before, during, trade_count), _ = await self._history.read(
            lambda tx: (
                store.sums(tx, account, known, after),
                store.sums(tx, account, after, through),
                store.traded(tx, account, after, through),
            ),
            expected=through,
        )
        codes = self._matching.assets()
        opening = dict(base.closing) if base else {}
        for one in before:
            code = codes[one.asset - 1]
            opening[code] = opening.get(code, 0) + one.change
        moved = {codes[one.asset - 1]: (one.change, one.fees) for one in during}
        balances = []
        for code in sorted({code for code, total in opening.items() if total} | moved.keys()):
            start, (change, fees) = opening.get(code, 0), moved.get(code, (0, 0))
            texts = (_decimal(code, minor) for minor in (start, start + change, fees))
            balances.append(AssetLine(code, *texts))
        line_count = sum(one.line_count for one in during)
        contracts = await self._database.read(lambda tx: self._contract_count(tx, account))
        return Statement(place, account_id, balances, line_count, trade_count, contracts)

    def _contract_count(self, connection: Connection, account: int) -> int:
        user = self._users.by_account_number(connection, account)
        return self._open_contracts(connection, user.id) if user else 0

    async def _texts(self, statement: Statement) -> AsyncIterator[tuple[str, list[Line]]]:
        before, after = statement_rules.around_lines(statement.head)
        yield before, []
        is_first = True
        async for lines in self._lines(statement.place):
            yield statement_rules.joined(lines, is_first=is_first), lines
            is_first = False
        yield after, []

    async def _lines(self, place: Place) -> AsyncIterator[list[Line]]:
        codes = self._matching.assets()
        reached = (await self._before(place.start), 1 << 30)
        while True:
            rows, _ = await self._history.read(
                lambda tx, r=reached: store.lines(tx, place.account, r, place.through, _PAGE),  # type: ignore[misc] # mypy does not see defaults.
                expected=0,
            )
            if rows:
                yield [
                    Line(
                        row.post_time_ns,
                        users_pb2.LedgerEntryKind.Name(row.kind).removeprefix(_KIND_PREFIX),
                        code := codes[row.asset - 1],
                        _decimal(code, row.total_change),
                        _decimal(code, row.total),
                        str(row.reference) if row.reference else "",
                    )
                    for row in rows
                ]
                reached = (rows[-1].sequence, rows[-1].position)
            if len(rows) < _PAGE:
                return

    async def _before(self, day: date) -> int:
        """Returns the last sequence before a day."""
        at_ns = statement_rules.day_ns(day)
        found, _ = await self._history.read(lambda tx: store.first_at(tx, at_ns), expected=0)
        return found - 1

    async def _next(self, period: int, after: int) -> date | None:
        """Returns the start of the first period with a movement after a sequence."""
        at_ns, _ = await self._history.read(lambda tx: store.time_after(tx, after), expected=0)
        if at_ns is None:
            return None
        return statement_rules.start_of(period, statement_rules.day_of(at_ns))


def _statement(kept: Kept, account_id: str) -> Statement:
    place = Place(kept.period, date.fromisoformat(kept.start_date), kept.account, kept.through)
    return Statement(
        place, account_id, [AssetLine(*one) for one in kept.balances], kept.line_count,
        kept.trade_count, kept.open_contract_count, kept.sha256, kept.created_at,
    )  # fmt: skip


def _sheet(statement: Statement) -> Sheet:
    place = statement.place
    facts = [
        ("Statement", place.id),
        ("Account", statement.account_id),
        ("Period", f"{place.start} to {place.end}, {PERIODS[place.period].lower()}"),
        *(
            (one.asset, f"{one.opening} at the start, {one.closing} at the end, {one.fees} fees")
            for one in statement.balances
        ),
        ("Trades", str(statement.trade_count)),
        ("SHA-256 of the JSON file", statement.sha256),
    ]
    columns = [
        Column("time"), Column("kind"), Column("asset"), Column("amount", is_number=True),
        Column("balance", is_number=True), Column("reference", is_number=True),
    ]  # fmt: skip
    rows = [
        (statement_rules.moment(line.post_time_ns)[:19], line.kind, line.asset, line.amount,
         line.balance, line.reference)
        for line in statement.lines
    ]  # fmt: skip
    # Dated by what it covers and not by when it was asked for: its bytes are the same each time.
    dated = datetime(place.end.year, place.end.month, place.end.day, tzinfo=UTC)
    return Sheet("Statement of account", facts, columns, rows, dated)


def _decimal(asset: str, minor: int) -> str:
    scale = rules.scale_of(asset)
    return rules.decimal(minor, scale, scale)


def _minor(asset: str, text: str) -> int:
    whole, _, fraction = text.partition(".")
    assert len(fraction) == rules.scale_of(asset), "Amounts are told with all decimals."
    return int(whole + fraction)
