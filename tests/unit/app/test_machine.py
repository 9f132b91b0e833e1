"""Room on the disk and memory, as health tells them."""

from pathlib import Path

import pytest

from farmgate.app.parts.machine import disk, memory
from farmgate.health.facade import Unwell

MEMORY = "MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 2097152 kB\n"


def test_a_disk_with_little_room_is_not_well(tmp_path: Path) -> None:
    """OPS-194."""
    assert disk(tmp_path, free_mib_min=0).endswith("MiB free")
    with pytest.raises(Unwell, match="MiB free"):
        disk(tmp_path, free_mib_min=10**9)


def test_memory_is_that_of_the_container_where_it_has_less(tmp_path: Path) -> None:
    """OPS-194."""
    file = tmp_path / "meminfo"
    file.write_text(MEMORY)
    assert memory(file, tmp_path) == "2048 MiB of 4096 MiB free"
    (tmp_path / "memory.max").write_text("max\n")
    assert memory(file, tmp_path) == "2048 MiB of 4096 MiB free"
    (tmp_path / "memory.max").write_text(str(512 * 1024 * 1024))
    (tmp_path / "memory.current").write_text(str(500 * 1024 * 1024))
    with pytest.raises(Unwell, match="12 MiB of 512 MiB free"):
        memory(file, tmp_path)
    assert memory(tmp_path / "nothing") == "not told by this system"
