"""What a trader was told, and whether the journal still has it."""

import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from farmgate._matching import Engine, Follower
from farmgate.trading.tables import orders as order_table

_COLUMNS = [column.name for column in order_table.columns]
_ORDER_ID, _SEQUENCE = _COLUMNS.index("order_id"), _COLUMNS.index("sequence")

ACKNOWLEDGED = re.compile(r"\d+-\d+ (\d+) (\d+) (\d+)")
TRADER = Path(__file__).with_name("trader.py")


@dataclass(frozen=True)
class Acknowledgement:
    """An order that the core said is durable."""

    sequence: int
    order_id: int
    status: int


def start(
    folder: Path, seed: int, *arguments: str, output: Path, program: Path = TRADER
) -> subprocess.Popen[bytes]:
    """Starts a trader, or another program like it, and waits until it trades."""
    with output.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, str(program), str(folder), str(seed), *arguments],
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + 30
    while b"trading" not in output.read_bytes():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < until, "the trader did not start"
        time.sleep(0.002)
    return process


def acknowledged(output: Path) -> list[Acknowledgement]:
    """Returns what the trader was told; a line that was being printed does not count."""
    lines = output.read_text().split("\n")[:-1]
    matches = (ACKNOWLEDGED.fullmatch(line) for line in lines)
    return [Acknowledgement(*map(int, match.groups())) for match in matches if match]


def journalled(folder: Path) -> tuple[dict[int, int], int, str]:
    """Reads the journal with an engine of its own.

    Returns:
        Sequence of the last change by order, the last sequence, and the hash of the state.
    """
    follower = Follower.open(folder, 0)
    orders: dict[int, int] = {}
    while block := follower.next_block(1_000):
        orders.update({row[_ORDER_ID]: row[_SEQUENCE] for row in block["orders"]})
    state, sequence = follower.state_hash()
    return orders, sequence, state


def recovered(folder: Path) -> tuple[str, int]:
    """Opens the core as a restart does; returns the hash of its state and its sequence."""
    engine = Engine.open(folder)
    try:
        return engine.state_hash()
    finally:
        engine.close()


def pause(dice: random.Random) -> None:
    """Lets a trader trade for a moment of any length."""
    time.sleep(dice.uniform(0.02, 0.35))
