"""The gRPC server: its options, the services beside the API's own, and how it goes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import grpc
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from farmgate.app.settings import Settings, SettingsError
from farmgate.health.facade import Health
from farmgate.jobs.periodic import Periodic
from farmgate.rpc.registry import Router
from farmgate.rpc.shapes import Shapes

# The methods' own limits are lower; this one bounds what is read before a method is known.
_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_METADATA_BYTES_MAX: Final = 16 * 1024
_PING_INTERVAL_MS: Final = 300_000
_PING_STRIKES: Final = 2
_WRITE_BUFFER_BYTES: Final = 16 * 1024
# With several processes on one port, clients must connect anew to find a new one. Streams that
# are open then go on.
_CONNECTION_AGE_MS: Final = 600_000
# A balancer learns of a lost database within two seconds.
_READINESS_INTERVAL_S: Final = 1.0
_Status = health_pb2.HealthCheckResponse


class GrpcServer:
    """Listens while the process runs.

    Args:
        settings: The settings.
        router: Answers the calls of the API.
        shapes: Holds work whose callers have left.
        health: Tells whether calls can be taken.
        services: Full names of the services.
        farewells: What is done first when it goes.
    """

    def __init__(
        self,
        settings: Settings,
        router: Router,
        shapes: Shapes,
        health: Health,
        services: Iterable[str],
        farewells: Iterable[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._settings = settings
        self._router = router
        self._shapes = shapes
        self._health = health
        self._services = tuple(sorted(services))
        self._farewells = tuple(farewells)
        self._told = grpc_health.aio.HealthServicer()
        self._readiness = Periodic("readiness", _READINESS_INTERVAL_S, self._tell)
        self._server: grpc.aio.Server | None = None
        self._port = settings.grpc_port

    @property
    def port(self) -> int:
        """Returns the port in use; the configured one until the server runs."""
        return self._port

    async def start(self) -> None:
        """Opens the port.

        Raises:
            SettingsError: The port can't be opened.
        """
        settings = self._settings
        server = grpc.aio.server(options=_options(settings))
        # Before the router, which answers every path.
        health_pb2_grpc.add_HealthServicer_to_server(self._told, server)
        if settings.describes_services:
            names = (*self._services, grpc_health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        server.add_generic_rpc_handlers((self._router,))
        address = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            self._port = server.add_insecure_port(f"{address}:{settings.grpc_port}")
        except RuntimeError as error:
            place = f"port {settings.grpc_port} of {settings.host}"
            raise SettingsError([f"FARMGATE_GRPC_PORT: {place} can't be opened."]) from error
        await self._tell()
        await server.start()
        await self._readiness.start()
        self._server = server

    async def stop(self) -> None:
        """Goes: says so, waits for balancers, ends the calls under way, finishes their work."""
        assert self._server is not None, "It was started."
        self._health.leave()
        await self._readiness.stop()
        await self._told.enter_graceful_shutdown()
        for farewell in self._farewells:
            await farewell()
        await asyncio.sleep(self._settings.drain_s)
        await self._server.stop(self._settings.grace_s)
        await self._shapes.drain()

    async def _tell(self) -> None:
        report = await self._health.report()
        status = _Status.SERVING if report.is_ready else _Status.NOT_SERVING
        for name in ("", *self._services):
            await self._told.set(name, status)


def _options(settings: Settings) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
        ("grpc.max_concurrent_streams", settings.concurrent_streams_max),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
        # What a stream's reader has not taken, held for it in this process.
        ("grpc.http2.write_buffer_size", _WRITE_BUFFER_BYTES),
        ("grpc.so_reuseport", int(settings.reuse_port)),
    ]
    if settings.reuse_port:
        options.append(("grpc.max_connection_age_ms", _CONNECTION_AGE_MS))
    return options
