"""Use cases of settlement: statements line by line, and agreeing that all is done."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import settlements_pb2
from farmgate.contracts import store, tickets
from farmgate.contracts.loads import Message, ticket_of
from farmgate.contracts.rules import least
from farmgate.contracts.steps import Actor, Steps, View, other, unit_price
from farmgate.contracts.values import (
    ACTIVE,
    BOTH,
    CASH_MINOR,
    SETTLED,
    Contract,
    Delivery,
    Statement,
)
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Document = settlements_pb2.SettlementStatement
LineKind: TypeAlias = settlements_pb2.SettlementLineKind.ValueType
_SATURDAY: Final = 5
_DUE_DAYS: Final = {2: 7, 3: 14, 4: 30}
_DEFERRED: Final = 5


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
    """

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

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
            return self._drawn(connection, contract, price, _open(connection, contract))

        return await self._database.read(read)

    async def issue(self, actor: Actor, contract_id: str, effect: Effect[Statement, M]) -> M:
        """Issues a statement over what was delivered since the last one.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, NOT_PRICED, or RESOURCE_STATE when there is
                nothing to state.
        """

        def write(connection: Connection) -> None:
            contract, _ = self._steps.own(connection, contract_id, actor, "issue", (ACTIVE,))
            loads = _open(connection, contract)
            if not loads:
                raise DomainError(
                    "RESOURCE_STATE", resource="contract", id=contract.label,
                    state="without deliveries that were not stated", action="a statement",
                )  # fmt: skip
            document = self._drawn(connection, contract, unit_price(connection, contract), loads)
            statement = self._kept(connection, contract, document, loads)
            detail = {
                "statement": statement.number, "net": document.net, "currency": document.currency,
                "statement_id": statement.id,
            }  # fmt: skip
            self._steps.step(connection, contract, "settlement.issued", actor, detail=detail)
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
            DomainError: NOT_A_PARTY, NOT_FOUND, STATEMENT_STALE or RESOURCE_STATE.
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
            agreed = found.agreed | party
            changed = replace(found, agreed=agreed, state="FINAL" if agreed == BOTH else "ISSUED")
            store.put_statement(connection, changed)
            self._steps.step(
                connection, contract, "settlement.accepted", actor,
                detail={"statement": found.number}, tells=(other(party),),
            )  # fmt: skip
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
                STATEMENT_STALE, RESOURCE_STATE or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "settle", (ACTIVE,), expected
            )
            is_short = self._is_short(connection, contract, reason)
            statements = store.statements_of(connection, contract_id)
            if not statements or _open(connection, contract):
                raise DomainError(
                    "RESOURCE_STATE", resource="contract", id=contract.label,
                    state="with deliveries that were not stated", action="settling",
                )  # fmt: skip
            if statement_id and statements[-1].id != statement_id:
                raise DomainError("STATEMENT_STALE")
            waiting = [one for one in statements if one.state == "ISSUED"]
            if waiting:
                raise DomainError(
                    "RESOURCE_STATE", resource="statement", id=waiting[0].id, state="not accepted",
                    action="settling",
                )  # fmt: skip
            agreed = contract.settle_agreed | party
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

    def _is_short(self, connection: Connection, contract: Contract, reason: str) -> bool:
        stated = contract.message()
        if unit_price(connection, contract) is None:
            raise DomainError("NOT_PRICED")
        wanted = least(Decimal(stated.quantity), Decimal(stated.tolerance_pct or "0"))
        if contract.delivered >= wanted:
            if reason:
                raise invalid("closing_reason", "must be unset: enough was delivered")
            return False
        if reason != "WASHOUT":
            raise invalid(
                "closing_reason", "must be WASHOUT, on which both agree: not enough was delivered"
            )
        return True

    def _drawn(
        self, connection: Connection, contract: Contract, price: Decimal | None,
        loads: Sequence[Delivery],
    ) -> Document:  # fmt: skip
        if price is None:
            raise DomainError("NOT_PRICED")
        document = Document(contract_id=contract.id, currency=contract.message().price.currency)
        gross = adjustments = Decimal(0)
        for load in loads:
            message = Message.FromString(load.document)
            computed = ticket_of(connection, contract, message)
            ticket = replace(computed, units=Decimal(load.applied_quantity))
            goods, discount, drying = tickets.amounts(ticket, price)
            _line(
                document,
                settlements_pb2.SETTLEMENT_LINE_KIND_GOODS,
                load,
                ticket.units,
                price,
                goods,
            )
            if ticket.shrink_pct:
                taken = ticket.net * ticket.shrink_pct / 100
                _line(
                    document, settlements_pb2.SETTLEMENT_LINE_KIND_SHRINK_INFO, load, taken,
                    Decimal(0), Decimal(0), rule=f"{ticket.shrink_pct} %",
                )  # fmt: skip
            if discount:
                _line(
                    document, settlements_pb2.SETTLEMENT_LINE_KIND_DISCOUNT, load, ticket.units,
                    -ticket.discount, -discount,
                )  # fmt: skip
            if drying:
                _line(
                    document, settlements_pb2.SETTLEMENT_LINE_KIND_DRYING, load, ticket.units,
                    -ticket.drying, -drying,
                )  # fmt: skip
            gross += goods
            adjustments -= discount + drying
        document.gross = f"{gross:.2f}"
        document.adjustments = f"{adjustments:.2f}"
        document.fees = "0.00"
        document.net = f"{gross + adjustments:.2f}"
        document.due_date = self._due(contract).isoformat()
        return document

    def _kept(
        self, connection: Connection, contract: Contract, document: Document,
        loads: Sequence[Delivery],
    ) -> Statement:  # fmt: skip
        now = self._steps.clock.now()
        values = configuration.current(connection, now)
        document.statement_id = self._steps.ids.ulid()
        document.number = len(store.statements_of(connection, contract.id)) + 1
        document.issue_time.FromDatetime(now)
        data = document.SerializeToString(deterministic=True)
        statement = Statement(
            document.statement_id, contract.id, document.number, "ISSUED", data,
            hashlib.sha256(data).hexdigest(), int(Decimal(document.net) * CASH_MINOR), 0,
            business_days(now, values.integer("contracts.acceptance_days")), now,
        )  # fmt: skip
        store.put_statement(connection, statement, is_new=True)
        for load in loads:
            store.put_delivery(
                connection, replace(load, statement_id=statement.id, version=load.version + 1)
            )
        return statement

    def _due(self, contract: Contract) -> date:
        payment = contract.message().payment
        today = self._steps.clock.now().date()
        if payment.timing == _DEFERRED and payment.due_date:
            return date.fromisoformat(payment.due_date)
        return today + timedelta(days=_DUE_DAYS.get(payment.timing, 0))


def business_days(start: datetime, count: int) -> datetime:
    """Returns the time a number of days later, Saturdays and Sundays not counted."""
    at = start
    while count:
        at += timedelta(days=1)
        count -= at.weekday() < _SATURDAY
    return at


def _open(connection: Connection, contract: Contract) -> list[Delivery]:
    """Returns the loads that count and are in no statement."""
    applied = store.deliveries_of(connection, contract.id, "APPLIED")
    return [one for one in applied if not one.statement_id]


def _line(
    document: Document, kind: LineKind, load: Delivery, quantity: Decimal,
    price: Decimal, amount: Decimal, *, rule: str = "",
) -> None:  # fmt: skip
    document.lines.add(
        kind=kind, delivery_id=load.id, quantity=f"{quantity.normalize():f}",
        unit_price=f"{price.normalize():f}" if price else "", amount=f"{amount:.2f}", rule=rule,
    )  # fmt: skip
