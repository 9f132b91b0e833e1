"""Days of a small journal, written and checked without a server."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from farmgate.api.trading.v1 import trading_pb2
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import Matching
from farmgate.ports.proofs import PublicJournal, inclusion_path
from farmgate.trading import proof_store
from farmgate.trading.project import Projector
from farmgate.trading.proof_days import Days
from farmgate.trading.proof_keys import ProofKeys
from farmgate.trading.tables import trades
from farmgate.trading.verification import InputError, Report, Wanted, check
from service.trading.market import BUYER, SELLER, opened, session_message, trade

KEYS = ProofKeys.of(b"a secret of the installation")
_DAY = timedelta(days=1)


class Shore:
    """Takes roots, and no chain carries them further."""

    is_enabled = True

    def __init__(self) -> None:
        self.manifests: list[bytes] = []
        self.asked: list[tuple[str, str]] = []

    def publish(self, manifest: bytes) -> Callable[[Connection], str]:
        self.manifests.append(manifest)
        return lambda _: f"cid{len(self.manifests)}"

    def request(self, connection: Connection, day: Any, before: Any) -> str:
        del connection
        previous = before.root if before else "00" * 32
        self.asked.append((day.root, previous))
        return str(previous)

    def transaction_hash(self, connection: Connection, date: str) -> str:
        del connection
        return f"0x{date}"


@dataclass
class World:
    """A core, its history, and what closes its days."""

    matching: Matching
    folder: Path
    database: Database
    clock: FakeClock
    shore: Shore
    days: Days

    def project(self) -> None:
        """Brings history up to the journal."""
        projector = Projector(self.database, self.folder / "journal")
        while projector.step():
            pass

    async def close(self, day: int = 1) -> str:
        """Closes what is older than so many days from now; returns the newest day."""
        now = datetime.now(UTC)
        self.clock.move((now + day * _DAY).timestamp() - self.clock.epoch())
        self.project()
        await self.days.run(None)
        newest = await self.database.read(proof_store.newest_day)
        assert newest is not None
        return str(newest.date)

    def files(self) -> list[Path]:
        return sorted((self.folder / "proofs").glob("*.journal"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    migrations.upgrade(database.engine)
    clock, shore = FakeClock(), Shore()
    days = Days(database, database, clock, tmp_path / "journal", tmp_path / "proofs", KEYS, shore)
    async with opened(tmp_path / "journal") as matching:
        yield World(matching, tmp_path, database, clock, shore, days)
    database.close()


def checked(*files: Path, state: bytes = b"", **wanted: Any) -> tuple[Report, bytes]:
    return check(Wanted(files=files, state=state, **wanted))


def right(*files: Path, state: bytes = b"", **wanted: Any) -> bytes:
    report, kept = checked(*files, state=state, **wanted)
    assert report.is_good, report.findings
    return kept


async def test_a_day_is_reproduced(world: World) -> None:
    """PRF-010, PRF-011: fills, chain, root and state of a day follow from its file alone."""
    await trade(world.matching, 20)
    date = await world.close()
    [file] = world.files()
    report, _ = checked(file)
    assert report.is_good, report.findings
    [day] = report.days
    assert (day.date, day.fills, day.first_sequence) == (date, 20, 1)
    assert day.last_sequence == day.records == world.matching.applied_sequence()
    manifest = json.loads(world.shore.manifests[0])
    assert manifest["root"] == day.root
    assert world.shore.asked == [(day.root, "00" * 32)]
    right(file, roots={date: day.root})
    report, _ = checked(file, roots={date: "ab" * 32})
    assert [one.kind for one in report.findings] == ["root"]


async def test_any_flipped_byte_is_found(world: World) -> None:
    """PRF-012: whichever byte of a day's file is another, the check fails."""
    await trade(world.matching, 3)
    await world.close()
    [file] = world.files()
    data = file.read_bytes()
    right(file)
    seed = 20260101
    places = sorted(Random(seed).sample(range(len(data)), 250))
    for place in [*range(40), *places, *range(len(data) - 40, len(data))]:
        wrong = bytearray(data)
        wrong[place] ^= 1 + place % 255
        file.write_bytes(wrong)
        assert not checked(file)[0].is_good, f"byte {place} of seed {seed} went unseen"
    for size in (0, 18, 19, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:size])
        assert not checked(file)[0].is_good, f"cut at {size}"
    file.write_bytes(data + b"\0")
    assert not checked(file)[0].is_good
    file.write_bytes(data)
    right(file)


async def test_what_was_told_otherwise_is_found(world: World) -> None:
    """PRF-011: a fill that users were told of and the journal does not make, or the reverse."""
    await trade(world.matching, 4)
    world.project()

    def change(tx: Connection) -> None:
        tx.execute(update(trades).where(trades.c.trade_id == 2).values(price_ticks=1_801))

    world.database.run(change)
    await world.close()
    report, _ = checked(*world.files())
    [finding] = report.findings
    assert finding.kind == "fill"
    assert "trade 2: the exchange told price_ticks 1801 and the replay makes 1800" in finding.words


