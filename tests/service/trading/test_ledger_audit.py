"""The ledger is audited while it is in use; what is wrong is told, once an hour."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.db.outbox import outbox
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import AssetAudit
from farmgate.trading.history import History
from farmgate.trading.ledger_audit import LedgerAudit, LedgerFigures
from farmgate.trading.project import Projector
from farmgate.trading.tables import ledger_entries
from service.trading.market import opened, trade

RIGHT = AssetAudit("USD", 10, 10, 4, 4, 0)


@dataclass
class Bench:
    """An audit over a history with one trade in it."""

    database: Database
    registry: CollectorRegistry
    clock: FakeClock
    found: list[AssetAudit]

    def audit(self) -> LedgerAudit:
        history = History(self.database)
        figures = LedgerFigures(self.registry)
        return LedgerAudit(self.database, history, lambda: (self.found, 7), self.clock, figures)

    def faults(self, check: str) -> float | None:
        return self.registry.get_sample_value("farmgate_ledger_faults", {"check": check})

    async def told(self) -> list[Any]:
        rows = await self.database.read(lambda tx: tx.execute(select(outbox)).all())
        return [row for row in rows if row.type == "admin.ledger_imbalance"]


@pytest.fixture
async def bench(tmp_path: Path, any_database_url: str, clock: FakeClock) -> AsyncIterator[Bench]:
    database = Database(any_database_url, threads=2)
    migrations.upgrade(database.engine)
    async with opened(tmp_path / "journal") as matching:
        await trade(matching, 1)
        await matching.caught_up()
        found, _ = matching.audit()
    projector = Projector(database, tmp_path / "journal")
    while projector.step():
        pass
    yield Bench(database, CollectorRegistry(), clock, found)
    database.close()


async def test_a_right_ledger_is_found_right(bench: Bench) -> None:
    """LED-001: balances of a real core, and the movements that led to them."""
    assert {one.asset for one in bench.found} == {"USD", "CORN"}
    await bench.audit().run()
    assert (bench.faults("core"), bench.faults("history")) == (0, 0)
    sample: Callable[[str], float | None] = bench.registry.get_sample_value
    assert sample("farmgate_ledger_audit_time_seconds") == bench.clock.epoch()
    assert sample("farmgate_ledger_audit_sequence") == 7
    assert await bench.told() == []


@pytest.mark.parametrize(
    "wrong",
    [
        RIGHT._replace(total=11),
        RIGHT._replace(held=5),
        RIGHT._replace(wrong_accounts=1),
    ],
)
async def test_a_wrong_balance_is_told_to_admins(bench: Bench, wrong: AssetAudit) -> None:
    """LED-002."""
    bench.found = [wrong, RIGHT._replace(asset="CORN")]
    await bench.audit().run()
    assert bench.faults("core") == 1
    (told,) = await bench.told()
    assert (told.role, "USD" in told.data) == ("ADMIN", True)


async def test_movements_that_do_not_add_up_are_told(bench: Bench) -> None:
    """LED-002: one unit too much in one row of history; each row is looked at once."""
    audit = bench.audit()
    await audit.run()
    entry = ledger_entries.c
    more = update(ledger_entries).where(entry.kind == 3).values(total_change=entry.total_change + 1)
    await bench.database.write(lambda tx: tx.execute(more))
    await audit.run()
    assert bench.faults("history") == 0, "What was right is not looked at again."
    bench.registry = CollectorRegistry()
    again = bench.audit()
    await again.run()
    assert bench.faults("history") == 2
    assert len(await bench.told()) == 1
    await again.run()
    assert bench.faults("history") == 2, "What was wrong stays wrong."
