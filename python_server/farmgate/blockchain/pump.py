"""Drives everything that happens on the chain, by what the database says is to be done.

One process at a time does; whoever holds the work and dies loses it after a while.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from farmgate.blockchain import event_store, store
from farmgate.blockchain.monitor import Monitor, Tell
from farmgate.blockchain.steps import Policy, Steps
from farmgate.blockchain.values import ENDED, Kind, Operation, State
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.chain import (
    Block,
    Chain,
    NonceTakenError,
    RevertedError,
    UnderpricedError,
)
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.telemetry.logs import logger

_HOLD_S: Final = 30.0
# A caller of an admin's call waits no longer.
_WAIT_S: Final = 1.0
_OPERATIONS_MAX: Final = 200
# Every operation of the journal builds on the one before.
_ANCHORS: Final = "anchors"
_DONE_ENOUGH: Final = ENDED | {State.MINED}
_log = logger(__name__)

Alert = Callable[[Connection, str], None]


class Pump:
    """Looks at the chain and makes the steps that are possible.

    Args:
        database: Where operations are kept.
        chain: Gives the chain, opened when it is needed first.
        chain_id: The chain.
        clock: Tells the time.
        ids: Names the holder of the work.
        tell: Hears of steps, in their transactions.
        alert: Tells operators of an operation that waits too long, by its ID.
        key: Private key of the operator.
        policy: How to behave.
        is_simulated: Whether it is the chain inside the exchange.
    """

    def __init__(
        self, database: Database, chain: Callable[[], Chain], *, chain_id: int, clock: Clock,
        ids: Ids, tell: Tell, alert: Alert, key: bytes, policy: Policy, is_simulated: bool,
    ) -> None:  # fmt: skip
        self._database = database
        self._chain = chain
        self._chain_id = chain_id
        self._clock = clock
        self._alert = alert
        self._policy = policy
        self._is_simulated = is_simulated
        self._holder = ids.ulid()
        self._lock = threading.Lock()
        self._monitor = Monitor(
            database, clock, tell, chain_id=chain_id, confirmations=policy.confirmations
        )
        self._steps = Steps(database, clock, tell, key, policy)

    def tick(self) -> bool:
        """Does what is possible now; returns whether something waits for the next time."""
        with self._lock:
            if not self._database.run(self._is_needed, is_write=False):
                return False
            if not self.hold():
                return True
            try:
                return self._work()
            finally:
                self.let_go()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keeps everybody else from working on the chain meanwhile, this process's pump too.

        Raises:
            DomainError: NONCE_CONFLICT when the work is not free soon.
        """
        if not self._lock.acquire(timeout=_WAIT_S):
            raise DomainError("NONCE_CONFLICT").retry_after(1_000)
        try:
            if not self.hold():
                raise DomainError("NONCE_CONFLICT").retry_after(1_000)
            try:
                yield
            finally:
                self.let_go()
        finally:
            self._lock.release()

    def hold(self) -> bool:
        """Takes the work on the chain; returns whether this process has it."""
        now = self._clock.now()
        return self._database.run(lambda tx: event_store.hold(tx, self._holder, now, for_s=_HOLD_S))

    def let_go(self) -> None:
        """Gives the work on the chain back."""
        self._database.run(lambda tx: event_store.let_go(tx, self._holder))

    def _work(self) -> bool:
        self._database.run(self._note_alerts)
        try:
            chain = self._chain()
            self._send_of_admins(chain)
            head = self._monitor.look(chain)
            waits = self._carry_out(chain, head)
            waits = waits or self._database.run(event_store.has_unconfirmed, is_write=False)
            if waits and self._is_simulated:
                chain.advance()
        except DomainError as error:
            if error.reason != "CHAIN_UNREACHABLE":
                raise
            self._monitor.lose()
            return True
        return waits

    def _carry_out(self, chain: Chain, head: Block) -> bool:
        operations = self._database.run(
            lambda tx: store.unfinished(tx, limit=_OPERATIONS_MAX), is_write=False
        )
        waiting: set[str] = set()
        is_any_left = False
        for operation in operations:
            lane = _ANCHORS if operation.kind is Kind.ANCHOR else operation.reference
            # What builds on an earlier operation waits until that is in a block.
            if lane in waiting or operation.chain_id != self._chain_id:
                is_any_left = True
                continue
            after = self._one(chain, head, operation)
            is_any_left = is_any_left or after.state not in ENDED
            if after.state not in _DONE_ENOUGH:
                waiting.add(lane)
        return is_any_left

    def _one(self, chain: Chain, head: Block, operation: Operation) -> Operation:
        self.hold()
        return self._steps.run(chain, head, operation)

    def _send_of_admins(self, chain: Chain) -> None:
        for transaction_hash, raw, _ in self._database.run(
            lambda tx: store.transactions_to_send(tx, self._chain_id), is_write=False
        ):
            # Sent again until it is in a block: nodes forget, and what waits behind it would stay.
            is_over = chain.receipt(transaction_hash) is not None
            if not is_over:
                is_over = self._send_one(chain, raw)
                is_over = chain.receipt(transaction_hash) is not None or is_over
            if is_over:
                self._database.run(partial(store.mark_sent, transaction_hash=transaction_hash))

    @staticmethod
    def _send_one(chain: Chain, raw: str) -> bool:
        """Sends a transaction; returns whether it never can get into a block any more."""
        try:
            chain.send(raw)
        except NonceTakenError:
            _log.warning("another transaction took the nonce of an admin's")
            return True
        except (UnderpricedError, RevertedError) as error:
            _log.info("an admin's transaction was not taken", kind=type(error).__name__)
        return False

    def _is_needed(self, connection: Connection) -> bool:
        if not self._is_simulated:
            return True
        # Nothing happens on the chain inside the exchange that the exchange did not do.
        return bool(
            store.pending_count(connection)
            or store.transactions_to_send(connection, self._chain_id)
            or event_store.has_unconfirmed(connection)
        )

    def _note_alerts(self, connection: Connection) -> None:
        now = self._clock.now()
        before = now - timedelta(seconds=self._policy.alert_after_s)
        for operation_id in store.note_alert(connection, before, now):
            _log.error("an operation on the chain waits too long", operation_id=operation_id)
            self._alert(connection, operation_id)
