"""Carries one operation out, a step at a time; every step is a row before it is a deed.

A transaction is stored before anybody hears of it, so a process that dies sends the same one again.
Whether an operation was done already is asked of the chain, which refuses to do it twice.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.blockchain import event_store, registry, rules, store
from farmgate.blockchain.monitor import Tell, back_to_waiting
from farmgate.blockchain.typed_data import created_address
from farmgate.blockchain.values import ENDED, Kind, Operation, State
from farmgate.db.engine import Database
from farmgate.ports.chain import (
    Block,
    Chain,
    NonceTakenError,
    Offer,
    Receipt,
    RevertedError,
    UnderpricedError,
)
from farmgate.ports.clock import Clock
from farmgate.telemetry.logs import logger

_STEPS_MAX: Final = 8
_ERROR_CHARACTERS: Final = 200
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """How the exchange behaves on the chain.

    Attributes:
        confirmations: Blocks after which something counts as confirmed, its own included.
        max_fee_wei: Highest fee for a unit of gas that is ever offered.
        replace_after_blocks: Blocks a transaction waits before it is sent with a higher fee.
        alert_after_s: Seconds an operation waits before the operators are told.
    """

    confirmations: int
    max_fee_wei: int
    replace_after_blocks: int = 3
    alert_after_s: float = 3_600.0


class Steps:
    """Makes steps of operations.

    Args:
        database: Where operations are kept.
        clock: Tells the time.
        tell: Hears of steps, in their transactions.
        key: Private key of the operator.
        policy: How to behave.
    """

    def __init__(
        self, database: Database, clock: Clock, tell: Tell, key: bytes, policy: Policy
    ) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._key = key
        self._policy = policy

    def run(self, chain: Chain, head: Block, operation: Operation) -> Operation:
        """Makes as many steps as are possible now; returns the operation after them.

        Raises:
            DomainError: CHAIN_UNREACHABLE.
        """
        for _ in range(_STEPS_MAX):
            after = self._step(chain, head, operation)
            if after is None or after.state is operation.state:
                return after or operation
            operation = after
            if operation.state in ENDED:
                break
        return operation

    def _step(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        if operation.state in {State.QUEUED, State.PINNED}:
            return self._sign(chain, head, operation)
        if operation.state is State.SIGNED:
            return self._send(chain, head, operation)
        if operation.state in {State.BROADCAST, State.REPLACED}:
            return self._follow(chain, head, operation)
        if operation.state is State.MINED:
            return self._confirm(chain, head, operation)
        return None

    def _sign(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        if operation.kind is not Kind.DEPLOY and not self._is_deployed(operation):
            return self._wait(operation, "the registry is not deployed yet")
        request = registry.request_of(operation)
        try:
            gas_limit = rules.gas_limit(chain.estimate(request))
        except RevertedError as error:
            return self._refused(operation, error)
        tip_wei = chain.tip_wei()
        fee_wei = rules.max_fee(head.base_fee_wei, tip_wei, cap_wei=self._policy.max_fee_wei)
        if fee_wei is None:
            return self._wait(operation, "GAS_CAP_EXCEEDED")
        offer = Offer(self._free_nonce(chain, operation), gas_limit, fee_wei, tip_wei)
        signed = chain.sign(request, offer, self._key)

        def keep(connection: Connection) -> Operation | None:
            changed = self._offer(connection, operation, offer, signed.hash, State.SIGNED)
            if changed is None:
                return None
            self._keep_transaction(connection, changed, signed.hash, signed.raw)
            if operation.kind is Kind.DEPLOY:
                address = created_address(operation.from_address, offer.nonce)
                store.put_registry(connection, operation, address)
            self._tell(connection, changed)
            return changed

        return self._database.run(keep)

    def _send(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        transactions = self._transactions(operation)
        try:
            chain.send(transactions[0][1])
        except NonceTakenError:
            return self._find(chain, head, operation) or self._lost(operation)
        except UnderpricedError:
            return self._replace(chain, head, operation)
        except RevertedError as error:
            return self._refused(operation, error)
        return self._change(operation, state=State.BROADCAST, sent_block=head.number, error="")

    def _follow(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        found = self._find(chain, head, operation)
        if found is not None:
            return found
        assert operation.nonce is not None, "What was sent has a nonce."
        mined, _ = chain.nonces(operation.from_address)
        if mined > operation.nonce:
            # Asked again: it may have come into a block between the two questions.
            return self._find(chain, head, operation) or self._lost(operation)
        if head.number - operation.sent_block >= self._policy.replace_after_blocks:
            return self._replace(chain, head, operation)
        newest_hash, raw = self._transactions(operation)[0]
        if chain.transaction(newest_hash) is None:
            self._offer_again(chain, raw)
        return None

    def _confirm(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        receipt = chain.receipt(operation.transaction_hash)
        if receipt is None or receipt.block_hash != operation.block_hash:
            return self._database.run(lambda tx: self._back(tx, operation, head))
        confirmations = max(0, head.number - receipt.block_number + 1)
        if confirmations < self._policy.confirmations:
            if confirmations != operation.confirmations:
                self._change(operation, confirmations=confirmations)
            return None
        if not receipt.is_successful:
            words = self._why_reverted(chain, operation, receipt)
            return self._change(
                operation, state=State.REVERTED, confirmations=confirmations, error=words
            )

        def confirm(connection: Connection) -> Operation | None:
            changed = store.change(
                connection,
                operation,
                state=State.CONFIRMED,
                confirmations=confirmations,
                error="",
                updated_at=self._clock.now(),
            )
            if changed is not None:
                if operation.kind is Kind.DEPLOY:
                    store.set_deployed(connection, changed, self._clock.now())
                self._tell(connection, changed)
            return changed

        return self._database.run(confirm)

    def _find(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        """Looks for any transaction of the operation in a block."""
        for transaction_hash, _ in self._transactions(operation):
            receipt = chain.receipt(transaction_hash)
            if receipt is not None:
                return self._change(
                    operation,
                    state=State.MINED,
                    transaction_hash=transaction_hash,
                    block_number=receipt.block_number,
                    block_hash=receipt.block_hash,
                    confirmations=max(0, head.number - receipt.block_number + 1),
                    error="",
                )
        return None

    def _lost(self, operation: Operation) -> Operation | None:
        """Begins anew: something else used the nonce."""
        _log.warning("another transaction took the nonce", operation_id=operation.id)
        return self._change(
            operation, state=State.QUEUED, nonce=None, transaction_hash="", error="NONCE_CONFLICT"
        )

    def _replace(self, chain: Chain, head: Block, operation: Operation) -> Operation | None:
        """Offers 12.5 % more under the same nonce."""
        assert operation.nonce is not None, "What was sent has a nonce."
        tip_wei = rules.raised_fee(operation.tip_wei)
        today = rules.max_fee(head.base_fee_wei, tip_wei, cap_wei=self._policy.max_fee_wei)
        fee_wei = max(rules.raised_fee(operation.max_fee_wei), today or 0)
        if fee_wei > self._policy.max_fee_wei:
            self._offer_again(chain, self._transactions(operation)[0][1])
            return self._wait(operation, "GAS_CAP_EXCEEDED")
        offer = Offer(operation.nonce, operation.gas_limit, fee_wei, tip_wei)
        signed = chain.sign(registry.request_of(operation), offer, self._key)

        def keep(connection: Connection) -> Operation | None:
            changed = self._offer(
                connection, operation, offer, signed.hash, State.REPLACED, sent_block=head.number
            )
            if changed is not None:
                self._keep_transaction(connection, changed, signed.hash, signed.raw)
                self._tell(connection, changed)
            return changed

        changed = self._database.run(keep)
        if changed is not None:
            self._offer_again(chain, signed.raw)
        return changed

    def _offer_again(self, chain: Chain, raw: str) -> None:
        """Sends a stored transaction; how it went is seen by the next look at the chain."""
        try:
            chain.send(raw)
        except (NonceTakenError, UnderpricedError, RevertedError) as error:
            _log.info("a transaction was not taken", kind=type(error).__name__)

    def _refused(self, operation: Operation, error: RevertedError) -> Operation | None:
        """Ends an operation that the chain refuses, unless it did it already."""
        for event in self._database.run(
            lambda tx: event_store.events_of(tx, operation.reference), is_write=False
        ):
            is_same = event.address.lower() == operation.to_address.lower()
            if is_same and registry.is_effect(operation, event.name, json.loads(event.arguments)):
                return self._change(
                    operation,
                    state=State.MINED,
                    nonce=None,
                    transaction_hash=event.transaction_hash,
                    block_number=event.block_number,
                    block_hash=event.block_hash,
                    error="",
                )
        words = registry.error_of(error)
        _log.warning("the chain refuses an operation", operation_id=operation.id, words=words)
        return self._change(
            operation, state=State.FAILED, nonce=None, error=f"TX_REVERTED: {words}"
        )

    def _why_reverted(self, chain: Chain, operation: Operation, receipt: Receipt) -> str:
        try:
            chain.call(
                registry.request_of(operation), block_number=max(0, receipt.block_number - 1)
            )
        except RevertedError as error:
            return f"TX_REVERTED: {registry.error_of(error)}"
        return "TX_REVERTED: out of gas, or by what came before it in the block"

    def _wait(self, operation: Operation, why: str) -> Operation | None:
        return None if operation.error == why else self._change(operation, error=why)

    def _back(self, connection: Connection, operation: Operation, head: Block) -> Operation | None:
        changed = back_to_waiting(connection, operation, head, self._clock.now())
        if changed is not None:
            self._tell(connection, changed)
        return changed

    def _change(self, operation: Operation, **values: Any) -> Operation | None:
        if "error" in values:
            values["error"] = values["error"][:_ERROR_CHARACTERS]

        def change(connection: Connection) -> Operation | None:
            changed = store.change(connection, operation, updated_at=self._clock.now(), **values)
            if changed is not None and "state" in values:
                self._tell(connection, changed)
            return changed

        return self._database.run(change)

    def _offer(
        self, connection: Connection, operation: Operation, offer: Offer, transaction_hash: str,
        state: State, **values: Any,
    ) -> Operation | None:  # fmt: skip
        return store.change(
            connection,
            operation,
            state=state,
            nonce=offer.nonce,
            gas_limit=offer.gas_limit,
            max_fee_wei=offer.max_fee_wei,
            tip_wei=offer.tip_wei,
            transaction_hash=transaction_hash,
            attempts=operation.attempts + 1,
            error="",
            updated_at=self._clock.now(),
            **values,
        )

    def _keep_transaction(
        self, connection: Connection, operation: Operation, transaction_hash: str, raw: str
    ) -> None:
        assert operation.nonce is not None, "It was signed for one."
        store.insert_transaction(
            connection,
            hash=transaction_hash,
            operation_id=operation.id,
            chain_id=operation.chain_id,
            from_address=operation.from_address,
            nonce=operation.nonce,
            raw=raw,
            is_to_send=False,
            created_at=self._clock.now(),
        )

    def _transactions(self, operation: Operation) -> list[tuple[str, str]]:
        return self._database.run(lambda tx: store.transactions_of(tx, operation), is_write=False)

    def _is_deployed(self, operation: Operation) -> bool:
        return self._database.run(
            lambda tx: store.is_deployed(tx, operation.to_address), is_write=False
        )

    def _free_nonce(self, chain: Chain, operation: Operation) -> int:
        _, pending = chain.nonces(operation.from_address)
        used = self._database.run(
            lambda tx: store.nonces_in_use(tx, operation.chain_id, operation.from_address),
            is_write=False,
        )
        return first_free(pending, used)


def first_free(pending: int, used: set[int]) -> int:
    """Returns the first nonce that nothing of ours waits under."""
    nonce = pending
    while nonce in used:
        nonce += 1
    return nonce
