"""What callers do with the chain: look at it, and, for admins, act on it."""

import asyncio
import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.blockchain import event_store, registry, rules, store
from farmgate.blockchain.facade import FIRST_VERSION, ChainOperations
from farmgate.blockchain.pump import Pump
from farmgate.blockchain.steps import Policy, first_free
from farmgate.blockchain.values import (
    REGISTRY_NAME,
    Event,
    Kind,
    Operation,
    State,
    deployment,
)
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.chain import Chain, Offer, Receipt, Request, RevertedError, Signed, Transaction
from farmgate.ports.clock import Clock

M = TypeVar("M", bound=Serializable)
T = TypeVar("T")
# Older news of the chain is no news.
_FRESH_S: Final = 60.0
_GAS_MAX: Final = 30_000_000
_THREADS: Final = 2
_DEFAULT_FEE_WEI: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Status:
    """State of the chain, as it was seen last."""

    is_enabled: bool
    is_connected: bool
    is_simulated: bool
    chain_id: int
    block_number: int
    block_time: datetime | None
    registry_address: str
    operator_address: str
    pending_count: int
    confirmations_needed: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an operation costs."""

    gas: int
    gas_limit: int
    base_fee_wei: int
    tip_wei: int
    max_fee_wei: int


@dataclass(frozen=True, slots=True)
class Found:
    """A transaction with all that is known of it."""

    transaction: Transaction
    receipt: Receipt | None
    confirmations: int
    operation_id: str
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transaction that an admin wants signed.

    Attributes:
        to_address: A registry.
        data: Call data.
        value_wei: Value.
        gas_limit: 0 estimates it.
        nonce: None takes the next one.
        is_broadcast: Whether it is sent.
    """

    to_address: str
    data: bytes
    value_wei: int
    gas_limit: int
    nonce: int | None
    is_broadcast: bool


