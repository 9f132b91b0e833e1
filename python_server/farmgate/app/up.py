"""One command runs all of it: starts the parts in order, says when they are ready, stops them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from farmgate.app.edge.config import EdgeOptions
from farmgate.app.edge.process import Edge, EdgeError
from farmgate.app.seed import DOMAIN, PASSWORD
from farmgate.app.settings import Settings
from farmgate.db.engine import Database
from farmgate.trading.facade import history_lag

_SERVING_S: Final = 120.0
_POLL_S: Final = 0.05
_STOP_S: Final = 20.0


class PartError(Exception):
    """A part did not start; the message says which, and where its words are."""


class Part:
    """A role of the command `farmgate`, run as a child.

    Args:
        role: Name of the subcommand.
        folder: Where its log is written.
        environment: Its environment.
    """

    def __init__(self, role: str, folder: Path, environment: dict[str, str]) -> None:
        self.role = role
        self.log = folder / f"{role}.log"
        self._environment = environment
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
            )

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


def run(settings: Settings, *, demo: bool, bots: bool) -> int:
    """Runs everything until Ctrl-C, SIGTERM or the end of a part; returns the exit status."""
    try:
        return asyncio.run(_run(settings, demo=demo, bots=bots))
    except (PartError, EdgeError) as error:
        print(f"farmgate: {error}", file=sys.stderr)  # noqa: T201 - A command's words.
        return 1


async def _run(settings: Settings, *, demo: bool, bots: bool) -> int:
    asked_to_go = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_go.set)
    _check_ports(settings)
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"FARMGATE_DEMO": str(demo).lower()}
    migrate = Part("migrate", folder, environment)
    await migrate.start()
    if await migrate.wait() != 0:
        raise PartError(f"The databases could not be prepared; see {migrate.log}.")
    server = Part("serve", folder, environment)
    parts = [server, Part("project", folder, environment)]
    if bots:
        parts.append(Part("bots", folder, environment))
    edge = Edge(_edge_options(settings), settings.data_dir / "edge")
    running: list[Part | Edge] = []
    try:
        running.append(server)
        await server.start()
        await _serving(settings, server)
        for part in parts[1:]:
            running.append(part)
            await part.start()
        running.append(edge)
        await edge.start()
        await _history_written(settings)
        _say(settings, demo=demo)
        return await _until_one_ends(asked_to_go, parts, edge)
    finally:
        for runner in reversed(running):
            await runner.stop()


def _check_ports(settings: Settings) -> None:
    """Finds out now, in words, what would otherwise end a part later."""
    ports = {
        "FARMGATE_REST_PORT": settings.rest_port,
        "FARMGATE_GRPC_PORT": settings.grpc_port,
        "FARMGATE_METRICS_PORT": settings.metrics_port,
        "FARMGATE_ADMIN_PORT": settings.admin_port,
    }
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError:
                raise PartError(f"Port {port} is in use; choose another by {name}.") from None


async def _until_one_ends(asked_to_go: asyncio.Event, parts: list[Part], edge: Edge) -> int:
    ends = {asyncio.create_task(part.wait()): f"{part.role} ({part.log})" for part in parts}
    ends[asyncio.create_task(edge.wait())] = "Envoy"
    asked = asyncio.create_task(asked_to_go.wait())
    done, waiting = await asyncio.wait([asked, *ends], return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if asked in done:
        return 0
    names = ", ".join(name for task, name in ends.items() if task in done)
    raise PartError(f"A part ended by itself: {names}.")


async def _serving(settings: Settings, server: Part) -> None:
    """Waits until the server takes calls."""
    address = f"{settings.host}:{settings.grpc_port}"
    try:
        async with asyncio.timeout(_SERVING_S), grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not await _is_serving(stub):
                if server.has_ended:
                    raise PartError(f"The server ended at its start; see {server.log}.")
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise PartError(f"The server did not get ready; see {server.log}.") from None


async def _history_written(settings: Settings) -> None:
    """Waits until the projector has written what is durable; a first look shows it all."""
    database = Database(settings.history_address, threads=1)
    try:
        async with asyncio.timeout(_SERVING_S):
            while await asyncio.to_thread(history_lag, database, settings.journal_dir):  # noqa: ASYNC110 - Another process's work has no event to wait for.
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise PartError("The history of trading was not written in time.") from None
    finally:
        database.close()


async def _is_serving(stub: Any) -> bool:  # The package's stubs know no methods.
    try:
        reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.aio.AioRpcError:
        return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def _edge_options(settings: Settings) -> EdgeOptions:
    return EdgeOptions(
        host=settings.host,
        rest_port=settings.rest_port,
        admin_port=settings.admin_port,
        upstreams=((settings.host, settings.grpc_port),),
        origins=settings.web_origins,
    )


def _say(settings: Settings, *, demo: bool) -> None:
    rest = f"http://{settings.host}:{settings.rest_port}"
    grpc_address = f"{settings.host}:{settings.grpc_port}"
    if demo:
        print(f"demo users: farmer.jan@{DOMAIN}, trader.meridian@{DOMAIN}, … password {PASSWORD}")  # noqa: T201
    print(f"ready rest={rest} grpc={grpc_address} docs={rest}/docs", flush=True)  # noqa: T201
