"""Money and goods under faults: after every kill sums are exact, and each transfer is there once.

`LEDGER_ROUNDS=500` is the long form, `make soak-ledger`.
"""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from durability.ledger import pause, start
from farmgate._matching import Engine, Follower
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.ports.matching import AssetAudit
from farmgate.trading import store
from farmgate.trading.project import Projector
from farmgate.trading.tables import ledger_entries

ROUNDS = int(os.environ.get("LEDGER_ROUNDS", "6"))
FOLDER = Path(__file__).parent
COLUMNS = [column.name for column in ledger_entries.columns]
DEPOSIT, WITHDRAWAL = 1, 2
PROJECT = """
import sys
from pathlib import Path
from farmgate.db.engine import Database
from farmgate.trading.project import Projector
Projector(Database(sys.argv[1], threads=1), Path(sys.argv[2])).run(lambda: False)
"""


def transfers(output: Path) -> list[tuple[int, int, int, int]]:
    """Returns account, asset, amount and sequence of what was acknowledged."""
    lines = [line.split() for line in output.read_text().split("\n")[:-1]]
    told = [line for line in lines if len(line) == 5 and line[-1] != "refused"]
    return [tuple(map(int, line[1:])) for line in told]  # type: ignore[misc]


def journalled(folder: Path) -> Counter[tuple[int, int, int, int]]:
    """Returns the same of what the journal has."""
    follower = Follower.open(folder, 0)
    found: Counter[tuple[int, int, int, int]] = Counter()
    while block := follower.next_block(5_000):
        for row in block["postings"]:
            entry = dict(zip(COLUMNS, row, strict=True))
            if entry["kind"] in {DEPOSIT, WITHDRAWAL}:
                change = entry["total_change"]
                found[entry["account"], entry["asset"], change, entry["sequence"]] += 1
    return found


def injure(folder: Path, dice: random.Random) -> str:
    """Does to the folder what a crash may; nothing that was acknowledged is touched."""
    snapshots = sorted(folder.glob("*.snapshot"))
    fault = dice.choice(("nothing", "no snapshots", "newest snapshot", "torn group"))
    if fault == "no snapshots":
        for one in snapshots:
            one.unlink()
    elif fault == "newest snapshot" and snapshots:
        snapshots[-1].unlink()
    elif fault == "torn group":
        newest = max(folder.glob("*.segment"))
        with newest.open("r+b") as file:
            data = file.read()
            file.seek(len(data.rstrip(b"\0")) + 8)
            file.write(dice.randbytes(dice.randint(1, 200)))
    return fault


def audited(folder: Path) -> tuple[list[AssetAudit], dict[int, list[tuple[str, int, int]]]]:
    """Opens the core as a restart does; returns its audit and everybody's balances."""
    engine = Engine.open(folder)
    try:
        found = [AssetAudit(*one) for one in engine.audit()[0]]
        return found, {number: engine.balances(number) for number in range(5)}
    finally:
        engine.close()


def test_nothing_is_made_or_lost_over_kills(tmp_path: Path) -> None:
    """LED-003: kill -9 of core and projector in mid-load, torn groups, lost snapshots."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    folder, address = tmp_path / "journal", f"sqlite:///{tmp_path / 'history.db'}"
    database = Database(address, threads=1)
    migrations.upgrade(database.engine)
    promised: Counter[tuple[int, int, int, int]] = Counter()
    for number in range(ROUNDS):
        output = tmp_path / "told"
        mover = start(folder, dice.randrange(2**32), output=output, program=FOLDER / "mover.py")
        projector = subprocess.Popen([sys.executable, "-c", PROJECT, address, str(folder)])
        pause(dice)
        for process in dice.sample([mover, projector], 2):
            process.kill()
        mover.wait()
        projector.wait()
        promised += Counter(transfers(output))
        fault = injure(folder, dice)
        audits, _ = audited(folder)
        assert all(one.is_right for one in audits), (number, fault, audits)
        there = journalled(folder)
        assert set(there.values()) == {1}, "each once"
        assert not promised - there, (number, fault)
        for index, audit in enumerate(audits, 1):
            moved = sum(change for _, asset, change, _ in there if asset == index)
            assert audit.issued == moved, (number, fault)
    assert sum(promised.values()) > 20 * ROUNDS, "the load was a load"
    _history_agrees(database, folder)
    database.close()


def _history_agrees(database: Database, folder: Path) -> None:
    """Brings history up to the journal, and compares it with the core."""
    projector = Projector(database, folder)
    while projector.step():
        pass
    odd = database.run(lambda tx: store.unbalanced(tx, after=0, through=1 << 62))
    assert odd == []
    audits, balances = audited(folder)
    entry = ledger_entries.c
    with database.engine.connect() as connection:
        rows = connection.execute(
            select(
                entry.account,
                entry.asset,
                func.sum(entry.total_change),
                func.sum(entry.held_change),
            ).group_by(entry.account, entry.asset)
        )
        sums = {(row[0], row[1]): (row[2], row[3]) for row in rows}
    names = {audit.asset: number for number, audit in enumerate(audits, 1)}
    for account, held in balances.items():
        for asset, total, set_aside in held:
            assert sums.pop((account, names[asset]), (0, 0)) == (total, set_aside)
    assert all(one == (0, 0) for one in sums.values())
