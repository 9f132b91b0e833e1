from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farmgate.db import audit, migrations
from farmgate.db.audit import Entry, Sealed
from farmgate.db.engine import Database

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> list[Sealed]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    migrations.upgrade(database.engine)
    for number in range(5):
        entry = Entry(AT, "amara", "FARMER", "Method", f"thing/{number}", "r", "127.0.0.1")
        database.run(lambda tx, entry=entry: audit.append(tx, entry))
    rows = database.run(lambda tx: list(audit.rows(tx)))
    database.close()
    return rows


def test_whole_log_has_no_fault(log: list[Sealed]) -> None:
    assert audit.first_fault(iter(log)) is None
    assert audit.first_fault(iter(log), head=log[-1].hash) is None


def test_tampering_is_found_where_it_happened(log: list[Sealed]) -> None:
    """AUT-022."""
    edited = [*log]
    edited[2] = replace(log[2], entry=replace(log[2].entry, actor="jan"))
    assert audit.first_fault(iter(edited)) == 3
    assert audit.first_fault(iter([*log[:2], *log[3:]])) == 4
    assert audit.first_fault(iter([log[1], log[0], *log[2:]])) == 2
    assert audit.first_fault(iter(log[1:])) == 2
    assert audit.first_fault(iter(log[:3]), head=log[-1].hash) == 4
