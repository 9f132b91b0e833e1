"""What other modules may do on the chain, inside their own transactions.

A module asks for an operation in the transaction that makes it necessary; the operation is carried
out afterwards, once, however often processes die. Who wants to know how it went listens.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from farmgate.blockchain import store
from farmgate.blockchain.contract_wallets import ContractWallets
from farmgate.blockchain.event_store import events_of, last_sequence
from farmgate.blockchain.library import Library, Stored, Visibility
from farmgate.blockchain.typed_data import (
    TEXT_BYTES_MAX,
    ZERO_ADDRESS,
    ForwardContract,
    SigningDomain,
    address_of,
    check_signature,
    checksummed,
    created_address,
    digest,
    keccak256,
    recovered,
    typed_data,
)
from farmgate.blockchain.values import (
    REGISTRY_NAME,
    Event,
    Kind,
    Operation,
    Payload,
    State,
    amendment,
    anchoring,
    cancellation,
    deployment,
    receipt_burn,
    receipt_issue,
    registration,
    settlement,
)
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

__all__ = [
    "TEXT_BYTES_MAX",
    "ChainOperations",
    "ContractWallets",
    "Event",
    "ForwardContract",
    "Kind",
    "Library",
    "Operation",
    "Payload",
    "SigningDomain",
    "State",
    "Stored",
    "Visibility",
    "address_of",
    "amendment",
    "anchoring",
    "cancellation",
    "check_signature",
    "checksummed",
    "digest",
    "keccak256",
    "last_sequence",
    "receipt_burn",
    "receipt_issue",
    "recovered",
    "registration",
    "settlement",
    "typed_data",
]

Listener = Callable[[Connection, Operation], None]
FIRST_VERSION: Final = 1


class ChainOperations:
    """Asks for operations, and tells of them.

    Args:
        clock: Tells the time.
        ids: Names operations.
        chain_id: The chain; 0 while there is none.
        operator: Address of the operator; empty while there is none.
        is_simulated: Whether it is the chain inside the exchange, whose registry the exchange
            deploys by itself.
    """

    def __init__(
        self, clock: Clock, ids: Ids, *, chain_id: int, operator: str, is_simulated: bool
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._chain_id = chain_id
        self._operator = operator
        self._is_simulated = is_simulated
        self._listeners: list[Listener] = []

    @property
    def is_enabled(self) -> bool:
        """Returns whether the exchange uses a chain."""
        return bool(self._chain_id)

    @property
    def operator(self) -> str:
        """Returns the address of the operator; empty while there is none."""
        return self._operator

    def listen(self, listener: Listener) -> None:
        """Calls a function in the transaction of every later step of every operation.

        It sees steps in order, those a reorganised chain takes back included: from CONFIRMED an
        operation may return to BROADCAST and be confirmed again.
        """
        self._listeners.append(listener)

    def tell(self, connection: Connection, operation: Operation) -> None:
        """Tells the listeners of a step, in its transaction."""
        for listener in self._listeners:
            listener(connection, operation)

    def signing_domain(self, connection: Connection, reference: str = "") -> SigningDomain:
        """Returns where wallets sign for: the registry that holds a contract, else the newest.

        Args:
            connection: The transaction.
            reference: The contract, once it is being registered.

        Raises:
            DomainError: DEPENDENCY_DOWN while no registry is deployed. Without a chain there is a
                domain nevertheless, of chain 0, so that contracts can be signed.
        """
        if not self.is_enabled:
            return SigningDomain(0, ZERO_ADDRESS)
        if reference:
            known = store.newest_operation(connection, Kind.REGISTER, reference)
            if known is not None and known.state is not State.FAILED:
                return SigningDomain(known.chain_id, known.to_address)
        return SigningDomain(self._chain_id, self._registry(connection))

    def request(
        self,
        connection: Connection,
        payload: Payload,
        *,
        reference: str,
        version: int = FIRST_VERSION,
        user_ids: Sequence[str] = (),
    ) -> Operation:
        """Queues an operation in the caller's transaction; returns it, or the one of its name.

        Args:
            connection: The transaction.
            payload: What is called.
            reference: Contract, receipt or day.
            version: Of one kind, reference and version there is one operation, ever.
            user_ids: Whom it concerns, who may list it.

        Raises:
            DomainError: CHAIN_DISABLED, or ALREADY_EXISTS when the operation of this name calls
                something else.
        """
        if not self.is_enabled:
            raise DomainError("CHAIN_DISABLED")
        if self._is_simulated and payload.kind is not Kind.DEPLOY:
            self._deploy_once(connection)
        operation = self._new(payload, reference, version)
        if store.insert_operation(connection, operation, user_ids):
            self.tell(connection, operation)
            return operation
        there = store.operation_by_name(connection, payload.kind, reference, version)
        assert there is not None, "The name was taken."
        if there.payload_hash != operation.payload_hash:
            raise DomainError("ALREADY_EXISTS", resource="chain operation", id=there.id)
        return there

    def operation(
        self, connection: Connection, kind: Kind, reference: str, version: int = FIRST_VERSION
    ) -> Operation | None:
        """Returns an operation by its name, or None."""
        return store.operation_by_name(connection, kind, reference, version)

    def evidence(self, connection: Connection, reference: str) -> list[Event]:
        """Returns what the chain holds of a contract, receipt or day now, in its order."""
        return events_of(connection, reference)

    def _registry(self, connection: Connection) -> str:
        address = store.newest_registry(connection, self._chain_id)
        if address is not None:
            return address
        if not self._is_simulated:
            raise DomainError("DEPENDENCY_DOWN", name="contract registry")
        # Nobody else sends under this key on this chain, so its first deployment is known.
        return created_address(self._operator, 0)

    def _deploy_once(self, connection: Connection) -> None:
        payload = deployment(self._operator)
        first = self._new(payload, REGISTRY_NAME, FIRST_VERSION)
        store.insert_operation(connection, first, ())

    def _new(self, payload: Payload, reference: str, version: int) -> Operation:
        now = self._clock.now()
        return Operation(
            id=self._ids.ulid(),
            kind=payload.kind,
            reference=reference,
            version=version,
            payload=payload.text(),
            payload_hash=payload.hash(),
            to_address=payload.to_address,
            chain_id=self._chain_id,
            from_address=self._operator,
            state=State.QUEUED,
            revision=1,
            attempts=0,
            nonce=None,
            gas_limit=0,
            max_fee_wei=0,
            tip_wei=0,
            transaction_hash="",
            sent_block=0,
            block_number=0,
            block_hash="",
            confirmations=0,
            error="",
            created_at=now,
            updated_at=now,
        )