class Desk:
    """Answers what callers ask about the chain.

    Args:
        database: Where operations are kept.
        clock: Tells the time.
        operations: Queues operations.
        chain: Gives the chain, opened when it is needed first.
        pump: Holds the work on the chain while something is signed here.
        key: Private key of the operator.
        policy: How the exchange behaves on the chain.
        chain_id: The chain; 0 while there is none.
        is_simulated: Whether it is the chain inside the exchange.
        nudge: Makes the pump look at once.
    """

    def __init__(
        self, database: Database, clock: Clock, operations: ChainOperations, *,
        chain: Callable[[], Chain], pump: Pump, key: bytes, policy: Policy, chain_id: int,
        is_simulated: bool, nudge: Callable[[], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._operations = operations
        self._chain = chain
        self._pump = pump
        self._key = key
        self._policy = policy
        self._chain_id = chain_id
        self._is_simulated = is_simulated
        self._nudge = nudge
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="chain")

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Waits for what is under way."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    async def status(self) -> Status:
        """Returns the state of the chain."""
        return await self._database.read(self._status)

    async def page(
        self, *, user_id: str | None, kind: Kind | None, states: Collection[State],
        reference: str, before: str | None, limit: int,
    ) -> list[Operation]:  # fmt: skip
        """Returns operations, newest first; arguments as `store.page_of_operations`."""
        return await self._database.read(
            lambda tx: store.page_of_operations(
                tx, user_id=user_id, kind=kind, states=states, reference=reference,
                before=before, limit=limit,
            )
        )  # fmt: skip

    async def estimate(self, kind: Kind, reference: str) -> Estimate:
        """Returns what an operation costs: the one that is queued, else a typical one.

        Raises:
            DomainError: CHAIN_DISABLED, CHAIN_UNREACHABLE or GAS_CAP_EXCEEDED.
        """
        self._require_chain()

        def read(connection: Connection) -> Estimate:
            row = event_store.state(connection)
            is_known = row is not None and row.checked_at is not None
            if not self._is_simulated and not self._is_connected(connection):
                raise DomainError("CHAIN_UNREACHABLE").retry_after(5_000)
            base_fee = int(row.base_fee_wei) if row is not None and is_known else _DEFAULT_FEE_WEI
            tip = int(row.tip_wei) if row is not None and is_known else _DEFAULT_FEE_WEI
            queued = store.newest_operation(connection, kind, reference) if reference else None
            limit = queued.gas_limit if queued is not None else 0
            gas = registry.TYPICAL_GAS[kind]
            fee = rules.max_fee(base_fee, tip, cap_wei=self._policy.max_fee_wei)
            if fee is None:
                raise self._too_dear()
            return Estimate(gas, limit or rules.gas_limit(gas), base_fee, tip, fee)

        return await self._database.read(read)

    async def transaction(self, transaction_hash: str) -> Found:
        """Returns a transaction.

        Raises:
            DomainError: CHAIN_DISABLED, CHAIN_UNREACHABLE or NOT_FOUND.
        """
        self._require_chain()
        is_ours = await self._database.read(lambda tx: store.is_known(tx, transaction_hash))
        if self._is_simulated and not is_ours:
            # Nobody else sends there: it need not be opened to say so.
            raise DomainError("NOT_FOUND", resource="transaction", id=transaction_hash)

        def ask() -> tuple[Transaction | None, Receipt | None, int]:
            chain = self._chain()
            found = chain.transaction(transaction_hash)
            receipt = chain.receipt(transaction_hash) if found else None
            return found, receipt, chain.head().number

        found, receipt, head = await self._in_thread(ask)
        if found is None:
            raise DomainError("NOT_FOUND", resource="transaction", id=transaction_hash)
        operation_id, events = await self._database.read(
            lambda tx: (
                store.operation_id_of(tx, transaction_hash),
                event_store.events_in(tx, transaction_hash),
            )
        )
        confirmations = max(0, head - receipt.block_number + 1) if receipt else 0
        return Found(found, receipt, confirmations, operation_id, events)

    async def deploy(self, name: str, arguments_json: str, effect: Effect[Operation, M]) -> M:
        """Queues the deployment of a further registry; returns the reply.

        Raises:
            DomainError: CHAIN_DISABLED or INVALID_ARGUMENT.
        """
        self._require_chain()
        if name not in registry.names():
            raise invalid("contract_name", "must be the name of a registry that ships")
        payload = deployment(_operator_of(arguments_json) or self._operations.operator)

        def queue(connection: Connection) -> None:
            newest = store.newest_operation(connection, Kind.DEPLOY, REGISTRY_NAME)
            version = newest.version + 1 if newest else FIRST_VERSION
            operation = self._operations.request(
                connection, payload, reference=REGISTRY_NAME, version=version
            )
            effect.record(connection, operation, resource=f"chain_operation/{operation.id}")

        await self._database.write(queue)
        self._nudge()
        return effect.reply

    async def retry(self, operation_id: str, effect: Effect[Operation, M]) -> M:
        """Queues a failed operation again; returns the reply.

        Raises:
            DomainError: NOT_FOUND or JOB_STATE.
        """

        def queue(connection: Connection) -> None:
            operation = store.operation_by_id(connection, operation_id)
            if operation is None:
                raise DomainError("NOT_FOUND", resource="chain operation", id=operation_id)
            if operation.state not in {State.FAILED, State.REVERTED}:
                raise DomainError("JOB_STATE", state=operation.state, action="retry")
            changed = store.change(
                connection,
                operation,
                state=State.QUEUED,
                nonce=None,
                transaction_hash="",
                block_number=0,
                block_hash="",
                confirmations=0,
                error="",
                alerted_at=None,
                updated_at=self._clock.now(),
            )
            assert changed is not None, "It was read in this transaction."
            self._operations.tell(connection, changed)
            effect.record(connection, changed, resource=f"chain_operation/{operation_id}")

        await self._database.write(queue)
        self._nudge()
        return effect.reply

    async def sign(self, wanted: Wanted, effect: Effect[Signed, M]) -> M:
        """Signs a transaction with the operator's key, and has it sent when wanted.

        Raises:
            DomainError: CHAIN_DISABLED, CHAIN_UNREACHABLE, INVALID_ARGUMENT, TX_REVERTED,
                GAS_CAP_EXCEEDED or NONCE_CONFLICT.
        """
        self._require_chain()
        known = await self._database.read(lambda tx: store.registries(tx, self._chain_id))
        if wanted.to_address.lower() not in {address.lower() for address in known}:
            raise invalid("to", "must be a registry of the exchange")
        await self._in_thread(lambda: self._sign_held(wanted, effect))
        if wanted.is_broadcast:
            self._nudge()
        return effect.reply

    def _sign_held(self, wanted: Wanted, effect: Effect[Signed, M]) -> None:
        # Nobody else may choose a nonce meanwhile.
        with self._pump.exclusively():
            chain = self._chain()
            request = Request(
                self._operations.operator, wanted.to_address, wanted.data, wanted.value_wei
            )
            offer = self._offer(chain, request, wanted)
            signed = chain.sign(request, offer, self._key)
            self._database.run(lambda tx: self._keep(tx, wanted, offer, signed, effect))

    def _offer(self, chain: Chain, request: Request, wanted: Wanted) -> Offer:
        if wanted.gas_limit > _GAS_MAX:
            raise DomainError("GAS_CAP_EXCEEDED", maximum=_GAS_MAX)
        try:
            gas_limit = wanted.gas_limit or rules.gas_limit(chain.estimate(request))
        except RevertedError as error:
            raise DomainError("TX_REVERTED", error=registry.error_of(error)) from error
        head, tip_wei = chain.head(), chain.tip_wei()
        fee = rules.max_fee(head.base_fee_wei, tip_wei, cap_wei=self._policy.max_fee_wei)
        if fee is None:
            raise self._too_dear()
        mined, pending = chain.nonces(request.from_address)
        used = self._database.run(
            lambda tx: store.nonces_in_use(tx, self._chain_id, request.from_address),
            is_write=False,
        )
        nonce = first_free(pending, used) if wanted.nonce is None else wanted.nonce
        if nonce < mined or nonce in used:
            raise DomainError("NONCE_CONFLICT")
        return Offer(nonce, gas_limit, fee, tip_wei)

    def _keep(
        self, connection: Connection, wanted: Wanted, offer: Offer, signed: Signed,
        effect: Effect[Signed, M],
    ) -> None:  # fmt: skip
        if wanted.is_broadcast:
            # The pump sends it, also when this process dies now.
            store.insert_transaction(
                connection,
                hash=signed.hash,
                operation_id=None,
                chain_id=self._chain_id,
                from_address=self._operations.operator,
                nonce=offer.nonce,
                raw=signed.raw,
                is_to_send=True,
                created_at=self._clock.now(),
            )
        effect.record(connection, signed, resource=f"chain_transaction/{signed.hash}")

    def _status(self, connection: Connection) -> Status:
        row = event_store.state(connection)
        status = Status(
            is_enabled=self._operations.is_enabled,
            is_connected=self._is_simulated or self._is_connected(connection),
            is_simulated=self._is_simulated,
            chain_id=self._chain_id,
            block_number=int(row.block_number) if row is not None else 0,
            block_time=row.block_time if row is not None else None,
            registry_address=store.newest_registry(connection, self._chain_id) or "",
            operator_address=self._operations.operator,
            pending_count=store.pending_count(connection),
            confirmations_needed=self._policy.confirmations,
        )
        if not status.is_enabled:
            status = replace(status, is_connected=False, operator_address="", registry_address="")
        return status

    def _is_connected(self, connection: Connection) -> bool:
        row = event_store.state(connection)
        if row is None or row.checked_at is None or not row.is_connected:
            return False
        return bool(row.checked_at >= self._clock.now() - timedelta(seconds=_FRESH_S))

    def _require_chain(self) -> None:
        if not self._operations.is_enabled:
            raise DomainError("CHAIN_DISABLED")

    def _too_dear(self) -> DomainError:
        return DomainError("GAS_CAP_EXCEEDED", maximum=f"{self._policy.max_fee_wei} wei for a unit")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _operator_of(arguments_json: str) -> str:
    """Returns the address that a registry is to obey; empty for the operator's."""
    if not arguments_json.strip():
        return ""
    rule = "must be a JSON array that is empty or holds one address"
    try:
        arguments = json.loads(arguments_json)
    except (ValueError, RecursionError) as error:
        raise invalid("constructor_arguments_json", rule) from error
    if arguments == []:
        return ""
    is_address = (
        isinstance(arguments, list)
        and len(arguments) == 1
        and isinstance(arguments[0], str)
        and rules.is_address(arguments[0])
    )
    if not is_address:
        raise invalid("constructor_arguments_json", rule)
    return str(arguments[0])
