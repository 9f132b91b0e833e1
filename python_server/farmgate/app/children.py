"""Processes that live no longer than the launcher."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

_STOP_S: Final = 20.0
_PR_SET_PDEATHSIG: Final = 1
# The server's state grows by the million of orders: huge pages spare most of the faults.
_MALLOC_TUNABLES: Final = "glibc.malloc.hugetlb=1"

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class PartError(Exception):
    """A part did not start or ended; the message says which, and where its words are."""


def die_with_launcher() -> None:
    """Asks the system to end this process when the one that started it dies, even by SIGKILL.

    It runs in a new child before its program does. Elsewhere than on Linux children outlive a
    killed launcher, and the next start says that their ports are in use.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Part:
    """A role of the command `farmgate`, run as a child.

    Args:
        role: Name of the subcommand.
        folder: Where its log is written.
        environment: Its environment.
        number: Tells it from others of its role; 0 for the first.
    """

    def __init__(
        self, role: str, folder: Path, environment: dict[str, str], number: int = 0
    ) -> None:
        self.role = role
        self.log = folder / (f"{role}-{number}.log" if number else f"{role}.log")
        self._environment = {"GLIBC_TUNABLES": _MALLOC_TUNABLES} | environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts the child in a group of its own: Ctrl-C is for the launcher alone."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "farmgate",
                self.role,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_launcher,
            )

    @property
    def name(self) -> str:
        """Returns what it is called, and where its words are."""
        return f"{self.role} ({self.log})"

    @property
    def has_ended(self) -> bool:
        """Tells whether the child is gone."""
        return self._process is not None and self._process.returncode is not None

    async def wait(self) -> int:
        """Waits until the child ends; returns its status."""
        assert self._process, "It was started."
        return await self._process.wait()

    async def stop(self) -> None:
        """Stops the child, by force when it takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def environment(**more: str) -> dict[str, str]:
    """Returns this process's environment with some variables set."""
    return os.environ | more
