"""Statements: what is paid for loads, line by line, and the one form that is hashed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from google.protobuf.json_format import MessageToDict
from sqlalchemy import Connection

from farmgate.api.contracts.v1 import settlements_pb2
from farmgate.contracts import store, tickets
from farmgate.contracts.loads import Message, ticket_of
from farmgate.contracts.rules import business_days, cents
from farmgate.contracts.steps import Steps
from farmgate.contracts.values import CASH_MINOR, SELLER, Contract, Delivery, Statement
from farmgate.db import configuration
from farmgate.errors import DomainError

Document = settlements_pb2.SettlementStatement
LineKind: TypeAlias = settlements_pb2.SettlementLineKind.ValueType
SPOT_RULE: Final = "spot price of the delivery date"
_DUE_DAYS: Final = {2: 7, 3: 14, 4: 30}
_DEFERRED: Final = 5
_GOODS: Final = frozenset({settlements_pb2.SETTLEMENT_LINE_KIND_GOODS})


def canonical(document: Document) -> bytes:
    """Returns a statement in the form that is hashed: JSON, keys sorted, decimals as strings."""
    stated = MessageToDict(document, preserving_proto_field_name=True)
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def drawn(
    connection: Connection, contract: Contract, price: Decimal | None, loads: Sequence[Delivery],
    today: date,
) -> Document:  # fmt: skip
    """Returns the statement over loads, not issued.

    Raises:
        DomainError: NOT_PRICED.
    """
    if price is None:
        raise DomainError("NOT_PRICED")
    document = Document(contract_id=contract.id, currency=contract.message().price.currency)
    for load in loads:
        _load_lines(connection, contract, price, load, document)
    document.due_date = _due(contract, today).isoformat()
    _sum(document)
    return document


def open_loads(connection: Connection, contract: Contract) -> list[Delivery]:
    """Returns the loads that count and are in no statement."""
    applied = store.deliveries_of(connection, contract.id, "APPLIED")
    return [one for one in applied if not one.statement_id]


def issued(
    connection: Connection, steps: Steps, contract: Contract, document: Document,
    loads: Sequence[Delivery], *, state: str = "ISSUED", is_last: bool = False,
) -> Statement:  # fmt: skip
    """Stores a statement, and that the loads are in it."""
    now = steps.clock.now()
    values = configuration.current(connection, now)
    document.statement_id = steps.ids.ulid()
    document.number = len(store.statements_of(connection, contract.id)) + 1
    document.issue_time.FromDatetime(now)
    data = document.SerializeToString(deterministic=True)
    statement = Statement(
        document.statement_id, contract.id, document.number, state, data,
        hashlib.sha256(canonical(document)).hexdigest(),
        int(Decimal(document.net) * CASH_MINOR), 0,
        business_days(now, values.integer("contracts.acceptance_days")), now, is_last,
    )  # fmt: skip
    store.put_statement(connection, statement, is_new=True)
    for load in loads:
        store.put_delivery(
            connection, replace(load, statement_id=statement.id, version=load.version + 1)
        )
    return statement


def penalised(document: Document, amount: Decimal, *, to: int, note: str) -> Document:
    """Returns a statement with a penalty for one side more, numbers and times left out."""
    changed = Document()
    changed.CopyFrom(document)
    for name in ("statement_id", "number", "issue_time"):
        changed.ClearField(name)
    if amount:
        signed = cents(amount if to == SELLER else -amount)
        changed.lines.add(
            kind=settlements_pb2.SETTLEMENT_LINE_KIND_PENALTY, amount=f"{signed:.2f}", note=note
        )
    _sum(changed)
    return changed


def loads_of(connection: Connection, statement: Statement) -> list[Delivery]:
    """Returns the loads that are in a statement."""
    applied = store.deliveries_of(connection, statement.contract_id, "APPLIED")
    return [one for one in applied if one.statement_id == statement.id]


def shares(connection: Connection, statement: Statement) -> dict[str, Decimal]:
    """Returns what of a statement goes to accounts other than the seller's, by their IDs.

    What a load brings is divided as its splits say, each share rounded to 0.01; what rounding
    leaves stays with the seller.
    """
    document = Document.FromString(statement.document)
    found: dict[str, Decimal] = {}
    for load in loads_of(connection, statement):
        message = Message.FromString(load.document)
        brought = sum(
            (Decimal(line.amount) for line in document.lines if line.delivery_id == load.id),
            start=Decimal(0),
        )
        for one in message.splits:
            share = cents(brought * Decimal(one.share_pct) / 100)
            found[one.account_id] = found.get(one.account_id, Decimal(0)) + share
    return found


def _load_lines(
    connection: Connection, contract: Contract, price: Decimal, load: Delivery, document: Document
) -> None:
    message = Message.FromString(load.document)
    computed = ticket_of(connection, contract, message)
    ticket = replace(computed, units=Decimal(load.applied_quantity))
    goods, discount, drying = tickets.amounts(ticket, price)
    _line(document, settlements_pb2.SETTLEMENT_LINE_KIND_GOODS, load, ticket.units, price, goods)
    over = Decimal(message.overfill_quantity or "0") if message.overfill_price else Decimal(0)
    if over:
        spot = Decimal(message.overfill_price)
        _line(
            document, settlements_pb2.SETTLEMENT_LINE_KIND_GOODS, load, over, spot,
            cents(over * spot), rule=SPOT_RULE,
        )  # fmt: skip
        # What is above the tolerance is as wet and as poor as the rest of the load.
        whole = replace(ticket, units=ticket.units + over)
        _, discount, drying = tickets.amounts(whole, price)
        ticket = whole
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


def _sum(document: Document) -> None:
    gross = sum((Decimal(one.amount) for one in document.lines if one.kind in _GOODS), Decimal(0))
    net = sum((Decimal(one.amount) for one in document.lines), Decimal(0))
    document.gross = f"{gross:.2f}"
    document.adjustments = f"{net - gross:.2f}"
    document.fees = "0.00"
    document.net = f"{net:.2f}"


def _due(contract: Contract, today: date) -> date:
    payment = contract.message().payment
    if payment.timing == _DEFERRED and payment.due_date:
        return date.fromisoformat(payment.due_date)
    return today + timedelta(days=_DUE_DAYS.get(payment.timing, 0))


def _line(
    document: Document, kind: LineKind, load: Delivery, quantity: Decimal,
    price: Decimal, amount: Decimal, *, rule: str = "",
) -> None:  # fmt: skip
    document.lines.add(
        kind=kind, delivery_id=load.id, quantity=f"{quantity.normalize():f}",
        unit_price=f"{price.normalize():f}" if price else "", amount=f"{amount:.2f}", rule=rule,
    )  # fmt: skip
