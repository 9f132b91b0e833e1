"""Use cases of settlement: statements line by line, and agreeing that all is done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import settlements_pb2
from farmgate.blockchain.facade import Library
from farmgate.contracts import matters, statements, store
from farmgate.contracts.prices import is_priced, unit_price
from farmgate.contracts.rules import least
from farmgate.contracts.steps import SYSTEM, Actor, Steps, View, other
from farmgate.contracts.timetable import require_choice
from farmgate.contracts.values import (
    ACTIVE,
    AMENDMENT,
    BOTH,
    BUYER,
    CASH_MINOR,
    DEFAULT,
    DISPUTE,
    FORCE_MAJEURE,
    SELLER,
    SETTLED,
    Contract,
    Delivery,
    Statement,
)
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Document = settlements_pb2.SettlementStatement


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far both agree to settle."""

    view: View
    is_settled: bool
    waiting_for: int


class Settlement:
    """Draws up statements and settles contracts.

    Args:
        database: Where they are kept.
        steps: Makes steps.
        library: Keeps statements.
    """

    def __init__(self, database: Database, steps: Steps, library: Library) -> None:
        self._database = database
        self._steps = steps
        self._library = library

    async def preview(self, actor: Actor, contract_id: str, assumed: str) -> Document:
        """Returns the statement over what was delivered and not stated yet, without issuing it.

        Raises:
            DomainError: NOT_A_PARTY or NOT_PRICED.
        """

        def read(connection: Connection) -> Document:
            contract = self._steps.found(connection, contract_id, actor)
            price = unit_price(connection, contract)
            if price is None and assumed:
                price = Decimal(assumed)
            today = self._steps.clock.now().date()
            loads = statements.open_loads(connection, contract)
            return statements.drawn(connection, contract, price, loads, today)

        return await self._database.read(read)

    async def issue(
        self, actor: Actor, contract_id: str, effect: Effect[Statement, M], *, is_last: bool = False
    ) -> M:
        """Issues a statement over what was delivered since the last one.

        Args:
            actor: Who issues it.
            contract_id: The contract.
            effect: Takes the statement.
            is_last: Whether the contract is settled once this statement is final.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, NOT_PRICED, OPEN_DISPUTE, OPEN_AMENDMENT,
                FM_SUSPENDED, INVALID_ARGUMENT, or RESOURCE_STATE when there is nothing to state.
        """

        def write(connection: Connection) -> None:
            contract, _ = self._steps.own(connection, contract_id, actor, "issue", (ACTIVE,))
            loads = statements.open_loads(connection, contract)
            if is_last:
                self._check_end(connection, contract)
                self._is_short(contract, "")
            if not loads:
                raise DomainError(
                    "RESOURCE_STATE", resource="contract", id=contract.label,
                    state="without deliveries that were not stated", action="a statement",
                )  # fmt: skip
            statement = self.issued(connection, contract, actor, is_last=is_last)
            effect.record(connection, statement, resource=f"statement/{statement.id}")

        await self._database.write(write)
        return effect.reply

    async def page(self, actor: Actor, contract_id: str) -> list[Statement]:
        """Returns the statements on a contract.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[Statement]:
            self._steps.found(connection, contract_id, actor)
            return store.statements_of(connection, contract_id)

        return await self._database.read(read)

    async def accept(
        self, actor: Actor, contract_id: str, statement_id: str, sha256: str,
        effect: Effect[Statement, M],
    ) -> M:  # fmt: skip
        """Accepts a statement; with both it is final.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, STATEMENT_STALE, OPEN_DISPUTE or RESOURCE_STATE.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(connection, contract_id, actor, "accept", (ACTIVE,))
            found = store.statement(connection, statement_id)
            if found is None or found.contract_id != contract_id:
                raise DomainError("NOT_FOUND", resource="statement", id=statement_id)
            if found.sha256 != sha256:
                raise DomainError("STATEMENT_STALE")
            if found.state != "ISSUED":
                raise DomainError(
                    "RESOURCE_STATE", resource="statement", id=statement_id, state=found.state,
                    action="accepting",
                )  # fmt: skip
            matters.refuse_while(connection, contract, "accepting", {DISPUTE})
            agreed = found.agreed | party
            changed = replace(found, agreed=agreed)
            self._accepted(connection, contract, changed, actor, tells=(other(party),))
            changed = store.statement(connection, statement_id) or changed
            effect.record(connection, changed, resource=f"statement/{statement_id}")

        await self._database.write(write)
        return effect.reply

    async def settle(
        self, actor: Actor, contract_id: str, reason: str, statement_id: str, expected: int,
        effect: Effect[Agreement, M],
    ) -> M:  # fmt: skip
        """Agrees that all is delivered, stated and to be paid; with both it is paid and settled.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, NOT_PRICED,
                STATEMENT_STALE, OPEN_DISPUTE, OPEN_AMENDMENT, FM_SUSPENDED, RESOURCE_STATE or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "settle", (ACTIVE,), expected
            )
            self._check_end(connection, contract, reason)
            is_short = self._is_short(contract, reason, connection, party)
            self._check_stated(connection, contract, statement_id)
            agreed = BOTH if reason == "FORCE_MAJEURE" else contract.settle_agreed | party
            changed = self._steps.step(
                connection, contract, "contract.settle_agreed", actor,
                detail={"reason": reason}, tells=(other(party),), settle_agreed=agreed,
                is_closed_short=is_short,
            )  # fmt: skip
            view = self._steps.view(connection, changed)
            done = Agreement(view, changed.state == SETTLED, BOTH & ~agreed)
            effect.record(connection, done, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    def issued(
        self, connection: Connection, contract: Contract, actor: Actor, *, is_last: bool = False
    ) -> Statement:
        """Issues a statement over the open loads in the caller's transaction; as `issue`."""
        if not is_priced(contract):
            raise DomainError("NOT_PRICED")
        loads = statements.open_loads(connection, contract)
        document = statements.drawn(
            connection, contract, unit_price(connection, contract), loads,
            self._steps.clock.now().date(),
        )  # fmt: skip
        made = statements.issued(
            connection, self._steps, contract, document, loads, is_last=is_last
        )
        self._keep(connection, contract, made)
        self._told(connection, contract, made, actor)
        return made

    def corrected(
        self, connection: Connection, contract: Contract, statement_id: str, amount: Decimal, *,
        to: int, note: str,
    ) -> None:  # fmt: skip
        """Carries a ruling out: the disputed statement anew with a penalty, or one of its own."""
        disputed = store.statement(connection, statement_id) if statement_id else None
        if disputed is None and not amount:
            return
        if disputed is None:
            today = self._steps.clock.now().date()
            document = statements.drawn(connection, contract, Decimal(0), (), today)
            loads: list[Delivery] = []
        elif not amount:
            # The claim was rejected: what was stated holds, and a ruling is final.
            self._accepted(
                connection, contract, replace(disputed, agreed=BOTH), SYSTEM, tells=(SELLER, BUYER)
            )
            return
        else:
            store.put_statement(connection, replace(disputed, state="VOID"))
            loads = statements.loads_of(connection, disputed)
            document = Document.FromString(disputed.document)
        document = statements.penalised(document, amount, to=to, note=note)
        made = statements.issued(
            connection, self._steps, contract, document, loads, state="FINAL",
            is_last=disputed is not None and disputed.is_last,
        )  # fmt: skip
        self._keep(connection, contract, made)
        self._told(connection, contract, made, SYSTEM)
        if made.is_last:
            self._agree(connection, contract.id)

    def undisputed(self, connection: Connection, contract: Contract, statement_id: str) -> None:
        """Takes a statement up again whose dispute was withdrawn."""
        found = store.statement(connection, statement_id) if statement_id else None
        if found is not None and found.state == "DISPUTED":
            assert found.contract_id == contract.id, "It is a statement of the contract."
            store.put_statement(connection, replace(found, state="ISSUED"))

    def silence(self, connection: Connection) -> None:
        """Takes statements to which nobody objected in time as accepted."""
        for one in store.statements_due(connection, self._steps.clock.now()):
            contract = store.contract(connection, one.contract_id)
            assert contract is not None, "Contracts are kept."
            # Nothing becomes final while something is disputed.
            if not matters.is_open(connection, contract, DISPUTE):
                self._accepted(
                    connection, contract, replace(one, agreed=BOTH), SYSTEM, tells=(SELLER, BUYER)
                )

    def _accepted(
        self, connection: Connection, contract: Contract, statement: Statement, actor: Actor, *,
        tells: Sequence[int],
    ) -> None:  # fmt: skip
        is_final = statement.agreed == BOTH
        store.put_statement(connection, replace(statement, state="FINAL" if is_final else "ISSUED"))
        self._steps.step(
            connection, contract, "settlement.accepted", actor,
            detail={"statement": statement.number}, tells=tells,
        )  # fmt: skip
        if is_final and statement.is_last:
            self._agree(connection, contract.id)

    def _agree(self, connection: Connection, contract_id: str) -> None:
        """Notes that the last statement is final: with it both agreed to settle."""
        contract = store.contract(connection, contract_id)
        assert contract is not None, "Contracts are kept."
        self._steps.step(
            connection, contract, "contract.settle_agreed", SYSTEM, tells=(), settle_agreed=BOTH
        )

    def _keep(self, connection: Connection, contract: Contract, statement: Statement) -> None:
        """Keeps the canonical form where both parties find it."""
        data = statements.canonical(Document.FromString(statement.document))
        prepared = self._library.prepare_for_parties(data, media_type="application/json")
        self._library.record(connection, prepared, contract_id=contract.id)

    def _told(
        self, connection: Connection, contract: Contract, statement: Statement, actor: Actor
    ) -> None:
        detail = {
            "statement": statement.number, "net": f"{statement.net_minor / CASH_MINOR:.2f}",
            "currency": contract.message().price.currency, "statement_id": statement.id,
        }  # fmt: skip
        self._steps.step(connection, contract, "settlement.issued", actor, detail=detail)

    def _check_end(self, connection: Connection, contract: Contract, reason: str = "") -> None:
        kinds = {DISPUTE, AMENDMENT, DEFAULT}
        # A washout ends a suspension, and so does who may not wait any longer.
        matters.refuse_while(
            connection, contract, "settling", kinds if reason else {*kinds, FORCE_MAJEURE}
        )

    def _is_short(
        self, contract: Contract, reason: str, connection: Connection | None = None, party: int = 0
    ) -> bool:
        stated = contract.message()
        if not is_priced(contract):
            raise DomainError("NOT_PRICED")
        wanted = least(Decimal(stated.quantity), Decimal(stated.tolerance_pct or "0"))
        if contract.delivered >= wanted:
            if reason:
                raise invalid("closing_reason", "must be unset: enough was delivered")
            return False
        if reason == "FORCE_MAJEURE" and connection is not None:
            require_choice(connection, contract, party, self._steps.clock.now())
        elif reason != "WASHOUT":
            raise invalid(
                "closing_reason", "must be WASHOUT, on which both agree: not enough was delivered"
            )
        return True

    def _check_stated(self, connection: Connection, contract: Contract, statement_id: str) -> None:
        found = store.statements_of(connection, contract.id)
        if not found or statements.open_loads(connection, contract):
            raise DomainError(
                "RESOURCE_STATE", resource="contract", id=contract.label,
                state="with deliveries that were not stated", action="settling",
            )  # fmt: skip
        if statement_id and found[-1].id != statement_id:
            raise DomainError("STATEMENT_STALE")
        waiting = [one for one in found if one.state == "ISSUED"]
        if waiting:
            raise DomainError(
                "RESOURCE_STATE", resource="statement", id=waiting[0].id, state="not accepted",
                action="settling",
            )  # fmt: skip
