"""Measures the audit of a ledger of a million accounts against the same sums by SQLite.

The last line is one JSON object. Run it by `make bench-ledger`.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from farmgate._matching import Engine

_BATCH: Final = 5_000
_ROUNDS: Final = 5
_SUMS: Final = "SELECT asset, sum(total), sum(held), min(total - held) FROM balances GROUP BY asset"
_RULES: Final[dict[str, Any]] = {
    "symbol": "CORN-US2Y-CHI", "kind": 1, "base_asset": 2, "quote_asset": 1,
    "tick_size_micro": 2_500, "tick_value_minor": 2_500, "lot_size_minor": 100_000, "min_lots": 1,
    "max_lots": 1_000, "price_min": 1_000, "price_max": 3_000, "limit_low": 1_500,
    "limit_high": 2_500, "protection_ticks": 20, "max_notional_minor": 0,
    "maker_fee_centi_bps": 50, "taker_fee_centi_bps": 250, "deposit_bps": 0, "phase": 5,
}  # fmt: skip


async def _fill(engine: Engine, count: int) -> None:
    """Opens accounts, each with money and goods, and an order for every tenth."""
    from farmgate.api.trading.v1 import trading_pb2  # noqa: PLC0415 - After the core is open.

    loop = asyncio.get_running_loop()
    loop.add_reader(engine.fileno(), engine.drain)

    async def ask(call: Callable[..., None], *arguments: object) -> None:
        future = loop.create_future()
        call(*arguments, future)
        await future

    for code in ("USD", "CORN"):
        await ask(engine.register_asset, code)
    await ask(engine.define_instrument, _RULES)
    order = trading_pb2.CreateOrderRequest(
        symbol="CORN-US2Y-CHI", side=1, type=trading_pb2.ORDER_TYPE_LIMIT, price="4.4000",
        time_in_force=trading_pb2.TIME_IN_FORCE_GTC, quantity_lots=1,
    ).SerializeToString()  # fmt: skip
    dice = random.Random(20260101)
    for first in range(1, count + 1, _BATCH):
        futures = []
        for number in range(first, min(first + _BATCH, count + 1)):
            steps: list[tuple[Callable[..., None], tuple[object, ...]]] = [
                (engine.open_account, (number.to_bytes(16, "big"), number, 100)),
                (engine.transfer, (number, 1, dice.randint(10**8, 10**10), b"")),
                (engine.transfer, (number, 2, dice.randint(1, 10**8), b"")),
            ]
            if number % 10 == 0:
                steps.append((engine.create_order, (number, b"", order)))
            for call, arguments in steps:
                futures.append(loop.create_future())
                call(*arguments, futures[-1])
        await asyncio.gather(*futures)
    future = loop.create_future()
    engine.wait_applied(None, future)
    await future
    loop.remove_reader(engine.fileno())


def _table(engine: Engine, count: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE balances (account, asset, total, held)")
    for number in range(count + 1):
        rows = [(number, *balance) for balance in engine.balances(number)]
        connection.executemany("INSERT INTO balances VALUES (?, ?, ?, ?)", rows)
    return connection


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_000_000)
    count = parser.parse_args().accounts
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine.open(Path(folder), durable=False, snapshot_interval_commands=10**9)
        asyncio.run(_fill(engine, count))
        table = _table(engine, count)
        audits, sums = [], []
        for _ in range(_ROUNDS):
            audits.append(_timed(engine.audit))
            sums.append(_timed(lambda: table.execute(_SUMS).fetchall()))
        found, sequence = engine.audit()
        rows = {row[0]: row[1:3] for row in table.execute(_SUMS).fetchall()}
        for asset, issued, total, held, explained, wrong in found:
            assert issued == total == rows[asset][0]
            assert held == explained == rows[asset][1]
            assert wrong == 0
        engine.close()
    audit_s, sums_s = statistics.median(audits), statistics.median(sums)
    figures = {
        "accounts": count, "sequence": sequence, "audit_s": round(audit_s, 3),
        "sqlite_sums_s": round(sums_s, 3), "ratio": round(audit_s / sums_s, 3),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
