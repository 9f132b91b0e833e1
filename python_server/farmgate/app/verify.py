"""The command `farmgate verify`: checks the exchange offline."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from farmgate.api.trading.v1 import trading_pb2
from farmgate.trading.verification import InputError, Report, Wanted, check, read_message

_USAGE_ERROR: Final = 2
_WRONG: Final = 3
_ROOT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})=(?:0x)?([0-9a-fA-F]{64})")

_File = typer.Option(exists=True, dir_okay=False)


def verify(
    *,
    days: Annotated[
        list[Path], typer.Argument(help="Files of days, the oldest first.", exists=True)
    ],
    receipt: Annotated[list[Path] | None, typer.Option(help="An answer of GetReceipt.")] = None,
    proof: Annotated[
        list[Path] | None, typer.Option(help="An answer of GetInclusionProof.")
    ] = None,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="An answer of GetJournalAnchor.")
    ] = None,
    root: Annotated[
        list[str] | None, typer.Option(help="A root as the chain has it, as YYYY-MM-DD=ROOT.")
    ] = None,
    public_key: Annotated[
        str, typer.Option(help="The key that receipts must be of; their own by default.")
    ] = "",
    state: Annotated[
        Path | None, typer.Option(help="State that an earlier check kept; goes on from there.")
    ] = None,
    save_state: Annotated[
        Path | None, typer.Option(help="Where to keep the state for a later check.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check days of the public journal offline: 0 when all is right, 3 when something is not."""
    try:
        wanted = Wanted(
            files=days,
            state=state.read_bytes() if state else b"",
            receipts=[read_message(one, trading_pb2.GetReceiptResponse) for one in receipt or ()],
            proofs=[
                read_message(one, trading_pb2.GetInclusionProofResponse) for one in proof or ()
            ],
            anchors=[
                read_message(one, trading_pb2.GetJournalAnchorResponse) for one in anchor or ()
            ],
            roots=dict(_root(one) for one in root or ()),
            public_key=public_key,
        )
        with _shown(is_quiet=as_json) as progress:
            report, kept = check(wanted, progress)
    except (InputError, OSError) as error:
        typer.echo(str(error), err=True)
        raise SystemExit(_USAGE_ERROR) from error
    if report.is_good and save_state:
        save_state.write_bytes(kept)
    _tell(report, as_json=as_json)
    raise SystemExit(0 if report.is_good else _WRONG)


def _root(text: str) -> tuple[str, str]:
    found = _ROOT.fullmatch(text)
    if found is None:
        raise InputError(f'"{text}" is no root; write it as 2026-12-01= and 64 hexadecimal digits.')
    return found[1], found[2].lower()


@contextlib.contextmanager
def _shown(*, is_quiet: bool) -> Iterator[Callable[[Path, int, int], None]]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=is_quiet or not console.is_terminal) as bars:
        tasks: dict[Path, int] = {}

        def progress(path: Path, read: int, size: int) -> None:
            task = tasks.get(path)
            if task is None:
                task = tasks[path] = bars.add_task(path.name, total=size)
            bars.update(bars.task_ids[task], completed=read)

        yield progress


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        told = {"is_good": report.is_good, **asdict(report)}
        typer.echo(json.dumps(told, sort_keys=True))
        return
    for day in report.days:
        compared = "agrees with" if day.is_anchor_compared else "was not compared with"
        typer.echo(
            f"{day.date}: {day.records} records ({day.first_sequence} to {day.last_sequence}), "
            f"{day.fills} fills; root {day.root} {compared} the anchor"
            if report.is_good
            else f"{day.date}: checked"
        )
    if report.receipts or report.proofs:
        typer.echo(f"{report.receipts} receipts, {report.proofs} inclusion proofs")
    for finding in report.findings:
        typer.echo(f"WRONG {finding.kind}: {finding.about}: {finding.words}")
    typer.echo("All is right." if report.is_good else "Something is wrong.")
