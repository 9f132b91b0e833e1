"""Runs an application until it is asked to go."""

import asyncio
import signal

import uvloop

from farmgate.app.application import Application, version
from farmgate.app.settings import Settings
from farmgate.rpc.methods import sensitive_fields
from farmgate.telemetry import logs, sentry
from farmgate.telemetry.logs import logger

_log = logger(__name__)


async def serve(application: Application) -> None:
    """Starts the application, and stops it when SIGTERM or SIGINT comes."""
    asked_to_go = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_go.set)
    await application.start()
    _log.info("serving", host=application.settings.host, grpc_port=application.grpc_port)
    try:
        await asked_to_go.wait()
    finally:
        _log.info("stopping")
        await application.stop()
    _log.info("stopped")


def observe(settings: Settings) -> None:
    """Sets up the log and the reports of faults, as settings say."""
    names = sensitive_fields()
    logs.configure(level=settings.log_level, file=settings.log_file, sensitive=names)
    sentry.configure(
        settings.sentry_dsn.get_secret_value(),
        environment=settings.env.value,
        release=version(),
        sensitive=names,
    )


def run(settings: Settings) -> None:
    """Serves until asked to go.

    Raises:
        SettingsError: The settings do not do here.
    """
    observe(settings)
    from farmgate.app import wire  # noqa: PLC0415 - Only this role needs every module.

    run_application(wire.build(settings))


def run_application(application: Application) -> None:
    """Runs an application until it is asked to go."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(application))
    finally:
        sentry.close()
