"""What the machine must have for the process: room on the disk, and memory."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from farmgate.app.parts.base import Part
from farmgate.health.facade import Check, Unwell

_MIB: Final = 1024 * 1024
# Several segments of the journal and a snapshot.
_FREE_MIB_MIN: Final = 512
_AVAILABLE_MIB_MIN: Final = 128
_MEMORY: Final = Path("/proc/meminfo")
# What a container is given, which may be less than what the machine has.
_GROUP: Final = Path("/sys/fs/cgroup")


def part(folder: Path) -> Part:
    """Returns the checks of the machine.

    Neither is required: what is in memory can be read while the disk is full.
    """
    return Part(
        checks=[
            Check("disk", is_required=False, probe=_threaded(lambda: disk(folder))),
            Check("memory", is_required=False, probe=_threaded(memory)),
        ]
    )


def disk(folder: Path, free_mib_min: int = _FREE_MIB_MIN) -> str:
    """Returns how much room a folder has.

    Raises:
        Unwell: Less than the process needs.
    """
    usage = shutil.disk_usage(folder)
    return _judged(usage.free // _MIB, usage.total // _MIB, free_mib_min)


def memory(
    file: Path = _MEMORY, group: Path = _GROUP, available_mib_min: int = _AVAILABLE_MIB_MIN
) -> str:
    """Returns how much memory can be had, by this machine or by this container.

    Raises:
        Unwell: Less than the process needs.
    """
    if not file.exists():
        return "not told by this system"
    lines = (line.split() for line in file.read_text().splitlines())
    figures = {words[0]: int(words[1]) // 1024 for words in lines}
    available, total = figures["MemAvailable:"], figures["MemTotal:"]
    limit, used = group / "memory.max", group / "memory.current"
    if limit.exists() and (given := limit.read_text().strip()) != "max":
        total = min(total, int(given) // _MIB)
        available = min(available, (int(given) - int(used.read_text())) // _MIB)
    return _judged(available, total, available_mib_min)


def _judged(free_mib: int, total_mib: int, free_mib_min: int) -> str:
    words = f"{free_mib} MiB of {total_mib} MiB free"
    if free_mib < free_mib_min:
        raise Unwell(words)
    return words


def _threaded(look: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        return await asyncio.to_thread(look)

    return probe
