"""A disk that is full: what was acknowledged stays, and nothing further is acknowledged."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from durability.ledger import acknowledged, journalled, recovered, start

# Room for the first segment of the journal and little more.
DISK_MIB = 80
FULL_S = 120


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(mount_point)]
    subprocess.run(options, check=True)
    yield mount_point
    subprocess.run(["umount", str(mount_point)], check=True)


def test_full_disk_loses_nothing_acknowledged(small_disk: Path, tmp_path: Path) -> None:
    """OPS-008: the trader is told so, once and for all; what it was told before is kept."""
    folder = small_disk / "journal"
    output = tmp_path / "told"
    trader = start(folder, 3, output=output)
    assert trader.wait(timeout=FULL_S) != 0, "it stops on the first refusal"
    assert "Refusal(reason=344" in output.read_text(), "ENGINE_STOPPED"
    promised = acknowledged(output)
    assert len(promised) > 10_000, "the disk was filled by trading"
    # Somebody makes room.
    roomy = tmp_path / "roomy"
    shutil.copytree(folder, roomy)
    recovered(roomy)
    orders, last, _ = journalled(roomy)
    lost = [one for one in promised if one.sequence > last or orders[one.order_id] < one.sequence]
    assert not lost
    trader = start(roomy, 4, output=output)
    trader.kill()
    trader.wait()
