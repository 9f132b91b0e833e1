"""History is a projection of the journal: late, lost or written twice, it ends up the same."""

import asyncio
import random
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from farmgate.db.engine import Database
from farmgate.db.schema import metadata
from farmgate.trading import project
from farmgate.trading.project import Projector
from farmgate.trading.tables import ledger_entries, orders, trade_changes, trades, watermarks
from service.trading.market import BUYER, opened, trade_fast

TABLES = (watermarks, orders, trades, trade_changes, ledger_entries)


async def _traded(folder: Path) -> None:
    async with opened(folder) as matching:
        await trade_fast(matching, 300)
        await matching.mass_cancel(BUYER, b"")


def _database(url: str) -> Database:
    database = Database(url)
    database.run(lambda transaction: metadata.create_all(transaction, tables=list(TABLES)))
    return database


def _rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    def work(transaction):
        return {
            table.name: sorted(map(tuple, transaction.execute(select(table)))) for table in TABLES
        }

    return database.run(work, is_write=False)


def _written(url: str, folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(_database(url)) as database:
        projector = Projector(database, folder)
        while projector.step():
            pass
        return _rows(database)


async def test_lost_history_grows_back_the_same(tmp_path: Path, any_database_url: str) -> None:
    """OPS-012, TRD-133."""
    folder = tmp_path / "journal"
    await _traded(folder)
    first = await asyncio.to_thread(_written, f"sqlite:///{tmp_path / 'first.db'}", folder)
    again = await asyncio.to_thread(_written, any_database_url, folder)
    assert len(first["trades"]) == 300
    assert len(first["orders"]) == 600
    assert again == first


async def test_interrupted_projector_writes_no_row_twice(
    tmp_path: Path, any_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPS-012, TRD-133: each block fails once after its rows are written, before it is kept."""
    monkeypatch.setattr(project, "_BLOCK_COMMANDS", 40)
    folder = tmp_path / "journal"
    await _traded(folder)
    whole = await asyncio.to_thread(_written, f"sqlite:///{tmp_path / 'whole.db'}", folder)
    write, dice = project.write_block, random.Random(4)
    failures = 0

    def write_and_die(transaction, block) -> None:
        nonlocal failures
        write(transaction, block)
        if dice.random() < 0.5:
            failures += 1
            raise RuntimeError("killed")

    def work() -> dict[str, list[tuple[object, ...]]]:
        with closing(_database(any_database_url)) as database:
            projector = Projector(database, folder)
            while True:
                try:
                    if projector.step() == 0:
                        return _rows(database)
                except RuntimeError:
                    # A process that died starts again from what is kept.
                    projector = Projector(database, folder)

    monkeypatch.setattr(project, "write_block", write_and_die)
    assert await asyncio.to_thread(work) == whole
    assert failures > 3


async def test_two_projectors_write_no_row_twice(tmp_path: Path, any_database_url: str) -> None:
    """OPS-012: as when an old one has not died yet."""
    folder = tmp_path / "journal"
    await _traded(folder)
    whole = await asyncio.to_thread(_written, f"sqlite:///{tmp_path / 'whole.db'}", folder)

    def work() -> dict[str, list[tuple[object, ...]]]:
        def run(database: Database, commands: int) -> None:
            projector = Projector(database, folder)
            while block := projector.next_block(commands):
                projector.write(block)

        with (
            closing(_database(any_database_url)) as first,
            closing(Database(any_database_url)) as second,
        ):
            # Their blocks end at different commands.
            threads = [
                threading.Thread(target=run, args=(first, 40)),
                threading.Thread(target=run, args=(second, 33)),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return _rows(first)

    assert await asyncio.to_thread(work) == whole
