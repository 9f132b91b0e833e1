"""What people are reminded of, hour by hour: each once, and told by an event of the contract."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.contracts import money, statements, store, terms
from farmgate.contracts.prices import open_legs
from farmgate.contracts.rules import least
from farmgate.contracts.steps import SYSTEM, Steps
from farmgate.contracts.values import (
    ACTIVE,
    BOTH,
    BUYER,
    CASH_MINOR,
    PENDING,
    SELLER,
    SIGNED,
    Contract,
    Signature,
    Statement,
    Transfer,
)
from farmgate.db.engine import Database
from farmgate.jobs.kinds import CONTRACTS, Kind, Run, Schedule

REMIND: Final = Kind("contracts.remind", queue=CONTRACTS)
REMIND_SCHEDULE: Final = Schedule("contract reminders", "5 * * * *", REMIND)
_SIGN_HOURS: Final = (2, 24)
_WINDOW_DAYS: Final = (1, 7)
_PRICING_DAYS: Final = (1, 3, 14)
_SIDES: Final = (SELLER, BUYER)


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something to be told.

    Attributes:
        type: Name of the event.
        mark: What of it, so that it is told once.
        tells: Sides that are told.
        detail: What is mentioned.
    """

    type: str
    mark: str
    tells: tuple[int, ...] = _SIDES
    detail: dict[str, Any] = field(default_factory=dict)


class Reminding:
    """Reminds.

    Args:
        database: Where contracts are kept.
        steps: Tells the parties.
    """

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    async def run(self, run: Run) -> None:
        """Tells what is due, as a job; doing it again tells nothing twice."""
        del run
        found = await self._database.read(
            lambda tx: [one.id for one in store.in_state(tx, (PENDING, SIGNED, ACTIVE))]
        )
        for contract_id in found:
            await self._database.write(lambda tx, id_=contract_id: self.remind(tx, id_))  # type: ignore[misc] # mypy does not see defaults.

    def remind(self, connection: Connection, contract_id: str) -> None:
        """Tells what is due of a contract, in the caller's transaction."""
        contract = store.contract(connection, contract_id)
        assert contract is not None, "Contracts are kept."
        now = self._steps.clock.now()
        told = {
            (event.type, json.loads(event.detail).get("mark"))
            for event in store.events_of_version(connection, contract_id, contract.version)
        }
        for one in _due(connection, contract, now):
            if (one.type, one.mark) not in told:
                detail = {**one.detail, "mark": one.mark}
                self._steps.note(
                    connection, contract, one.type, SYSTEM, now, detail, one.tells
                )  # fmt: skip


def of_signing(
    contract: Contract, signed: Sequence[Signature], now: datetime
) -> Iterator[Reminder]:
    """Yields that a contract is to be signed soon, to who has not: 24 and 2 hours before."""
    assert contract.sign_by is not None, "It was submitted."
    left = contract.sign_by - now
    done = {one.party for one in signed}
    waiting = tuple(side for side in _SIDES if side not in done)
    hours = next((one for one in _SIGN_HOURS if left <= timedelta(hours=one)), None)
    if hours is not None and left > timedelta(0):
        detail = {"sign_by": contract.sign_by.isoformat()}
        yield Reminder("contract.sign_reminder", f"{hours} h", waiting, detail)


def of_delivery(contract: Contract, today: date) -> Iterator[Reminder]:
    """Yields that the window is open, and 7 and 1 days before its end that it closes."""
    stated = contract.message()
    wanted = least(Decimal(stated.quantity), Decimal(stated.tolerance_pct or "0"))
    if contract.delivered >= wanted or contract.settle_agreed == BOTH:
        return
    start, end = date.fromisoformat(contract.delivery_start), contract.delivery_end
    left = (date.fromisoformat(end) - today).days
    if start <= today and left >= 0:
        yield Reminder("contract.delivery_window_open", start.isoformat(), detail={"end": end})
    days = next((one for one in _WINDOW_DAYS if left <= one), None)
    if days is not None and left >= 0:
        yield Reminder("contract.delivery_window_closing", f"{end} {days}", detail={"days": left})


def of_pricing(contract: Contract, today: date) -> Iterator[Reminder]:
    """Yields that the price is to be fixed, to who fixes it: 14, 3 and 1 days before."""
    price = contract.message().price
    deadline = terms.day("deadline", price.pricing_deadline)
    is_done = not open_legs(contract) or Decimal(contract.priced_quantity) >= Decimal(
        contract.quantity
    )
    if deadline is None or is_done:
        return
    left = (deadline - today).days
    days = next((one for one in _PRICING_DAYS if left <= one), None)
    if days is not None and left >= 0:
        pricer = (int(price.pricer) or SELLER,)
        yield Reminder("contract.pricing_deadline", f"{deadline} {days}", pricer, {"days": left})


def of_payment(found: Sequence[Statement], today: date) -> Iterator[Reminder]:
    """Yields that a statement was to be paid, to who pays it."""
    for one in found:
        document = statements.Document.FromString(one.document)
        if one.state in {"ISSUED", "FINAL"} and document.due_date < today.isoformat():
            payer = BUYER if one.net_minor >= 0 else SELLER
            detail = {"statement": one.number, "due": document.due_date}
            yield Reminder("settlement.overdue", one.id, (payer,), detail)


def of_deposits(contract: Contract, found: Sequence[Transfer]) -> Iterator[Reminder]:
    """Yields that a deposit could not be taken, to who owes it."""
    for one in found:
        side = {money.DEPOSIT_SELLER: SELLER, money.DEPOSIT_BUYER: BUYER}.get(one.kind)
        if side and one.state == "QUEUED" and one.attempts:
            amount = f"{Decimal(one.amount_minor) / CASH_MINOR:.2f}"
            detail = {"amount": amount, "currency": contract.message().price.currency}
            yield Reminder("contract.deposit_due", one.kind, (side,), detail)


def _due(connection: Connection, contract: Contract, now: datetime) -> Iterator[Reminder]:
    if contract.state == PENDING:
        signed = store.signatures_of(connection, contract.id, contract.version)
        yield from of_signing(contract, signed, now)
    elif contract.state == SIGNED:
        yield from of_deposits(contract, store.transfers_of(connection, contract.id))
    elif contract.state == ACTIVE:
        yield from of_delivery(contract, now.date())
        yield from of_pricing(contract, now.date())
        yield from of_payment(store.statements_of(connection, contract.id), now.date())
