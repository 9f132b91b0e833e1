"""Queries of contracts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, Select, Table, func, insert, or_, select, update

from farmgate.contracts.tables import (
    contract_events,
    contracts,
    deliveries,
    fixations,
    signatures,
    statements,
    transfers,
)
from farmgate.contracts.values import (
    ENDED,
    Contract,
    ContractEvent,
    Delivery,
    Fixation,
    Signature,
    Statement,
    Transfer,
)
from farmgate.errors import DomainError

T = TypeVar("T")
# Any number will do that no other advisory lock of the database uses.
_LOCK_KEY: Final = 0x46434F4E


@dataclass(frozen=True, slots=True)
class Filter:
    """Which contracts are wanted; empty values do not matter.

    Attributes:
        user_id: A party.
        party: 1 that party sells, 2 buys.
    """

    user_id: str = ""
    party: int = 0
    states: Collection[str] = ()
    commodity_code: str = ""
    delivery_from: str = ""
    delivery_to: str = ""

    def apply(self, query: Select[Any]) -> Select[Any]:
        """Returns the query with the conditions."""
        table = contracts.c
        if self.user_id:
            sides = {1: [table.seller_id], 2: [table.buyer_id]}
            columns = sides.get(self.party, [table.seller_id, table.buyer_id])
            query = query.where(or_(*(column == self.user_id for column in columns)))
        if self.states:
            query = query.where(table.state.in_(self.states))
        if self.commodity_code:
            query = query.where(table.commodity_code == self.commodity_code)
        if self.delivery_from:
            query = query.where(table.delivery_end >= self.delivery_from)
        if self.delivery_to:
            query = query.where(table.delivery_start <= self.delivery_to)
        return query


def next_number(connection: Connection) -> int:
    """Returns the number of a new contract; others wait until the commit."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))
    return (connection.execute(select(func.max(contracts.c.number))).scalar() or 0) + 1


def insert_contract(connection: Connection, one: Contract) -> None:
    """Stores a new contract."""
    connection.execute(insert(contracts).values(**_values(one)))


def replace_contract(connection: Connection, one: Contract) -> None:
    """Stores a contract over the revision before.

    Raises:
        DomainError: VERSION_CONFLICT when somebody else was faster.
    """
    changed = connection.execute(
        update(contracts)
        .where(contracts.c.id == one.id, contracts.c.revision == one.revision - 1)
        .values(**_values(one))
        .returning(contracts.c.id)
    ).first()
    if changed is None:
        raise DomainError("VERSION_CONFLICT", actual="newer", expected=one.version)


def contract(connection: Connection, contract_id: str) -> Contract | None:
    """Returns a contract."""
    return one_of(connection, select(contracts).where(contracts.c.id == contract_id), Contract)


def by_hash(connection: Connection, terms_hash: str) -> Contract | None:
    """Returns the contract of these terms, or None."""
    query = select(contracts).where(contracts.c.terms_hash == terms_hash)
    return one_of(connection, query.order_by(contracts.c.id).limit(1), Contract)


def page(connection: Connection, wanted: Filter, *, before: str, limit: int) -> list[Contract]:
    """Returns contracts, newest first."""
    query = wanted.apply(select(contracts))
    if before:
        query = query.where(contracts.c.id < before)
    return all_of(connection, query.order_by(contracts.c.id.desc()).limit(limit), Contract)


def in_state(connection: Connection, states: Collection[str]) -> list[Contract]:
    """Returns all contracts in some states, oldest first."""
    query = select(contracts).where(contracts.c.state.in_(states))
    return all_of(connection, query.order_by(contracts.c.id), Contract)


def is_bound(connection: Connection, user_id: str) -> bool:
    """Returns whether an open contract names the wallet of a user."""
    table = contracts.c
    is_party = (table.seller_id == user_id) | (table.buyer_id == user_id)
    is_open = table.state.not_in((*ENDED, "DRAFT"))
    return (
        connection.execute(select(table.id).where(is_party, is_open).limit(1)).first() is not None
    )


def open_count(connection: Connection, user_id: str) -> int:
    """Returns how many contracts bind a user: those that are not drafts and have not ended."""
    table = contracts.c
    is_party = (table.seller_id == user_id) | (table.buyer_id == user_id)
    query = select(func.count()).select_from(contracts)
    is_open = table.state.not_in((*ENDED, "DRAFT"))
    return connection.execute(query.where(is_party, is_open)).scalar() or 0


