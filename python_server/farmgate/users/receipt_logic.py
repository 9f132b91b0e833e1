"""Use cases of warehouse receipts: goods in store become a balance, and leave it again.

The receipt is a row before the core is told, under a key of the receipt, so a process that dies in
between leaves nothing lost and nothing twice: `run` goes on where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.db import audit
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.ports.matching import Matching
from farmgate.telemetry.logs import logger
from farmgate.users import farm_rules
from farmgate.users import receipt_rules as rules
from farmgate.users import receipt_store as store
from farmgate.users.reach import Reach
from farmgate.users.receipt_store import Filter, Owner, Receipt

M = TypeVar("M", bound=Serializable)
# Unit in which a commodity is counted; "" for one that is not described.
Units = Callable[[Connection, str], str]

_AT_ONCE: Final = 100
_NUMBER_CHARS: Final = 10
_FINISHING: Final = "farmgate.jobs.receipts/Finish"
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a receipt: at which version, why, and under which key."""

    receipt_id: str
    expected: int
    reason: str = ""
    key: str = ""


class Receipts:
    """Keeps receipts, and the core's balances in step with them.

    Args:
        database: Where they are kept.
        matching: The core.
        clock: Tells the time.
        ids: Names them.
        units: Tells in which unit a commodity is counted.
    """

    def __init__(
        self, database: Database, matching: Matching, clock: Clock, ids: Ids, units: Units
    ) -> None:
        self._database = database
        self._matching = matching
        self._clock = clock
        self._ids = ids
        self._units = units

    async def issue(self, draft: Receipt, effect: Effect[Receipt, M]) -> M:
        """Issues a receipt; its quantity becomes the owner's.

        Raises:
            DomainError: INVALID_ARGUMENT or ACCOUNT_UNKNOWN.
        """
        if draft.asset not in self._matching.assets():
            raise invalid("grade_code", f"must make up something traded; {draft.asset} is not")
        new = self._new(
            replace(draft, storage_paid_to=farm_rules.day("storage_paid_to", draft.storage_paid_to))
        )

        def write(connection: Connection) -> None:
            owner = _owner(connection, new.account_id)
            unit = self._units(connection, new.asset.partition(".")[0])
            if new.unit != unit:
                raise invalid("unit", f"must be {unit or 'that of a commodity'}")
            store.add(connection, new)
            announce(connection, self._told(new, owner))
            effect.record(connection, new, resource=f"receipt/{new.id}")

        await self._database.write(write)
        await self._book_or_leave(new)
        return effect.reply

    async def page(self, reach: Reach, wanted: Filter, *, before: str, limit: int) -> list[Receipt]:
        """Returns receipts of an account, newest first; of all for who sees all and names none.

        Raises:
            DomainError: ACCOUNT_UNKNOWN.
        """

        def read(connection: Connection) -> list[Receipt]:
            if wanted.account_id:
                found = store.owners(connection, [wanted.account_id])
                if not found or not reach.covers(connection, found[0].user_id):
                    raise DomainError("ACCOUNT_UNKNOWN")
            elif not reach.sees_all:
                raise DomainError("ACCOUNT_UNKNOWN")
            return store.page(connection, wanted, before=before, limit=limit)

        return await self._database.read(read)

    async def split(
        self, reach: Reach, wish: Wish, quantities: list[str], effect: Effect[list[Receipt], M]
    ) -> M:
        """Replaces a receipt by its parts.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT, RESOURCE_STATE or INVALID_ARGUMENT.
        """
        parts = [rules.minor("quantities", one) for one in quantities]

        def write(connection: Connection) -> None:
            found = _reached(connection, reach, wish)
            rules.check_live(found.id, found.status, "splitting it", ("ISSUED",))
            if found.booking != "DONE":
                rules.check_live(found.id, "on its way", "splitting it", ())
            rules.check_parts(found.quantity_minor, parts)
            made = self._parts(connection, found, [(found.account_id, one) for one in parts])
            effect.record(connection, made, resource=f"receipt/{found.id}")

        await self._database.write(write)
        return effect.reply

    async def cancel(self, reach: Reach, wish: Wish, effect: Effect[Receipt, M]) -> M:
        """Takes the goods of a receipt out of store, and out of the balance.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT, RESOURCE_STATE, or INSUFFICIENT_INVENTORY
                when the goods were sold or are promised to orders.
        """

        def begin(connection: Connection) -> Receipt:
            found = _reached(connection, reach, wish)
            is_repeat = bool(wish.key) and found.request_key == wish.key
            if is_repeat and (found.status == "CANCELLED" or found.booking == "OUT"):
                return found
            rules.check_live(found.id, found.status, "cancelling it", ("ISSUED",))
            if found.booking != "DONE":
                rules.check_live(found.id, "on its way", "cancelling it", ())
            leaving = replace(found, booking="OUT", request_key=wish.key, version=found.version + 1)
            _put(connection, leaving, found.version)
            return leaving

        leaving = await self._database.write(begin)
        if leaving.booking == "OUT":
            await self._take_out(leaving)

        def finish(connection: Connection) -> None:
            gone = _gone(connection, leaving.id)
            rules.check_live(gone.id, gone.status, "cancelling it", ("CANCELLED",))
            effect.record(connection, gone, resource=f"receipt/{gone.id}", reason=wish.reason)

        await self._database.write(finish)
        return effect.reply

    async def run(self) -> None:
        """Finishes what somebody left in the middle, then gives receipts to who has the goods."""
        now = self._clock.now()
        left = await self._database.read(lambda tx: store.unbooked(tx, limit=_AT_ONCE))
        for one in left:
            if one.booking == "IN":
                await self._book(one)
                continue
            try:
                await self._take_out(one)
            except DomainError as error:
                if error.reason != "INSUFFICIENT_INVENTORY":
                    raise
                continue
            entry = audit.Entry(now, "", "SYSTEM", _FINISHING, f"receipt/{one.id}", "", "")
            await self._database.write(lambda tx: _finished(tx, one.id, entry))  # noqa: B023 - It is written at once.
        await self._hand_over()

    async def _hand_over(self) -> None:
        """Moves receipts of what was sold to who bought it."""
        await self._matching.caught_up()
        sums, owners = await self._database.read(lambda tx: (store.live_sums(tx), store.owners(tx)))
        balances: dict[str, dict[str, int]] = {asset: {} for asset in sums}
        for owner in owners:
            assert owner.number is not None, "Only accounts that are open are listed."
            for asset, total, _ in self._matching.balances(owner.number):
                if total and asset in balances:
                    balances[asset][owner.account_id] = total
        for asset, by_account in sums.items():
            for move in rules.moves(by_account, balances[asset]):
                await self._database.write(lambda tx: self._move(tx, asset, move))  # noqa: B023 - It is written at once.

    def _move(self, connection: Connection, asset: str, move: rules.Move) -> None:
        rest = move.quantity_minor
        target = _owner(connection, move.target)
        for one in store.live(connection, move.source, asset):
            if not rest:
                return
            quantity = min(rest, one.quantity_minor)
            kept = one.quantity_minor - quantity
            parts = [(move.target, quantity)] + ([(one.account_id, kept)] if kept else [])
            made = self._parts(connection, one, parts)
            announce(connection, self._told(made[0], target))
            rest -= quantity

    def _parts(
        self, connection: Connection, whole: Receipt, parts: list[tuple[str, int]]
    ) -> list[Receipt]:
        made = [
            replace(
                self._new(whole), account_id=account_id, quantity_minor=quantity,
                parent_id=whole.id, booking="DONE",
            )
            for account_id, quantity in parts
        ]  # fmt: skip
        status = "SPLIT" if len(parts) > 1 else "DELIVERED"
        spent = replace(whole, status=status, version=whole.version + 1)
        _put(connection, spent, whole.version)
        store.add(connection, *made)
        return made

    def _new(self, draft: Receipt) -> Receipt:
        receipt_id, now = self._ids.ulid(), self._clock.now()
        return replace(
            draft, id=receipt_id, number=f"WR-{now.year}-{receipt_id[-_NUMBER_CHARS:]}",
            status="ISSUED", booking="IN", request_key="", issued_at=now, version=1,
        )  # fmt: skip

    async def _book_or_leave(self, one: Receipt) -> None:
        try:
            await self._book(one)
        except DomainError as error:
            # It is issued and told; the core follows as soon as it can.
            _log.warning("receipt waits", receipt=one.id, reason=error.reason)

    async def _book(self, one: Receipt) -> None:
        await self._transfer(one, one.quantity_minor, "in")
        booked = replace(one, booking="DONE")
        await self._database.write(
            lambda tx: store.replace_receipt(tx, booked, expected_version=one.version)
        )

    async def _take_out(self, one: Receipt) -> None:
        try:
            await self._transfer(one, -one.quantity_minor, f"out/{one.version}")
        except DomainError as error:
            if error.reason != "INSUFFICIENT_FUNDS":
                raise
            back = replace(one, booking="DONE", request_key="", version=one.version + 1)
            await self._database.write(
                lambda tx: store.replace_receipt(tx, back, expected_version=one.version)
            )
            raise DomainError("INSUFFICIENT_INVENTORY", **error.values) from error
        gone = replace(one, booking="DONE", status="CANCELLED", version=one.version + 1)
        await self._database.write(
            lambda tx: store.replace_receipt(tx, gone, expected_version=one.version)
        )

    async def _transfer(self, one: Receipt, amount: int, part: str) -> None:
        owner = await self._database.read(lambda tx: _owner(tx, one.account_id))
        assert owner.number is not None, "It was looked at when the receipt was issued."
        asset = self._matching.assets().index(one.asset) + 1
        key = f"receipt/{one.id}/{part}".encode()
        sequence = await self._matching.transfer(owner.number, asset, amount, key)
        await self._matching.caught_up(sequence)

    def _told(self, one: Receipt, owner: Owner) -> Announcement:
        told = {"number": one.number, "quantity": rules.decimal(one.quantity_minor),
                "unit": one.unit, "asset": one.asset}  # fmt: skip
        return Announcement(
            "receipt.issued", one.issued_at, user_id=owner.user_id, about=one.id, data=told
        )


