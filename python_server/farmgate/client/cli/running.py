"""How a command runs: who is signed in, how it answers, with which status it ends."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

from farmgate.client.errors import FarmgateError, UnavailableError
from farmgate.client.exchange import Farmgate

USAGE: Final = 2
REFUSED: Final = 3
UNAVAILABLE: Final = 4

Address = Annotated[
    str, typer.Option("--address", envvar="FARMGATE_ADDRESS", help="gRPC server, host:port.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
_TIMEOUT_S: Final = 5.0

out = Console()
_err = Console(stderr=True)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs a command; a refusal is told in words and ends it with 3, an absent exchange with 4."""
    try:
        asyncio.run(work)
    except UnavailableError as error:
        _fail(UNAVAILABLE, error.reason, str(error))
    except FarmgateError as error:
        _fail(REFUSED, error.reason, str(error))
    except ValueError as error:
        _fail(USAGE, "USAGE", str(error))
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def _fail(status: int, reason: str, words: str) -> None:
    _err.print(f"[bold red]{reason}[/]: ", end="")
    _err.print(words, markup=False, highlight=False)
    raise SystemExit(status)


@asynccontextmanager
async def opened(address: str, *, signed_in: bool = False) -> AsyncIterator[Farmgate]:
    """Opens the exchange; goes on with the kept session when one is needed."""
    tls = None if _is_local(address) else grpc.ssl_channel_credentials()
    key = os.environ.get("FARMGATE_API_KEY", "")
    async with Farmgate(address, tls=tls, api_key=key, timeout_s=_TIMEOUT_S) as farm:
        if signed_in and not key:
            kept = kept_sessions().get(address)
            if kept is None:
                raise ValueError("Sign in first: farmgate login EMAIL, or set FARMGATE_API_KEY.")
            await farm.resume(kept)
            # A refresh token is good once.
            keep_session(address, farm.tokens[1])
        yield farm


def _is_local(address: str) -> bool:
    return address.rpartition(":")[0] in {"127.0.0.1", "localhost", "[::1]"}


def _file() -> Path:
    return Path(typer.get_app_dir("farmgate")) / "sessions.json"


def kept_sessions() -> dict[str, str]:
    """Returns the refresh tokens by address."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def keep_session(address: str, token: str) -> None:
    """Keeps a session for the commands to come, readable by this user alone; "" forgets it."""
    kept = {**kept_sessions(), address: token}
    if not token:
        del kept[address]
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        json.dump(kept, target)
    fresh.replace(file)


def show(found: Any, *, as_json: bool, title: str = "") -> None:
    """Prints what a command found: JSON, a table for a list, names and values for one thing."""
    plain = _plain(found)
    if as_json:
        typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    rows = plain if isinstance(plain, list) else [plain]
    if not rows:
        out.print(f"{title or 'Nothing'}: none")
        return
    table = Table(title=title or None, header_style="bold")
    if isinstance(plain, list):
        names = list(rows[0])
        for name in names:
            table.add_column(name)
        for row in rows:
            table.add_row(*(_text(row.get(name)) for name in names))
    else:
        table.add_column("name")
        table.add_column("value")
        for name, value in plain.items():
            table.add_row(name, _text(value))
    out.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _plain(found: Any) -> Any:
    if isinstance(found, Message):
        return MessageToDict(found, preserving_proto_field_name=True)
    if is_dataclass(found) and not isinstance(found, type):
        return {name: _plain(value) for name, value in asdict(found).items()}
    if isinstance(found, dict):
        return {name: _plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(one) for one in found]
    if isinstance(found, Decimal):
        return format(found, "f")
    return found.isoformat() if isinstance(found, datetime) else found
