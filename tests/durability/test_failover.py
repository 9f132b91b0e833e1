"""Two servers on one journal: who leads, and what becomes of a leader that was stopped.

Rounds of stopping (SIGSTOP, later SIGCONT) and killing (SIGKILL) the leader in turn.
TEST_FAILOVERS says how many; `make failovers` runs the long form.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farmgate.ports.matching import Follower
from farmgate.trading.tables import orders as order_table
from journals import prepared, start_rival

ROUNDS = int(os.environ.get("TEST_FAILOVERS", "2"))
LEASE_MS = 2_000
# What is promised: 5 s from a kill, 10 s from a stop.
KILLED_S, STOPPED_S = 5.0, 10.0
_NAME = [column.name for column in order_table.columns].index("client_order_id")
_NS = 10**9


@dataclass
class Rival:
    """One of the servers, and what it said."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, or starts it anew."""
        said = self.folder.parent / f"{self.folder.name}.said"
        log = said.with_suffix(".log")
        with said.open("ab") as output, log.open("ab") as errors:
            self.process = start_rival(self.folder, self.url, LEASE_MS, output, errors)

    def send(self, number: int) -> None:
        """Sends it a signal."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def said(self) -> list[list[str]]:
        """Returns every line it has written whole."""
        text = (self.folder.parent / f"{self.folder.name}.said").read_text()
        return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]

    def acknowledged(self, since_ns: int = 0) -> list[tuple[int, str]]:
        """Returns time and name of what it acknowledged."""
        return [
            (int(line[1]), line[2])
            for line in self.said()
            if line[0] == "ack" and int(line[1]) >= since_ns
        ]


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for something that processes do."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen in {seconds} s."
        time.sleep(0.02)


@pytest.fixture
def rivals(postgres_url: str, tmp_path: Path):
    url = prepared(postgres_url)
    made = [Rival(tmp_path / name, url) for name in ("a", "b")]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            if one.process and one.process.poll() is None:
                one.send(signal.SIGCONT)
                one.send(signal.SIGKILL)


def fail_over(leader: Rival, other: Rival, *, is_killed: bool) -> float:
    """Takes the leader away and lets it come back; returns the time without one, in seconds."""
    count = len(leader.acknowledged())
    wait_for(lambda: len(leader.acknowledged()) > count + 20, 30, "Trading")
    gone_ns = time.monotonic_ns()
    leader.send(signal.SIGKILL if is_killed else signal.SIGSTOP)
    limit = KILLED_S if is_killed else STOPPED_S
    wait_for(lambda: bool(other.acknowledged(gone_ns)), limit + 5, "A takeover")
    took_s = (other.acknowledged(gone_ns)[0][0] - gone_ns) / _NS
    back_ns = time.monotonic_ns()
    if is_killed:
        leader.start()
    else:
        leader.send(signal.SIGCONT)
    starts = ("role",) if is_killed else ("no", "ack", "role")
    wait_for(
        lambda: any(line[0] in starts and int(line[1]) > back_ns for line in leader.said()),
        30,
        "The old leader's return",
    )
    count = len(other.acknowledged())
    wait_for(lambda: len(other.acknowledged()) > count + 20, 30, "Trading by the new leader")
    asked_before = {
        line[2] for line in leader.said() if line[0] == "ask" and int(line[1]) < gone_ns
    }
    false_acks = [name for _, name in leader.acknowledged(gone_ns) if name not in asked_before]
    assert not false_acks, "A leader that was stopped acknowledges nothing that it takes after."
    assert took_s <= limit
    return took_s


@pytest.mark.postgres
def test_another_server_leads_and_the_old_one_acknowledges_nothing(
    rivals: list[Rival], tmp_path: Path
) -> None:
    """OPS-172, OPS-173: stopped and killed leaders; every acknowledged order is there once."""

    def leading() -> bool:
        return any(one.acknowledged() for one in rivals)

    wait_for(leading, 60, "A first leader")
    leader, other = rivals if rivals[0].acknowledged() else reversed(rivals)
    times: dict[str, list[float]] = {"stopped": [], "killed": []}
    for number in range(ROUNDS):
        is_killed = number % 2 == 1
        took_s = fail_over(leader, other, is_killed=is_killed)
        times["killed" if is_killed else "stopped"].append(round(took_s, 2))
        leader, other = other, leader
    for one in rivals:
        one.send(signal.SIGKILL)
    names = [name for one in rivals for _, name in one.acknowledged()]
    kept = [set(journalled_names(one.folder)) for one in rivals]
    lost = [name for name in names if name not in max(kept, key=len)]
    assert not lost
    assert len(set(names)) == len(names)
    print(
        json.dumps(
            {
                "failovers": ROUNDS,
                "acknowledged": len(names),
                "lost": len(lost),
                "false_acknowledgements": 0,
                "takeover_s": {
                    kind: {"median": sorted(took)[len(took) // 2], "max": max(took)}
                    for kind, took in times.items()
                    if took
                },
            }
        )
    )


def journalled_names(folder: Path) -> list[str]:
    """Returns the client's names of all orders of a copy, each of which must come once."""
    follower = Follower.open(folder, 0)
    names: dict[int, str] = {}
    while block := follower.next_block(5_000):
        for row in block["orders"]:
            assert names.setdefault(row[0], row[_NAME]) == row[_NAME]
    assert len(set(names.values())) == len(names), "No name twice."
    return list(names.values())
