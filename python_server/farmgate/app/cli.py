"""The command `farmgate`."""

import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from farmgate.app.verify import verify
from farmgate.client import cli as client

if TYPE_CHECKING:
    from farmgate.app.settings import Settings

# What each command needs is imported by it: a trader's answers in half a second.
app = typer.Typer(
    name="farmgate",
    help="The backend of an agricultural-commodity exchange, and a client of it. Settings come "
    "from the environment, as FARMGATE_*, or from the file .env.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
client.add_to(app)
app.command()(verify)
_USAGE_ERROR = 2


def main() -> None:
    """Runs the command."""
    try:
        app()
    except Exception as error:
        settings = sys.modules.get("farmgate.app.settings")
        if settings is None or not isinstance(error, settings.SettingsError):
            raise
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
    from farmgate.app import up  # noqa: PLC0415

    settings = _load()
    raise SystemExit(up.run(settings, demo=demo and not settings.is_production, bots=bots))


@app.command()
def serve() -> None:
    """Run the gRPC server and the matching core."""
    from farmgate.app import process  # noqa: PLC0415

    process.run(_load())


@app.command()
def stream() -> None:
    """Serve streams of market data, orders and notifications; several may share the port."""
    from farmgate.app import streaming  # noqa: PLC0415

    streaming.run(_load())


@app.command()
def worker() -> None:
    """Do background jobs: schedules, e-mail, reports and whatever waits in the queues."""
    from farmgate.app import worker as role  # noqa: PLC0415

    role.run(_load())


@app.command()
def project() -> None:
    """Follow the journal and write the history of trading."""
    from farmgate.app.parts import core  # noqa: PLC0415
    from farmgate.db.engine import Database  # noqa: PLC0415
    from farmgate.market.facade import Calendars  # noqa: PLC0415
    from farmgate.trading.facade import CandleProjector, Projector  # noqa: PLC0415

    settings = _load()
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
    folder, mirrors = core.followed(settings)
    for mirror in mirrors:
        mirror.open()
    try:
        Projector(database, folder, candles.step).run(lambda: stopping)
    finally:
        for mirror in mirrors:
            mirror.close()
        descriptions.close()
        database.close()


@app.command()
def migrate() -> None:
    """Bring the databases' schemas up to date."""
    from farmgate.db import migrations  # noqa: PLC0415
    from farmgate.db.engine import Database  # noqa: PLC0415

    settings = _load()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for address in sorted({settings.database_address, settings.history_address}):
        database = Database(address, threads=1)
        if migrations.pending(database.engine):
            migrations.upgrade(database.engine)
        database.close()


@app.command("bots")
def bots_command() -> None:
    """Let the demonstration's market makers trade through the gRPC API until Ctrl-C."""
    from farmgate.app.bots import run as trade  # noqa: PLC0415

    settings = _load()
    _log_to(settings)
    trade(f"{settings.host}:{settings.grpc_port}")


@app.command("edge-config")
def edge_config(
    folder: Annotated[Path, typer.Argument(help="Where envoy.yaml and farmgate.binpb go.")],
) -> None:
    """Write Envoy's production configuration and the API's descriptors."""
    from farmgate.app.edge.production import write  # noqa: PLC0415

    write(folder)


@app.command("rotate-signing-key")
def rotate_signing_key_command() -> None:
    """Make a new key that signs tokens, for a server whose key was generated; then restart it."""
    from farmgate.app.secrets import rotate_signing_key  # noqa: PLC0415

    rotate_signing_key(_load())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(metadata.version("farmgate"))


def _load() -> "Settings":
    from farmgate.app.settings import load  # noqa: PLC0415

    return load()


def _log_to(settings: "Settings") -> None:
    from farmgate.app.process import observe  # noqa: PLC0415

    observe(settings)


def _fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    sys.exit(_USAGE_ERROR)