def _owner(connection: Connection, account_id: str) -> Owner:
    found = store.owners(connection, [account_id])
    if not found or found[0].number is None:
        raise DomainError("ACCOUNT_UNKNOWN")
    return found[0]


def _reached(connection: Connection, reach: Reach, wish: Wish) -> Receipt:
    found = store.receipt(connection, wish.receipt_id)
    if found is not None:
        owner = _owner(connection, found.account_id)
        if reach.covers(connection, owner.user_id):
            if wish.expected not in {0, found.version}:
                raise DomainError("VERSION_CONFLICT", actual=found.version, expected=wish.expected)
            return found
    raise DomainError("NOT_FOUND", resource="receipt", id=wish.receipt_id)


def _put(connection: Connection, one: Receipt, version: int) -> None:
    if not store.replace_receipt(connection, one, expected_version=version):
        found = store.receipt(connection, one.id)
        actual = found.version if found else 0
        raise DomainError("VERSION_CONFLICT", actual=actual, expected=version)


def _gone(connection: Connection, receipt_id: str) -> Receipt:
    found = store.receipt(connection, receipt_id)
    assert found is not None, "Receipts are kept."
    return found


def _finished(connection: Connection, receipt_id: str, entry: audit.Entry) -> None:
    assert _gone(connection, receipt_id).status == "CANCELLED"
    audit.append(connection, entry)
