"""Writes history: follows the journal and turns it into rows, in a process of its own.

Rows and watermark are one transaction, so a crash between two blocks loses nothing and repeats
nothing, and the rows of a lost database grow back from the journal.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.api.types.v1 import types_pb2
from farmgate.db.engine import Database
from farmgate.ports.matching import Block, Follower
from farmgate.telemetry.logs import logger
from farmgate.trading import store
from farmgate.trading.tables import (
    STATUS_BUSTED,
    STATUS_CORRECTED,
    ledger_entries,
    orders,
    trade_changes,
    trades,
    watermarks,
)

_BLOCK_COMMANDS: Final = 5_000
_IDLE_S: Final = 0.01
# Parameters of one statement; SQLite takes 32,766.
_STATEMENT_PARAMETERS_MAX: Final = 30_000
_POSTING_SEQUENCE: Final = [column.name for column in ledger_entries.columns].index("sequence")
_log = logger(__name__)


class Projector:
    """Brings history up to the journal.

    Args:
        database: Where history is kept.
        directory: Folder of the journal.
        then: Makes what is derived from history; returns 0 when it is up to date.
    """

    def __init__(
        self, database: Database, directory: Path, then: Callable[[], int] | None = None
    ) -> None:
        self._database = database
        self._then = then
        watermark = database.run(store.watermark, is_write=False)
        self._follower = Follower.open(directory, watermark)

    def step(self) -> int:
        """Writes the next block; returns its count of commands, 0 when history is up to date."""
        block = self.next_block(_BLOCK_COMMANDS)
        if block is None:
            return 0
        self.write(block)
        return block["commands"]

    def next_block(self, commands_max: int) -> Block | None:
        """Reads what comes next, for at most so many commands; None when it is up to date."""
        return self._follower.next_block(commands_max)

    def write(self, block: Block) -> None:
        """Writes a block, all of it or nothing."""
        self._database.run(lambda transaction: write_block(transaction, block))

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """Follows the journal until told to stop."""
        is_behind = True
        while not is_stopping():
            count = self.step()
            if self._then and (count or is_behind):
                is_behind = self._then() > 0
            elif count == 0:
                time.sleep(_IDLE_S)


def write_block(transaction: Connection, block: Block) -> None:
    """Writes the rows of a block and moves the watermark.

    Another process may be at the same: one that was told to stop and still runs. The watermark's
    row is the lock between them, and what the other wrote already is left out.
    """
    _lock(transaction)
    reached = store.watermark(transaction)
    if reached >= block["sequence"]:
        return
    _insert(transaction, orders, block["orders"], key="order_id")
    _insert(transaction, trades, block["trades"], key="trade_id")
    _change(transaction, block["changes"])
    postings = [row for row in block["postings"] if row[_POSTING_SEQUENCE] > reached]
    _insert(transaction, ledger_entries, postings, key=None)
    values = {"sequence": block["sequence"], "time_ns": block["time_ns"]}
    _upsert(transaction, watermarks, [{"shard": store.SHARD, **values}], "shard")


def _change(transaction: Connection, rows: list[tuple[int, ...]]) -> None:
    """Makes trades say what holds now, and keeps what they were."""
    _insert(transaction, trade_changes, rows, key="trade_id")
    buys = trades.c.aggressor == types_pb2.SIDE_BUY
    for trade_id, _, _, price, lots, bought, sold, *_ in rows:
        values = {
            "status": STATUS_CORRECTED if lots else STATUS_BUSTED,
            "price_ticks": price,
            "quantity_lots": lots,
            "taker_fee_minor": case((buys, bought), else_=sold),
            "maker_fee_minor": case((buys, sold), else_=bought),
        }
        transaction.execute(update(trades).where(trades.c.trade_id == trade_id).values(values))


def _lock(transaction: Connection) -> None:
    """Lets nobody else write history until the transaction is over."""
    insert = sqlite.insert if transaction.dialect.name == "sqlite" else postgresql.insert
    statement = insert(watermarks).values(shard=store.SHARD, sequence=0, time_ns=0)
    nothing = {"shard": statement.excluded.shard}
    transaction.execute(statement.on_conflict_do_update(index_elements=["shard"], set_=nothing))


def _insert(
    transaction: Connection, table: Table, rows: list[tuple[Any, ...]], *, key: str | None
) -> None:
    names = [column.name for column in table.columns]
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    if not dicts:
        return
    if key is None:
        transaction.execute(table.insert(), dicts)
    else:
        _upsert(transaction, table, dicts, key)


def _upsert(transaction: Connection, table: Table, rows: list[dict[str, Any]], key: str) -> None:
    insert = sqlite.insert if transaction.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    changes: dict[str, Any] = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name != key
    }
    if table is orders:
        # Told once, in the block in which the order came in.
        came_in = statement.excluded.accept_sequence
        changes["accept_sequence"] = case((came_in == 0, orders.c.accept_sequence), else_=came_in)
    statement = statement.on_conflict_do_update(index_elements=[key], set_=changes)
    transaction.execute(statement, rows)


def counts(transaction: Connection) -> dict[str, int]:
    """Returns how many rows history has, for checks."""
    tables = (orders, trades, ledger_entries)
    return {
        table.name: transaction.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables
    }
