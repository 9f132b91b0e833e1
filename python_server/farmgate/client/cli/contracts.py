"""Forward contracts."""

from typing import Annotated, Final

import typer
from google.protobuf.json_format import Parse, ParseError

from farmgate.api.contracts.v1 import contracts_pb2
from farmgate.client.cli.running import DEFAULT_ADDRESS, Address, Json, opened, run, show

app: Final = typer.Typer(help="Forward contracts.", no_args_is_help=True)


@app.command()
def templates(*, as_json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """List the templates."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            found = await farm.contracts.templates()
            if as_json:
                show(found, as_json=True)
                return
            rows = [{"code": one.code, "version": one.version, "name": one.name} for one in found]
            show(rows, as_json=False, title="Templates")

    run(work())


@app.command()
def new(
    file: Annotated[
        typer.FileText | None,
        typer.Argument(help="JSON of a CreateContractRequest; - reads standard input."),
    ] = None,
    *,
    template: Annotated[
        str, typer.Option(help="Print a draft of this template to fill in, and make nothing.")
    ] = "",
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Make a draft of a contract.

    Example: farmgate contract new --template US-HTA > terms.json, then farmgate contract new
    terms.json
    """

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            if template:
                found = await farm.contracts.template(template)
                draft = contracts_pb2.CreateContractRequest(terms=found.default_terms)
                show(draft, as_json=True)
                return
            if file is None:
                raise ValueError("Name a file, or a --template to begin with.")
            try:
                request = Parse(file.read(), contracts_pb2.CreateContractRequest())
            except ParseError as error:
                raise ValueError(f"{file.name}: {error}") from error
            show(await farm.contracts.create(request), as_json=as_json, title="Contract")

    run(work())


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List contracts of one's own, newest first."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            show(await farm.contracts.fetch_all(limit), as_json=as_json, title="Contracts")

    run(work())


@app.command()
def verify(
    contract: Annotated[str, typer.Argument(help="ID, or hash of the terms with 0x.")],
    *,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Check a contract: signatures, content and chain. By its hash anybody may."""

    async def work() -> None:
        is_hash = contract.startswith("0x")
        async with opened(address, signed_in=not is_hash) as farm:
            show(await farm.contracts.verify(contract), as_json=as_json, title="Verification")

    run(work())
