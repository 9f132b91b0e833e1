"""A Redis of the tests' own: on loopback, in memory, ended by its own process ID."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from e2e.exchange import free_ports


class RedisServer:
    """A Redis server that a test may stop, freeze and start again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._port,) = free_ports(1)
        self.address = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "Run 'make test-tools'."
        self._process = subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", str(self._port), "--save", "",
             "--appendonly", "no", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 20
        with redis.Redis.from_url(self.address) as client:
            while True:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                assert time.monotonic() < until, "Redis does not start."
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Keeps it from answering: connections stay open, as behind a network that loses all."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
