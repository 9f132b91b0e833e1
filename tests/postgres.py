"""A PostgreSQL cluster of the tests' own, on loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Cluster:
    """Programs of PostgreSQL."""

    programs: Path

    @classmethod
    def find(cls) -> Self | None:
        """Returns the newest installed programs, or None."""
        found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if found:
            return cls(found[-1].parent)
        on_path = shutil.which("initdb")
        return cls(Path(on_path).resolve().parent) if on_path else None

    @contextmanager
    def running(self, *, is_durable: bool = False, port: int = 0) -> Iterator[str]:
        """Runs a cluster in a folder of its own; gives the address of its database.

        Args:
            is_durable: Whether it syncs, as one in earnest does.
            port: Its port; a free one for 0.
        """
        user = _user()
        folder = Path(tempfile.mkdtemp(prefix="farmgate-postgres-"))
        try:
            if user is not None:
                shutil.chown(folder, user)
            data, port = folder / "data", port or _free_port()
            self._run(
                user, "initdb", "-D", str(data), "-U", "farmgate", "-A", "trust",
                "--no-sync", "-E", "UTF8", "--locale=C",
            )  # fmt: skip
            fsync = "on" if is_durable else "off"
            options = (
                f"-c port={port} -c listen_addresses=127.0.0.1 -c fsync={fsync} "
                f"-c unix_socket_directories={folder} -c max_connections=60"
            )
            log = folder / "log"
            self._run(user, "pg_ctl", "-D", str(data), "-o", options, "-l", str(log), "-w", "start")
            try:
                yield f"postgresql://farmgate@127.0.0.1:{port}/postgres"
            finally:
                self._run(user, "pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, user: str | None, program: str, *arguments: str) -> None:
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            user=user, cwd="/", env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"


def _user() -> str | None:
    """Returns whom to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
