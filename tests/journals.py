"""Cores over a journal in PostgreSQL, for tests."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import psycopg

from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.ports.matching import Matching
from service.trading.market import BUYER, RICH_MINOR, RULES, SELLER

LEASE_MS = 1_000
_TESTS = Path(__file__).parent


def prepared(url: str) -> str:
    """Makes the tables of an empty database; returns its address."""
    database = Database(url, threads=1)
    migrations.upgrade(database.engine)
    database.close()
    return url


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """Waits for something; returns how long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "It did not happen in time."
        await asyncio.sleep(0.005)
    return time.monotonic() - started


def share(folder: Path, url: str, *, address: str = "", lease_ms: int = LEASE_MS) -> Matching:
    """Opens a core over a shared journal."""
    return Matching.share(
        folder,
        url,
        address=address or f"{folder.name}:1",
        lease_ms=lease_ms,
        snapshot_interval_commands=1_000_000,
    )


async def open_market(matching: Matching) -> None:
    """Opens the market, where it is not open yet."""
    for code in ("USD", "CORN"):
        await matching.register_asset(code)
    if not matching.instruments():
        await matching.define_instrument(RULES)
        for account in (SELLER, BUYER):
            number = await matching.open_account(
                bytes([account] * 16), owner=account, max_open_orders=100_000
            )
            for asset in (1, 2):
                await matching.transfer(number, asset, RICH_MINOR, f"start {asset}".encode())
    await matching.caught_up()


@asynccontextmanager
async def sharing(
    folder: Path, url: str, *, address: str = "", leads: bool = True, lease_ms: int = LEASE_MS
) -> AsyncIterator[Matching]:
    """Opens a core over a shared journal for the length of a block."""
    matching = share(folder, url, address=address, lease_ms=lease_ms)
    await matching.start()
    try:
        if leads:
            await until(lambda: matching.leadership.is_leading)
            await open_market(matching)
        yield matching
    finally:
        await matching.stop()


def run_sql(url: str, statement: str, *values: object) -> int:
    """Runs a statement in a transaction of its own; returns how many rows it touched."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement, values).rowcount


def start_rival(
    folder: Path, url: str, lease_ms: int, output: BinaryIO, errors: BinaryIO
) -> subprocess.Popen[bytes]:
    """Starts `rival.py`: a process that trades whenever it leads."""
    return subprocess.Popen(
        [sys.executable, str(_TESTS / "durability/rival.py"), str(folder), url, str(lease_ms)],
        stdout=output,
        stderr=errors,
        env=os.environ | {"PYTHONPATH": str(_TESTS)},
    )