def of_farm(connection: Connection, farm_id: str, commodity: str) -> list[Contract]:
    """Returns the open contracts over the harvest of a farm."""
    table = contracts.c
    query = select(contracts).where(
        table.origin_farm_id == farm_id,
        table.commodity_code == commodity,
        table.state.not_in((*ENDED, "DRAFT")),
    )
    return all_of(connection, query, Contract)


def counts(connection: Connection) -> dict[str, int]:
    """Returns how many contracts are in each state."""
    query = select(contracts.c.state, func.count()).group_by(contracts.c.state)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def add_signature(connection: Connection, one: Signature) -> None:
    """Stores a signature."""
    connection.execute(insert(signatures).values(**_values(one)))


def signatures_of(connection: Connection, contract_id: str, version: int) -> list[Signature]:
    """Returns the signatures of a version, the seller's first."""
    table = signatures.c
    query = select(signatures).where(table.contract_id == contract_id, table.version == version)
    return all_of(connection, query.order_by(table.party), Signature)


def add_event(connection: Connection, one: ContractEvent) -> None:
    """Stores an event under the next sequence; the one it has does not matter."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))
    values = _values(one) | {"sequence": last_sequence(connection) + 1}
    connection.execute(insert(contract_events).values(**values))


def last_sequence(connection: Connection) -> int:
    """Returns the sequence of the newest event; 0 before the first."""
    return connection.execute(select(func.max(contract_events.c.sequence))).scalar() or 0


def events_of(
    connection: Connection, contract_id: str, *, after: int, limit: int
) -> list[ContractEvent]:
    """Returns the events of a contract after a sequence, oldest first."""
    table = contract_events.c
    query = select(contract_events).where(table.contract_id == contract_id, table.sequence > after)
    return all_of(connection, query.order_by(table.sequence).limit(limit), ContractEvent)


def events_of_version(
    connection: Connection, contract_id: str, version: int
) -> list[ContractEvent]:
    """Returns the events of a version of a contract, oldest first."""
    table = contract_events.c
    query = select(contract_events).where(
        table.contract_id == contract_id, table.version == version
    )
    return all_of(connection, query.order_by(table.sequence), ContractEvent)


def events_after(
    connection: Connection, user_id: str, contract_ids: Collection[str], *, after: int, limit: int
) -> list[ContractEvent]:
    """Returns the events of a party's contracts after a sequence, oldest first."""
    table = contract_events.c
    query = (
        select(contract_events)
        .join(contracts, contracts.c.id == table.contract_id)
        .where(
            table.sequence > after,
            (contracts.c.seller_id == user_id) | (contracts.c.buyer_id == user_id),
        )
    )
    if contract_ids:
        query = query.where(table.contract_id.in_(contract_ids))
    return all_of(connection, query.order_by(table.sequence).limit(limit), ContractEvent)


def sequence_at(connection: Connection, event_id: str) -> int:
    """Returns the sequence of an event, or that of the one made before it."""
    table = contract_events.c
    query = select(func.max(table.sequence)).where(table.id <= event_id)
    return connection.execute(query).scalar() or 0


def add_fixation(connection: Connection, one: Fixation) -> None:
    """Stores a fixation."""
    connection.execute(insert(fixations).values(**_values(one)))


def fixations_of(connection: Connection, contract_id: str) -> list[Fixation]:
    """Returns the fixations of a contract, oldest first."""
    table = fixations.c
    query = select(fixations).where(table.contract_id == contract_id)
    return all_of(connection, query.order_by(table.id), Fixation)


def put_delivery(connection: Connection, one: Delivery, *, is_new: bool = False) -> None:
    """Stores a delivery.

    Raises:
        DomainError: VERSION_CONFLICT when somebody else was faster.
    """
    put(connection, deliveries, one, is_new=is_new, version=one.version - 1)


def delivery(connection: Connection, delivery_id: str) -> Delivery | None:
    """Returns a delivery."""
    return one_of(connection, select(deliveries).where(deliveries.c.id == delivery_id), Delivery)


def deliveries_of(connection: Connection, contract_id: str, state: str = "") -> list[Delivery]:
    """Returns the deliveries on a contract by ticket."""
    table = deliveries.c
    query = select(deliveries).where(table.contract_id == contract_id)
    if state:
        query = query.where(table.state == state)
    return all_of(connection, query.order_by(table.ticket), Delivery)


