"""One command runs all of it: starts the parts in order, says when they are ready, stops them."""

import asyncio
import contextlib
import signal
import socket
import sys
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from farmgate.app.children import Part, PartError, environment
from farmgate.app.edge.config import EdgeOptions
from farmgate.app.edge.process import Edge, EdgeError
from farmgate.app.seeding.ground import DOMAIN, PASSWORD
from farmgate.app.settings import Settings
from farmgate.db.engine import Database
from farmgate.trading.facade import history_lag

_SERVING_S: Final = 120.0
_POLL_S: Final = 0.05
# History that makes no headway for so long has a fault.
_STALLED_S: Final = 60.0
# A start that takes longer than this says what it waits for, and goes on saying it.
_QUIET_S: Final = 3.0


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
    running: list[Part | Edge] = []
    try:
        start = asyncio.create_task(_start(settings, running, demo=demo, bots=bots))
        asked = asyncio.create_task(asked_to_go.wait())
        await asyncio.wait([start, asked], return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await start
            return 0
        start.result()
        _say(settings, demo=demo)
        return await _until_one_ends(asked, running)
    finally:
        for runner in reversed(running):
            await runner.stop()


async def _start(settings: Settings, running: list[Part | Edge], *, demo: bool, bots: bool) -> None:
    """Starts the parts in order and notes each in `running` before it starts."""
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    variables = environment(FARMGATE_DEMO=str(demo).lower())
    migrate = Part("migrate", folder, variables)
    try:
        await migrate.start()
        if await migrate.wait() != 0:
            raise PartError(f"The databases could not be prepared; see {migrate.log}.")
    finally:
        await migrate.stop()
    server = Part("serve", folder, variables)
    running.append(server)
    await server.start()
    await _serving(settings, settings.grpc_port, server)
    stream_port = settings.stream_port or _free_port(settings.host)
    streams = environment(
        FARMGATE_DEMO="false", FARMGATE_STREAM_PORT=str(stream_port), FARMGATE_METRICS_PORT="0"
    )
    streaming = [Part("stream", folder, streams, n) for n in range(settings.stream_processes)]
    for part in streaming:
        running.append(part)
        await part.start()
    projector = Part("project", folder, variables)
    others = [projector]
    if bots:
        others.append(Part("bots", folder, variables))
    for part in others:
        running.append(part)
        await part.start()
    for part in streaming:
        await _serving(settings, stream_port, part)
    edge = Edge(_edge_options(settings, stream_port), settings.data_dir / "edge")
    running.append(edge)
    await edge.start()
    await _history_written(settings, projector)
    if not settings.jobs_in_process:
        # Last: nobody waits for it, and its libraries take seconds of the processor.
        worker = Part("worker", folder, variables)
        running.append(worker)
        await worker.start()


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


async def _until_one_ends(asked: asyncio.Task[bool], running: list[Part | Edge]) -> int:
    ends = {asyncio.create_task(runner.wait()): runner for runner in running}
    done, waiting = await asyncio.wait([asked, *ends], return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if asked in done:
        return 0
    names = ", ".join(ends[task].name for task in done if task in ends)
    raise PartError(f"A part ended by itself: {names}.")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def _serving(settings: Settings, port: int, server: Part) -> None:
    """Waits until a part takes calls."""
    address = f"{settings.host}:{port}"
    try:
        async with asyncio.timeout(_SERVING_S), grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not await _is_serving(stub):
                if server.has_ended:
                    raise PartError(f"A part ended at its start: {server.name}.")
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise PartError(f"A part did not get ready: {server.name}.") from None


async def _history_written(settings: Settings, projector: Part) -> None:
    """Waits until the projector has written what is durable; a first look shows it all.

    After a long load that may take minutes, so it says how far it is.
    """
    database = Database(settings.history_address, threads=1)
    loop = asyncio.get_running_loop()
    started = moved = said = loop.time()
    best: int | None = None
    try:
        while lag := await asyncio.to_thread(history_lag, database, settings.journal_dir):
            now = loop.time()
            if best is None or lag < best:
                best, moved = lag, now
            if projector.has_ended:
                raise PartError(f"The projector ended; see {projector.log}.")
            if now - moved > _STALLED_S:
                raise PartError(f"The history of trading does not get on; see {projector.log}.")
            if now - started > _QUIET_S and now - said > _QUIET_S:
                said = now
                print(f"writing history: {lag:,} commands to go", flush=True)  # noqa: T201
            await asyncio.sleep(_POLL_S)
    finally:
        database.close()


async def _is_serving(stub: Any) -> bool:  # The package's stubs know no methods.
    try:
        reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.aio.AioRpcError:
        return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def _edge_options(settings: Settings, stream_port: int) -> EdgeOptions:
    return EdgeOptions(
        host=settings.host,
        rest_port=settings.rest_port,
        admin_port=settings.admin_port,
        upstreams=((settings.host, settings.grpc_port),),
        stream_upstreams=((settings.host, stream_port),) if settings.stream_processes else (),
        origins=settings.web_origins,
        sign_ins_per_min_per_ip=settings.rate_sign_ins_per_min,
    )


def _say(settings: Settings, *, demo: bool) -> None:
    rest = f"http://{settings.host}:{settings.rest_port}"
    grpc_address = f"{settings.host}:{settings.grpc_port}"
    if demo:
        print(f"demo users: farmer.jan@{DOMAIN}, trader.meridian@{DOMAIN}, … password {PASSWORD}")  # noqa: T201
    print(f"ready rest={rest} grpc={grpc_address} docs={rest}/docs", flush=True)  # noqa: T201
