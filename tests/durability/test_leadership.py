"""One of several servers leads; the others follow and say who leads."""

import asyncio
import signal
import subprocess
import time
from pathlib import Path

import pytest

from farmgate.errors import DomainError
from farmgate.ports.leading import FOLLOWING, Mirror
from farmgate.ports.matching import Follower, Matching
from journals import prepared, run_sql, sharing, start_rival, until
from outages import Frozen
from postgres import Cluster
from service.trading.market import SELLER, session_message, settled, trade

pytestmark = pytest.mark.postgres


async def refusal(matching: Matching, number: int = 0) -> DomainError:
    """Returns what an order is refused for."""
    message = session_message(SELLER, 1, first=number)
    with pytest.raises(DomainError) as caught:
        matching.session_reply(await matching.order_session(SELLER, message))
    return caught.value


@pytest.fixture
def url(postgres_url: str) -> str:
    return prepared(postgres_url)


async def test_a_follower_shows_what_the_leader_made_and_takes_nothing(
    url: str, tmp_path: Path
) -> None:
    """OPS-174."""
    async with (
        sharing(tmp_path / "a", url, address="a:1") as leader,
        sharing(tmp_path / "b", url, address="b:1", leads=False) as follower,
    ):
        assert follower.leadership.standing.role == FOLLOWING
        await trade(leader, 10)
        sequence = await settled(leader)
        await follower.caught_up(sequence)
        assert follower.state_hash() == leader.state_hash()
        assert follower.balances(SELLER) == leader.balances(SELLER)
        refused = await refusal(follower)
        assert (refused.reason, refused.values) == ("NOT_LEADER", {"leader": "a:1"})
        assert follower.applied_sequence() == sequence, "Nothing was entered."


async def test_a_leader_that_goes_hands_over(url: str, tmp_path: Path) -> None:
    """OPS-175."""
    async with (
        sharing(tmp_path / "a", url, lease_ms=60_000) as leader,
        sharing(tmp_path / "b", url, leads=False, lease_ms=60_000) as follower,
    ):
        await trade(leader, 3)
        before = leader.leadership.standing.epoch
        await leader.leadership.hand_over()
        assert (await refusal(leader, 100)).reason == "NOT_LEADER"
        took_s = await until(lambda: follower.leadership.is_leading)
        # The lease would have lasted a minute.
        assert took_s < 5
        assert follower.leadership.standing.epoch == before + 1
        await trade(follower, 3, first=3)
        await asyncio.sleep(0.3)
        assert not leader.leadership.is_leading, "It does not take the lease again."


async def test_a_deposed_leader_writes_nothing(url: str, tmp_path: Path) -> None:
    """OPS-173: the epoch is checked in the transaction of the group."""
    async with sharing(tmp_path / "a", url, lease_ms=60_000) as leader:
        await trade(leader, 2)
        sequence = leader.statistics()["durable_sequence"]
        taken = (
            "UPDATE journal_leases SET epoch = epoch + 1, holder = 'other', address = 'other:1', "
            "expire_time = clock_timestamp() + interval '1 hour'"
        )
        assert run_sql(url, taken) == 1
        assert (await refusal(leader, 50)).reason == "NOT_LEADER"
        assert run_sql(url, "SELECT FROM journal_groups WHERE first_sequence > %s", sequence) == 0
        await until(lambda: leader.leadership.standing.role == FOLLOWING)
        assert leader.leadership.standing.leader == "other:1"
        assert run_sql(url, "UPDATE journal_leases SET expire_time = clock_timestamp()") == 1
        # It leads again from what is durable, and forgets what it had decided beyond.
        await until(lambda: leader.leadership.is_leading)
        await trade(leader, 1, first=50)
        assert leader.statistics()["durable_sequence"] > sequence


async def test_a_group_that_collides_is_not_acknowledged(url: str, tmp_path: Path) -> None:
    """OPS-173: the key of a row is a second fence."""
    async with sharing(tmp_path / "a", url) as leader:
        await trade(leader, 1)
        following = leader.statistics()["durable_sequence"] + 1
        stolen = "INSERT INTO journal_groups VALUES (0, %s, 1, 99, '')"
        assert run_sql(url, stolen, following) == 1
        assert (await refusal(leader, 50)).reason == "NOT_LEADER"
        run_sql(url, "DELETE FROM journal_groups WHERE first_sequence = %s", following)
        await until(lambda: leader.leadership.is_leading)


async def test_those_who_only_follow_have_a_copy_of_their_own(url: str, tmp_path: Path) -> None:
    """OPS-176: streams and history, without the server's folder."""
    folder = tmp_path / "copy"
    folder.mkdir()
    mirrors = [Mirror(folder, url), Mirror(folder, url)]
    async with sharing(tmp_path / "a", url) as leader:
        for mirror in mirrors:
            await mirror.start()
        await trade(leader, 5)
        wanted = (await settled(leader), leader.state_hash())
        follower = Follower.open(folder, 0)

        def follow() -> bool:
            follower.next_block(10_000)
            return follower.state_hash()[1] == wanted[0]

        await until(follow)
        assert follower.state_hash() == wanted[1]
        # Whoever wrote the copy ends; another one goes on.
        await mirrors[0].stop()
        await trade(leader, 5, first=5)
        wanted = (await settled(leader), leader.state_hash())
        await until(follow)
        await mirrors[1].stop()


def test_a_copy_of_another_journal_ends_the_server(url: str, tmp_path: Path) -> None:
    """OPS-177: rows that were changed, or a database that was put back, are noticed."""
    said = tmp_path / "a.log"

    def start() -> subprocess.Popen[bytes]:
        with said.open("wb") as output:
            return start_rival(tmp_path / "a", url, 500, output, output)

    process = start()
    until_s = time.monotonic() + 60
    while said.read_bytes().count(b"ack ") < 5:
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < until_s
        time.sleep(0.02)
    process.kill()
    process.wait()
    last = "DELETE FROM journal_groups WHERE first_sequence = (SELECT max(first_sequence) FROM "
    assert run_sql(url, last + "journal_groups)") == 1
    process = start()
    assert process.wait(timeout=60) == -signal.SIGABRT
    assert "is not what the database keeps" in said.read_text()


async def test_a_lost_database_is_told_at_once_and_trading_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    """OPS-178: stopped as a whole, so that connections stay and nothing answers."""
    cluster = Cluster.find()
    assert cluster, "scripts/install-test-tools installs PostgreSQL."
    with cluster.running() as own:
        database = Frozen(own)
        async with sharing(tmp_path / "a", prepared(own), lease_ms=2_000) as matching:
            await trade(matching, 3)
            database.stop()
            try:
                started = time.monotonic()
                first = await refusal(matching, 50)
                refused_s = time.monotonic() - started
                second = await refusal(matching, 51)
            finally:
                database.go_on()
            back_s = await until(lambda: matching.leadership.is_leading)
            await trade(matching, 2, first=60)
    assert first.reason == "ENGINE_STOPPED", "Whether it was entered is not known."
    assert second.reason in {"ENGINE_STOPPED", "NOT_LEADER"}
    assert refused_s <= 1.0
    assert back_s <= 5.0
