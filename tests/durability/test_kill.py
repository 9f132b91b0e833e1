"""kill -9 at any instant: what was acknowledged is there, once, and replay gives the same state."""

import random
import shutil
from pathlib import Path

from durability.ledger import acknowledged, journalled, pause, recovered, start

ROUNDS = 20
# An order ID is the number of the order and its place in memory.
SLOT_BITS = 24


def test_nothing_acknowledged_is_lost_over_twenty_kills(tmp_path: Path) -> None:
    """OPS-001, OPS-011, TRD-032: kill -9 in mid-load, restart, twenty times over."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    folder = tmp_path / "journal"
    told = newest = 0
    for round_number in range(ROUNDS):
        output = tmp_path / f"told-{round_number}"
        trader = start(folder, dice.randrange(2**32), output=output)
        pause(dice)
        trader.kill()
        trader.wait()
        promised = acknowledged(output)
        told += len(promised)
        state, sequence = recovered(folder)
        orders, last, replayed = journalled(folder)
        assert (replayed, last) == (state, sequence), "snapshot and replay agree"
        for one in promised:
            assert one.sequence <= last
            assert orders.get(one.order_id, 0) >= one.sequence, one
        assert len({one.order_id for one in promised}) == len(promised), "no order twice"
        numbers = [one.order_id >> SLOT_BITS for one in promised]
        assert numbers == sorted(numbers)
        assert numbers[0] > newest, "also over restarts"
        newest = numbers[-1]
    assert told > 1_000, "the load was a load"


def test_torn_last_group_is_cut_and_trading_goes_on(tmp_path: Path) -> None:
    """OPS-002: a group that was being written when the power went is not half there."""
    folder = tmp_path / "journal"
    output = tmp_path / "told"
    trader = start(folder, 1, output=output)
    pause(random.Random(1))
    trader.kill()
    trader.wait()
    # Recovery finds also what was written and not yet announced when the trader was killed.
    _, last = recovered(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for snapshot in copy.glob("*.snapshot"):
        snapshot.unlink()
    segment = copy / "00000001.segment"
    data = segment.read_bytes()
    end = len(data.rstrip(b"\0"))
    segment.write_bytes(data[: end - 9] + bytes(len(data) - end + 9))
    (copy / "durable").unlink()
    _, sequence = recovered(copy)
    assert 0 < sequence < last
    trader = start(copy, 2, output=output)
    trader.kill()
    trader.wait()
    assert recovered(copy)[1] >= sequence
