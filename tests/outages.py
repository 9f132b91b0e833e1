"""Servers that stop answering: stopped as a whole, blackholed, or slow."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg

_CHUNK = 64 * 1024


def _family(pid: int) -> list[int]:
    """Returns a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *[one for child in children for one in _family(int(child))]]


class Frozen:
    """A PostgreSQL server that can be stopped: its connections stay, and nothing answers.

    Args:
        url: Address of a database of it, as a superuser.
    """

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row
        self._pid = int((Path(row[0]) / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        """Stops all its processes."""
        for pid in _family(self._pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Lets them go on."""
        for pid in _family(self._pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Proxy:
    """Passes bytes on to a port of this machine, late, or not at all.

    Args:
        port: Where to.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._delay_s = 0.0
        self.port = 0

    def slow(self, seconds: float) -> None:
        """Passes each piece on this much later; 0 for at once."""
        self._delay_s = seconds

    def blackhole(self) -> None:
        """Takes everything, also new connections, and passes nothing on."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def restore(self) -> None:
        """Passes everything on again, what was held back first."""
        self._delay_s = 0.0
        self._loop.call_soon_threadsafe(self._flows.set)

    def cut(self) -> None:
        """Breaks every connection."""

        def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listens for the length of a block."""
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(10)
        self.port = server.sockets[0].getsockname()[1]
        self.restore()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._close(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._flows.wait()
            there_in, there_out = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(there_out)
            await asyncio.gather(self._pass(reader, there_out), self._pass(there_in, writer))
            there_out.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
