"""The command `farmgate`."""

import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from farmgate.app import process, up
from farmgate.app.secrets import rotate_signing_key
from farmgate.app.settings import Settings, SettingsError, load
from farmgate.app.verify import verify
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.rpc.methods import sensitive_fields
from farmgate.telemetry import logs

app = typer.Typer(
    name="farmgate",
    help="The backend of an agricultural-commodity exchange. Settings come from the environment, "
    "as FARMGATE_*, or from the file .env.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_USAGE_ERROR = 2
app.command()(verify)


def main() -> None:
    """Runs the command."""
    try:
        app()
    except SettingsError as error:
        _fail(str(error))


@app.command("up")
def up_command(
    *,
    demo: Annotated[
        bool, typer.Option(help="Fill an empty exchange with demonstration data.")
    ] = True,
    bots: Annotated[bool, typer.Option(help="Let market makers trade.")] = False,
) -> None:
    """Run everything on this machine, with Envoy, until Ctrl-C."""
    settings = load()
    raise SystemExit(up.run(settings, demo=demo and not settings.is_production, bots=bots))


@app.command()
def serve() -> None:
    """Run the gRPC server and the matching core."""
    process.run(load())


@app.command()
def stream() -> None:
    """Serve streams of market data, orders and notifications; several may share the port."""
    from farmgate.app import streaming  # noqa: PLC0415 - Only this role needs it.

    streaming.run(load())


@app.command()
def worker() -> None:
    """Do background jobs: schedules, e-mail, reports and whatever waits in the queues."""
    from farmgate.app import worker as role  # noqa: PLC0415 - Only this role needs it.

    role.run(load())


@app.command()
def project() -> None:
    """Follow the journal and write the history of trading."""
    from farmgate.market.facade import Calendars  # noqa: PLC0415 - Only this role needs them.
    from farmgate.trading.facade import CandleProjector, Projector  # noqa: PLC0415

    settings = load()
    _log_to(settings)
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    database = Database(settings.history_address, threads=1)
    descriptions = Database(settings.database_address, threads=1)
    candles = CandleProjector(database, Calendars(descriptions).of)
    try:
        Projector(database, settings.journal_dir, candles.step).run(lambda: stopping)
    finally:
        descriptions.close()
        database.close()


@app.command()
def migrate() -> None:
    """Bring the databases' schemas up to date."""
    settings = load()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for address in sorted({settings.database_address, settings.history_address}):
        database = Database(address, threads=1)
        if migrations.pending(database.engine):
            migrations.upgrade(database.engine)
        database.close()


@app.command("bots")
def bots_command() -> None:
    """Let the demonstration's market makers trade through the gRPC API until Ctrl-C."""
    from farmgate.app.bots import run as trade  # noqa: PLC0415 - Only this role needs it.

    settings = load()
    _log_to(settings)
    trade(f"{settings.host}:{settings.grpc_port}")


@app.command("edge-config")
def edge_config(
    folder: Annotated[Path, typer.Argument(help="Where envoy.yaml and farmgate.binpb go.")],
) -> None:
    """Write Envoy's production configuration and the API's descriptors."""
    from farmgate.app.edge.production import write  # noqa: PLC0415 - Only this role needs it.

    write(folder)


@app.command("rotate-signing-key")
def rotate_signing_key_command() -> None:
    """Make a new key that signs tokens, for a server whose key was generated; then restart it."""
    rotate_signing_key(load())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(metadata.version("farmgate"))


def _log_to(settings: Settings) -> None:
    logs.configure(level=settings.log_level, file=settings.log_file, sensitive=sensitive_fields())


def _fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    sys.exit(_USAGE_ERROR)