async def test_missing_files_are_written_again(world: World) -> None:
    """PRF-014: files follow from journal and history; a fill that is gone there is found."""
    await trade(world.matching, 4)
    await world.close()
    [file] = world.files()
    before = file.read_bytes()
    file.unlink()
    await world.days.run(None)
    assert file.read_bytes() == before
    file.with_suffix(".tree").unlink()
    world.database.run(lambda tx: tx.execute(trades.delete().where(trades.c.trade_id == 3)))
    await world.days.run(None)
    report, _ = checked(file)
    assert {one.kind for one in report.findings} == {"fill"}
    assert len(world.shore.asked) == 1, "it was anchored once"


async def test_days_continue_each_other(world: World) -> None:
    """PRF-013: chain and state go on from day to day, from a state kept, and nowhere else."""
    await trade(world.matching, 2)
    first_date = await world.close(1)
    await trade(world.matching, 3, first=2)
    second_date = await world.close(2)
    assert second_date > first_date
    first, second = world.files()
    assert [pair[1] for pair in world.shore.asked] == ["00" * 32, world.shore.asked[0][0]]
    report, _ = checked(first, second)
    assert report.is_good, report.findings
    assert [day.fills for day in report.days] == [2, 3]
    state = right(first)
    right(second, state=state)
    report, _ = checked(second)
    assert "gap" in {one.kind for one in report.findings}
    report, _ = checked(second, first)
    assert not report.is_good
    for broken in (b"nonsense", state[:-1], state[:-9] + b"123456789"):
        with pytest.raises(InputError):
            checked(second, state=broken)


async def test_a_day_that_goes_on_is_not_closed(world: World) -> None:
    """PRF-003: today's records wait for midnight, and a day without records is none."""
    await trade(world.matching, 2)
    world.clock.move(datetime.now(UTC).timestamp() - world.clock.epoch())
    world.project()
    await world.days.run(None)
    assert await world.database.read(proof_store.newest_day) is None
    await world.close(1)
    await world.close(5)
    assert len(world.files()) == 1


async def test_nothing_personal_is_in_the_file(world: World) -> None:
    """PRF-020: IDs that people chose are salted hashes, which their owner can recompute."""
    await trade(world.matching, 1, first=777_001)
    await world.close()
    [file] = world.files()
    data = file.read_bytes()
    raw = b"".join(path.read_bytes() for path in (world.folder / "journal").glob("*.segment"))
    journal = PublicJournal(world.folder / "journal", KEYS.cover, b"")
    for account in (SELLER, BUYER):
        client_order_id = f"{account}-777001".encode()
        for as_chosen in (bytes([account] * 16), client_order_id):
            assert as_chosen in raw
            assert as_chosen not in data
        salt = bytes.fromhex(journal.salt(account))
        covered = hashlib.sha256(salt + client_order_id).hexdigest()[:32]
        assert data.count(covered.encode()) == 1


async def test_every_record_leads_to_the_root(world: World) -> None:
    """PRF-002: the path of each record, and none of a record changed."""
    await trade(world.matching, 6)
    date = await world.close()
    [file] = world.files()
    row = await world.database.read(lambda tx: proof_store.day(tx, date))
    assert row is not None
    proofs = []
    for index in range(row.last_sequence):
        leaf, path = inclusion_path(world.days.tree(date), row.last_sequence, index)
        proofs.append(
            trading_pb2.GetInclusionProofResponse(
                leaf_hash=leaf, path=path, root=row.root, date=date, sequence=index + 1,
                leaf_index=index, leaf_count=row.last_sequence,
            )
        )  # fmt: skip
    right(file, proofs=proofs)
    mistakes: list[dict[str, Any]] = [
        {"leaf_hash": "00" * 32}, {"root": "00" * 32}, {"leaf_index": 3}, {"leaf_count": 9},
        {"sequence": 2}, {"date": "2020-01-01"}, {"sequence": 10**6},
    ]  # fmt: skip
    for mistake in mistakes:
        wrong = trading_pb2.GetInclusionProofResponse()
        wrong.CopyFrom(proofs[4])
        for name, value in mistake.items():
            setattr(wrong, name, value)
        assert not checked(file, proofs=[wrong])[0].is_good, mistake
    for place in range(len(proofs[4].path)):
        for text in ("00" * 32, "nonsense"):
            wrong = trading_pb2.GetInclusionProofResponse()
            wrong.CopyFrom(proofs[4])
            wrong.path[place] = text
            assert not checked(file, proofs=[wrong])[0].is_good


async def test_history_must_have_come_as_far(world: World) -> None:
    """PRF-004: no day is closed before users' history has all of it."""
    await trade(world.matching, 1)
    await world.close(1)
    message = session_message(SELLER, 1, first=90)
    world.matching.session_reply(await world.matching.order_session(SELLER, message))
    world.clock.move(86_400.0)
    with pytest.raises(Exception, match="READ_BEHIND"):
        await world.days.run(None)
    found = await world.database.read(lambda tx: tx.execute(select(trades.c.trade_id)).all())
    assert len(found) == 1
    world.project()
    await world.days.run(None)
    assert len(world.files()) == 2
    right(*world.files())
