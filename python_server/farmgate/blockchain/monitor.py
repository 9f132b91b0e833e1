"""Follows the chain: its newest block, what the registries announce, and what it takes back."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.blockchain import event_store, registry, store
from farmgate.blockchain.values import Event, Operation, State
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.chain import Block, Chain, Log
from farmgate.ports.clock import Clock
from farmgate.telemetry.logs import logger

# How many blocks are remembered: a reorganisation deeper than that is found only as far back.
_REMEMBERED: Final = 256
_RANGE_BLOCKS: Final = 500
_log = logger(__name__)

Tell = Callable[[Connection, Operation], None]


class Monitor:
    """Brings what the database knows of the chain up to date.

    Args:
        database: Where it is kept.
        clock: Tells the time.
        tell: Hears of operations that the chain took back.
        chain_id: The chain.
        confirmations: Blocks after which something counts as confirmed.
    """

    def __init__(
        self, database: Database, clock: Clock, tell: Tell, *, chain_id: int, confirmations: int
    ) -> None:
        self._database = database
        self._chain_id = chain_id
        self._clock = clock
        self._tell = tell
        self._confirmations = confirmations

    def look(self, chain: Chain) -> Block:
        """Reads what is new; returns the newest block.

        Raises:
            DomainError: CHAIN_UNREACHABLE; what was read until then is kept.
        """
        head = chain.head()
        tip_wei = chain.tip_wei()
        known = self._database.run(event_store.blocks, is_write=False)
        fork = _fork(chain, head, known)
        if known and fork < known[0][0]:
            self._database.run(lambda tx: self._take_back(tx, fork, head))
        row = self._database.run(event_store.state, is_write=False)
        read = int(row.read_block) if row is not None else -1
        if read < 0:
            # Registries are deployed from here: nothing before concerns the exchange.
            read = max(-1, head.number - 1)
        self._read(chain, head, read)
        values = {
            "chain_id": self._chain_id,
            "is_connected": True,
            "block_number": head.number,
            "block_time": head.time,
            "base_fee_wei": head.base_fee_wei,
            "tip_wei": tip_wei,
            "checked_at": self._clock.now(),
        }
        self._database.run(lambda tx: self._note(tx, head, values))
        return head

    def lose(self) -> None:
        """Notes that the chain can't be reached."""
        now = self._clock.now()
        self._database.run(lambda tx: event_store.set_state(tx, is_connected=False, checked_at=now))

    def _note(self, connection: Connection, head: Block, values: dict[str, Any]) -> None:
        event_store.confirm_to(connection, head.number - self._confirmations + 1)
        event_store.set_state(connection, **values)

    def _take_back(self, connection: Connection, fork: int, head: Block) -> None:
        """Undoes what is known of blocks above the fork; operations in them wait again."""
        removed = event_store.remove_above(connection, fork)
        event_store.forget_blocks(connection, above=fork)
        store.send_again(connection, self._chain_id)
        row = event_store.state(connection)
        if row is not None:
            event_store.set_state(
                connection,
                read_block=min(row.read_block, fork),
                confirmed_block=min(row.confirmed_block, fork),
            )
        for operation in store.in_blocks_above(connection, fork):
            _log.warning("the chain took an operation back", operation_id=operation.id)
            changed = back_to_waiting(connection, operation, head, self._clock.now())
            if changed is not None:
                self._tell(connection, changed)
        _log.warning("the chain was reorganised", fork=fork, events=removed)

    def _read(self, chain: Chain, head: Block, read: int) -> None:
        addresses = self._database.run(
            lambda tx: store.registries(tx, self._chain_id), is_write=False
        )
        while read < head.number:
            last = min(read + _RANGE_BLOCKS, head.number)
            logs = chain.logs(addresses, read + 1, last)
            first_kept = max(read + 1, head.number - _REMEMBERED + 1)
            blocks = [_existing(chain, number) for number in range(first_kept, last + 1)]
            times = {block.number: block.time for block in blocks}
            for number in {log.block_number for log in logs} - set(times):
                times[number] = _existing(chain, number).time
            hashes = {block.number: block.hash for block in blocks}
            if any(hashes.get(log.block_number, log.block_hash) != log.block_hash for log in logs):
                # The chain moved while it was read; the next look begins at the fork.
                raise DomainError("CHAIN_UNREACHABLE")
            self._database.run(partial(self._keep, logs, blocks, times, last))
            read = last

    def _keep(
        self,
        logs: list[Log],
        blocks: list[Block],
        times: dict[int, datetime],
        last: int,
        connection: Connection,
    ) -> None:
        for block in blocks:
            event_store.put_block(connection, block.number, block.hash, block.time)
        event_store.forget_blocks(connection, below=last - _REMEMBERED)
        for log in logs:
            told = registry.announced(log)
            if told is None:
                continue
            event_store.see(
                connection,
                Event(
                    sequence=0,
                    chain_id=self._chain_id,
                    block_number=log.block_number,
                    block_hash=log.block_hash,
                    log_index=log.log_index,
                    transaction_hash=log.transaction_hash,
                    address=log.address,
                    name=told.name,
                    arguments=json.dumps(told.arguments, separators=(",", ":")),
                    reference=told.reference,
                    step=event_store.SEEN,
                    block_time=times[log.block_number],
                ),
            )
        event_store.set_state(connection, read_block=last)


def back_to_waiting(
    connection: Connection, operation: Operation, head: Block, now: datetime
) -> Operation | None:
    """Takes an operation out of its block: it waits to get into another one, from this head on."""
    if operation.to_address == "" and operation.state is State.CONFIRMED:
        store.set_deployed(connection, operation, None)
    # One that was found on the chain has no transaction of its own: it begins anew.
    state = State.QUEUED if operation.nonce is None else State.BROADCAST
    return store.change(
        connection,
        operation,
        state=state,
        # What it waited before says nothing of its fee: it had got into a block.
        sent_block=head.number,
        block_number=0,
        block_hash="",
        confirmations=0,
        error="",
        updated_at=now,
    )


def _fork(chain: Chain, head: Block, known: list[tuple[int, str]]) -> int:
    """Returns the newest remembered block that is still in the chain."""
    for number, block_hash in known:
        if number > head.number:
            continue
        block = head if number == head.number else chain.block(number)
        if block is not None and block.hash == block_hash:
            return number
    return known[-1][0] - 1 if known else head.number


def _existing(chain: Chain, number: int) -> Block:
    block = chain.block(number)
    if block is None:
        raise DomainError("CHAIN_UNREACHABLE")
    return block