def deliveries_due(connection: Connection, now: datetime) -> list[Delivery]:
    """Returns deliveries that are accepted by themselves now."""
    table = deliveries.c
    query = select(deliveries).where(table.state == "WEIGHED_OUT", table.accept_by <= now)
    return all_of(connection, query.order_by(table.id), Delivery)


def put_statement(connection: Connection, one: Statement, *, is_new: bool = False) -> None:
    """Stores a statement."""
    put(connection, statements, one, is_new=is_new)


def statement(connection: Connection, statement_id: str) -> Statement | None:
    """Returns a statement."""
    return one_of(connection, select(statements).where(statements.c.id == statement_id), Statement)


def statements_of(connection: Connection, contract_id: str) -> list[Statement]:
    """Returns the statements on a contract by number."""
    table = statements.c
    query = select(statements).where(table.contract_id == contract_id)
    return all_of(connection, query.order_by(table.number), Statement)


def statements_due(connection: Connection, now: datetime) -> list[Statement]:
    """Returns issued statements to which nobody objected in time."""
    table = statements.c
    query = select(statements).where(table.state == "ISSUED", table.object_by <= now)
    return all_of(connection, query.order_by(table.id), Statement)


def add_transfer(connection: Connection, one: Transfer) -> None:
    """Stores a transfer unless there is one of its kind and reference."""
    table = transfers.c
    there = select(table.id).where(
        table.contract_id == one.contract_id,
        table.kind == one.kind,
        table.reference == one.reference,
    )
    if connection.execute(there).first() is None:
        connection.execute(insert(transfers).values(**_values(one)))


def put_transfer(connection: Connection, one: Transfer) -> None:
    """Stores a transfer over the one of its ID."""
    put(connection, transfers, one, is_new=False)


def owes(connection: Connection, account: int, kinds: Collection[str]) -> bool:
    """Returns whether transfers of some kinds from an account could not be made yet."""
    table = transfers.c
    query = select(table.id).where(
        table.from_account == account, table.kind.in_(kinds), table.state == "QUEUED",
        table.attempts > 0,
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def transfers_due(connection: Connection, now: datetime, limit: int) -> list[Transfer]:
    """Returns transfers that are to be worked on, oldest first."""
    table = transfers.c
    query = select(transfers).where(table.state.in_(("QUEUED", "TAKEN")), table.due_at <= now)
    return all_of(connection, query.order_by(table.due_at, table.id).limit(limit), Transfer)


def transfers_of(connection: Connection, contract_id: str) -> list[Transfer]:
    """Returns the transfers of a contract."""
    table = transfers.c
    query = select(transfers).where(table.contract_id == contract_id)
    return all_of(connection, query.order_by(table.id), Transfer)


def transfer(connection: Connection, transfer_id: str) -> Transfer | None:
    """Returns a transfer."""
    return one_of(connection, select(transfers).where(transfers.c.id == transfer_id), Transfer)


def put(
    connection: Connection, table: Table, one: Any, *, is_new: bool, version: int | None = None
) -> None:
    """Stores a row, or changes that of the same ID if it has the version.

    Raises:
        DomainError: VERSION_CONFLICT when somebody else was faster.
    """
    if is_new:
        connection.execute(insert(table).values(**_values(one)))
        return
    query = update(table).where(table.c.id == one.id)
    if version is not None:
        query = query.where(table.c.version == version)
    changed = connection.execute(query.values(**_values(one)).returning(table.c.id)).first()
    if changed is None:
        raise DomainError("VERSION_CONFLICT", actual="newer", expected=version)


def _values(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in type(one).__slots__}


def one_of(connection: Connection, query: Select[Any], kind: type[T]) -> T | None:
    """Returns the first row as a value of a kind, or None."""
    row = connection.execute(query).first()
    return None if row is None else _made(row, kind)


def all_of(connection: Connection, query: Select[Any], kind: type[T]) -> list[T]:
    """Returns the rows as values of a kind."""
    return [_made(row, kind) for row in connection.execute(query).all()]


def _made(row: Row[Any], kind: type[T]) -> T:
    names: Any = kind.__slots__  # type: ignore[attr-defined] # Every kind is a dataclass with slots.
    return kind(**{name: getattr(row, name) for name in names})
