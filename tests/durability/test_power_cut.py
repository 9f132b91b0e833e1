"""A power cut: every byte that was not synced is gone.

The journal is kept on a file system of its own, an ext4 image on a loop mount, which is shut down
without its log being flushed. The negative control runs the same without syncing and must lose
something: a test that can't fail shows nothing.
"""

import fcntl
import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from durability.ledger import Acknowledgement, acknowledged, journalled, pause, recovered, start

# FS_IOC_SHUTDOWN with FSOP_GOING_FLAGS_NOLOGFLUSH: the file system forgets what is not on disk.
SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
IMAGE_BYTES = 1 << 30
ROUNDS = 5


class Disk:
    """A disk whose power can be cut."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "disk.img"
        self.mount_point = folder / "disk"
        self.mount_point.mkdir()
        with self.image.open("wb") as image:
            image.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", str(self.image)], check=True)

    def mount(self) -> None:
        """Switches the disk on."""
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.mount_point)], check=True)

    def cut(self) -> None:
        """Cuts the power. What writes on goes nowhere."""
        handle = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Takes the disk off."""
        subprocess.run(["umount", str(self.mount_point)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    found = Disk(tmp_path)
    found.mount()
    yield found
    found.unmount()


def _lost(disk: Disk, told: Path, seed: int, *arguments: str) -> int:
    """Trades, cuts the power; returns how many acknowledged orders are gone."""
    folder = disk.mount_point / "journal"
    trader = start(folder, seed, *arguments, output=told)
    pause(random.Random(seed))
    disk.cut()
    trader.kill()
    trader.wait()
    promised = acknowledged(told)
    assert promised, "there was something to lose"
    disk.unmount()
    disk.mount()
    return _missing(folder, promised)


def _missing(folder: Path, promised: list[Acknowledgement]) -> int:
    try:
        # The mark that tells followers how far they may read is not synced; recovery writes it.
        recovered(folder)
        orders, last, _ = journalled(folder)
    except RuntimeError:
        return len(promised)
    return sum(
        one.sequence > last or orders.get(one.order_id, 0) < one.sequence for one in promised
    )


def test_power_cut_loses_nothing_acknowledged(disk: Disk, tmp_path: Path) -> None:
    """OPS-003, OPS-005: five power cuts in mid-load."""
    seed = random.randrange(2**31)
    print(f"seed {seed}")
    for round_number in range(ROUNDS):
        told = tmp_path / f"told-{round_number}"
        assert _lost(disk, told, seed + round_number) == 0


def test_power_cut_without_sync_loses_orders(disk: Disk, tmp_path: Path) -> None:
    """OPS-004: the negative control: with the sync taken out the same test sees losses."""
    assert _lost(disk, tmp_path / "told", 7, "nosync") > 0
