"""What every journal does: files, and rows of a database."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from durability.ledger import journalled
from farmgate.api.trading.v1 import trading_pb2
from farmgate.ports.matching import Matching
from journals import prepared, sharing
from service.trading.market import SELLER, opened, session_message, trade, trade_fast

Opener = Callable[[], AbstractAsyncContextManager[Matching]]


class Kept:
    """A journal that outlives the cores that are opened on it."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.folder = folder
        self.url = url

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Matching]:
        """Opens a core."""
        if self.url is None:
            async with opened(self.folder) as matching:
                yield matching
        else:
            async with sharing(self.folder, self.url) as matching:
                yield matching


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.postgres)])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    url = None
    if request.param == "postgres":
        url = prepared(request.getfixturevalue("postgres_url"))
    return Kept(tmp_path / "journal", url)


async def test_what_was_acknowledged_is_there_again(kept: Kept) -> None:
    """OPS-011, OPS-170."""
    async with kept.open() as matching:
        await trade(matching, 20)
        await matching.caught_up()
        before = matching.state_hash()
    async with kept.open() as matching:
        assert matching.state_hash() == before
        await trade(matching, 5, first=20)
        await matching.caught_up()
        after = matching.state_hash()
        assert after[1] > before[1]
    _, last, replayed = journalled(kept.folder)
    assert (replayed, last) == after, "A replay from the first group gives the same state."


async def test_sequences_have_no_gap_and_groups_form_a_chain(kept: Kept) -> None:
    """OPS-170."""
    async with kept.open() as matching:
        await trade_fast(matching, 500)
        await trade(matching, 10, first=500)
        figures = matching.statistics()
        assert figures["durable_sequence"] == figures["commands"]
        assert figures["groups"] < figures["commands"], "Groups carry more than one command."
    _, last, _ = journalled(kept.folder)
    assert last == figures["commands"]


async def test_first_answers_outlive_a_restart(kept: Kept) -> None:
    """OPS-010, OPS-170."""
    message = session_message(SELLER, 3)
    async with kept.open() as matching:
        first = matching.session_reply(await matching.order_session(SELLER, message))
    async with kept.open() as matching:
        again = matching.session_reply(await matching.order_session(SELLER, message))

    def orders(reply: bytes) -> list[int]:
        acks = trading_pb2.OrderSessionResponse.FromString(reply).acks
        return [one.order_id for one in acks]

    assert orders(first) == orders(again)
    assert all(orders(first))


async def test_streams_resume_by_sequence_after_a_restart(kept: Kept) -> None:
    """OPS-170."""
    async with kept.open() as matching:
        await trade(matching, 10)
        await matching.caught_up()
        middle = matching.applied_sequence()
        await trade(matching, 10, first=10)
    async with kept.open() as matching:
        cursor = matching.watch_orders(SELLER, middle)
        taken, last, _, is_lost = matching.taker(cursor)(1 << 20)
        assert taken
        assert not is_lost
        assert last > middle


async def test_a_second_process_on_the_folder_does_not_start(kept: Kept) -> None:
    """OPS-009, OPS-170."""
    from farmgate.ports.matching import JournalFailure  # noqa: PLC0415 - Beside its use.

    async with kept.open():
        with pytest.raises(JournalFailure, match="Another process holds the journal"):
            async with kept.open():
                pass


@pytest.mark.postgres
async def test_a_lost_copy_grows_back_from_the_rows(postgres_url: str, tmp_path: Path) -> None:
    """OPS-171."""
    url = prepared(postgres_url)
    folder = tmp_path / "a"
    async with sharing(folder, url) as matching:
        await trade_fast(matching, 300)
        await trade(matching, 40, first=300)
        await matching.caught_up()
        before = matching.state_hash()
    shutil.rmtree(folder)
    async with sharing(folder, url) as matching:
        assert matching.state_hash() == before
    # A machine that went down may leave holes in a file that is not synced.
    segment = folder / "00000001.segment"
    damaged = bytearray(segment.read_bytes())
    damaged[200:600] = bytes(400)
    segment.write_bytes(damaged)
    async with sharing(folder, url) as matching:
        assert matching.state_hash() == before


@pytest.mark.postgres
async def test_rows_are_the_frames_of_the_files(postgres_url: str, tmp_path: Path) -> None:
    """OPS-170: one form, so a journal can be moved and checked by the same means."""
    url = prepared(postgres_url)
    async with sharing(tmp_path / "a", url) as matching:
        await trade(matching, 10)
    with psycopg.connect(url) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT frame FROM journal_groups ORDER BY first_sequence"
        ).fetchall()
    data = (tmp_path / "a" / "00000001.segment").read_bytes()
    assert data[64:].startswith(b"".join(row[0] for row in rows))
