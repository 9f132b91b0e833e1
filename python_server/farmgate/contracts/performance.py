"""What goes on by itself: chain and deposits, activation, deadlines, payments."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from farmgate.blockchain.facade import (
    ChainOperations,
    Kind,
    Operation,
    State,
    settlement,
)
from farmgate.contracts import (
    matter_store,
    matters,
    money,
    payments,
    statements,
    store,
    terms,
)
from farmgate.contracts.ending import Ending
from farmgate.contracts.money import (
    DEPOSIT_BUYER,
    DEPOSIT_SELLER,
    PAYMENT,
    RETURN_BUYER,
    RETURN_SELLER,
)
from farmgate.contracts.steps import SYSTEM, Steps, View
from farmgate.contracts.values import (
    ACTIVE,
    BOTH,
    CANCELLED,
    CASH_MINOR,
    DISPUTE,
    PENDING,
    SETTLED,
    SIGNED,
    Contract,
    Statement,
    Transfer,
)
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.unixfs import cid_of

M = TypeVar("M", bound=Serializable)
_RETURNED: Final = {RETURN_SELLER: "seller_held_minor", RETURN_BUYER: "buyer_held_minor"}
# Whether something is due at a time, and the work that does it.
Work = tuple[Callable[[Connection, datetime], bool], Callable[[Connection, datetime], None]]


class Performance:
    """Drives contracts on.

    Args:
        database: Where they are kept.
        steps: Makes steps.
        operations: Asks the chain.
        ending: Ends what nobody signed or paid for.
        work: What else time brings: whether it is due, and what then is done.
    """

    def __init__(
        self, database: Database, steps: Steps, operations: ChainOperations, ending: Ending,
        work: Sequence[Work],
    ) -> None:  # fmt: skip
        self._database = database
        self._steps = steps
        self._operations = operations
        self._ending = ending
        self._work = work

    async def run(self) -> None:
        """Does what is due: activation, deadlines, acceptance by silence."""
        now = self._steps.clock.now()
        due = await self._database.read(lambda tx: self._due(tx, now))
        for contract_id in due:
            await self._database.write(lambda tx, id_=contract_id: self._tick(tx, id_))  # type: ignore[misc] # mypy does not see defaults.
        for is_due, work in self._work:
            if await self._database.read(lambda tx, due=is_due: due(tx, now)):  # type: ignore[misc] # As above.
                await self._database.write(lambda tx, do=work: do(tx, now))  # type: ignore[misc] # As above.

    def _due(self, connection: Connection, now: datetime) -> list[str]:
        """Returns the contracts with which something is to be done."""
        values = configuration.current(connection, now)
        found = store.in_state(connection, (PENDING, SIGNED, ACTIVE))
        return [one.id for one in found if self._is_due(connection, one, values, now)]

    def _is_due(
        self, connection: Connection, contract: Contract, values: configuration.Values,
        now: datetime,
    ) -> bool:  # fmt: skip
        if contract.state == PENDING:
            return contract.sign_by is not None and contract.sign_by <= now
        if contract.state == ACTIVE:
            return contract.settle_agreed == BOTH and self._is_payable(connection, contract)
        return self._is_ready(contract, values) or self._is_overdue(contract, values, now)

    async def activate(self, contract_id: str, reason: str, effect: Effect[View, M]) -> M:
        """Puts a signed contract in force although the chain has not confirmed it.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, DEPOSIT_MISSING or NOT_EFFECTIVE_YET.
        """

        def write(connection: Connection) -> None:
            contract, _ = self._steps.own(connection, contract_id, SYSTEM, "activate", (SIGNED,))
            self._check_ready(contract)
            changed = self._steps.step(
                connection, contract, "contract.active", SYSTEM, state=ACTIVE
            )
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract_id}",
                reason=reason,
            )

        await self._database.write(write)
        return effect.reply

    def on_chain(self, connection: Connection, operation: Operation) -> None:
        """Follows what the chain does with a contract: its newest version counts."""
        if operation.kind not in {Kind.REGISTER, Kind.AMEND}:
            return
        contract = store.contract(connection, operation.reference)
        if contract is None or contract.version != operation.version:
            return
        status = {State.CONFIRMED: "CONFIRMED", State.FAILED: "FAILED", State.REVERTED: "FAILED"}
        found = status.get(operation.state, "PENDING")
        if found == contract.chain_status:
            return
        name = "contract.chain" if operation.kind is Kind.REGISTER else "amendment.chain"
        self._steps.step(
            connection, contract, f"{name}_{found.lower()}", SYSTEM,
            tells=() if found == "PENDING" else (1, 2), chain_status=found,
            transaction_hash=operation.transaction_hash, block_number=operation.block_number,
        )  # fmt: skip

    def on_transfer(self, connection: Connection, transfer: Transfer) -> None:
        """Follows the money of a contract."""
        contract = store.contract(connection, transfer.contract_id)
        assert contract is not None, "Contracts are kept."
        if transfer.kind in {DEPOSIT_SELLER, DEPOSIT_BUYER}:
            name = "seller_held_minor" if transfer.kind == DEPOSIT_SELLER else "buyer_held_minor"
            held: dict[str, Any] = {name: transfer.amount_minor}
            changed = self._steps.step(
                connection, contract, "contract.deposit_held", SYSTEM, tells=(), **held
            )
            if changed.state == CANCELLED:
                # It came while the contract ended.
                money.return_deposits(connection, self._steps, changed)
            return
        if transfer.kind in _RETURNED:
            returned: dict[str, Any] = {_RETURNED[transfer.kind]: 0}
            self._steps.step(
                connection, contract, "contract.deposit_returned", SYSTEM, tells=(), **returned
            )
        if transfer.kind.startswith(PAYMENT):
            self._paid(connection, contract, transfer)

    def _tick(self, connection: Connection, contract_id: str) -> None:
        contract = store.contract(connection, contract_id)
        assert contract is not None, "Contracts are kept."
        now = self._steps.clock.now()
        if contract.state == PENDING and contract.sign_by and contract.sign_by <= now:
            self._ending.expire(connection, contract, SYSTEM)
        elif contract.state == SIGNED:
            self._activate_or_end(connection, contract)
        elif contract.state == ACTIVE and contract.settle_agreed == BOTH:
            self._settle(connection, contract)

    def _activate_or_end(self, connection: Connection, contract: Contract) -> None:
        now = self._steps.clock.now()
        values = configuration.current(connection, now)
        if self._is_ready(contract, values):
            self._steps.step(connection, contract, "contract.active", SYSTEM, state=ACTIVE)
        elif self._is_overdue(contract, values, now):
            self._ending.end(connection, contract, SYSTEM, "DEPOSIT_DEFAULT")

    def _is_ready(self, contract: Contract, values: configuration.Values) -> bool:
        needs_chain = self._operations.is_enabled and values.flag("chain.required")
        if needs_chain and contract.chain_status != "CONFIRMED":
            return False
        try:
            self._check_ready(contract)
        except DomainError:
            return False
        return True

    @staticmethod
    def _is_overdue(contract: Contract, values: configuration.Values, now: datetime) -> bool:
        """Returns whether a deposit is missing after its time."""
        assert contract.signed_at is not None, "It is signed."
        hours = values.integer("contracts.deposit_timeout_h")
        is_held = (
            contract.seller_held_minor >= contract.seller_deposit_minor
            and contract.buyer_held_minor >= contract.buyer_deposit_minor
        )
        return not is_held and now >= contract.signed_at + timedelta(hours=hours)

    def _check_ready(self, contract: Contract) -> None:
        for name in ("seller", "buyer"):
            wanted = getattr(contract, f"{name}_deposit_minor")
            if getattr(contract, f"{name}_held_minor") < wanted:
                raise DomainError("DEPOSIT_MISSING", party=name)
        effective = terms.day("effective_date", contract.message().effective_date)
        if effective and self._steps.clock.now().date() < effective:
            raise DomainError("NOT_EFFECTIVE_YET", effective_date=effective)

    @staticmethod
    def _is_payable(connection: Connection, contract: Contract) -> bool:
        """Returns whether a payment is to be asked for, or all are made."""
        if matters.is_open(connection, contract, DISPUTE):
            return False
        asked = {one.reference for one in store.transfers_of(connection, contract.id)}
        found = _valid(connection, contract)
        return all(one.state == "PAID" for one in found) or any(
            one.state == "FINAL" and one.id not in asked for one in found
        )

    def _settle(self, connection: Connection, contract: Contract) -> None:
        """Asks for the payment of all statements that are final, and ends when all are paid."""
        if matters.is_open(connection, contract, DISPUTE):
            return
        for one in _valid(connection, contract):
            if one.state == "FINAL":
                payments.ask_payment(connection, self._steps, contract, one)
        found = _valid(connection, contract)
        if found and all(one.state == "PAID" for one in found):
            self._end_settled(connection, contract, found[-1])

    def _paid(self, connection: Connection, contract: Contract, transfer: Transfer) -> None:
        statement = store.statement(connection, transfer.reference)
        assert statement is not None, "Statements are kept."
        parts = [
            one for one in store.transfers_of(connection, contract.id)
            if one.reference == statement.id and one.kind.startswith(PAYMENT)
        ]  # fmt: skip
        if any(one.state != "DONE" for one in parts):
            return
        store.put_statement(connection, replace(statement, state="PAID"))
        detail = {
            "statement": statement.number,
            "net": f"{statement.net_minor / CASH_MINOR:.2f}",
            "currency": transfer.asset,
        }
        changed = self._steps.step(connection, contract, "settlement.paid", SYSTEM, detail=detail)
        if changed.settle_agreed == BOTH:
            self._settle(connection, changed)

    def _end_settled(self, connection: Connection, contract: Contract, last: Statement) -> None:
        matters.clear(connection, contract)
        changed = self._steps.step(connection, contract, "contract.settled", SYSTEM, state=SETTLED)
        money.return_deposits(connection, self._steps, changed)
        # What waits for the chain goes there before it, and then this after it.
        if changed.chain_status in {"PENDING", "CONFIRMED"} and self._operations.is_enabled:
            domain = self._operations.signing_domain(connection, changed.id)
            document = statements.Document.FromString(last.document)
            payload = settlement(
                domain, changed.id, statement_hash=bytes.fromhex(last.sha256),
                statement_cid=cid_of(statements.canonical(document)),
                is_short=changed.is_closed_short,
            )  # fmt: skip
            self._operations.request(
                connection, payload, reference=changed.id, user_ids=changed.party_ids
            )


def _valid(connection: Connection, contract: Contract) -> list[Statement]:
    return [one for one in store.statements_of(connection, contract.id) if one.state != "VOID"]


def has_statements_due(connection: Connection, now: datetime) -> bool:
    """Returns whether nobody objected to a statement in time."""
    return bool(store.statements_due(connection, now))


def has_deliveries_due(connection: Connection, now: datetime) -> bool:
    """Returns whether nobody decided a load in time."""
    return bool(store.deliveries_due(connection, now))


def due_of(*kinds: str) -> Callable[[Connection, datetime], bool]:
    """Returns what tells whether the time of a matter of some kinds has come."""
    return lambda connection, now: bool(matter_store.matters_due(connection, kinds, now))
