"""Signing in and out."""

from typing import Annotated, Final

import typer

from farmgate.client.cli.running import (
    DEFAULT_ADDRESS,
    Address,
    Json,
    keep_session,
    kept_sessions,
    opened,
    out,
    run,
    show,
)

PANEL: Final = "Session"


def login(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    *,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, envvar="FARMGATE_PASSWORD")
    ],
    mfa_code: Annotated[str, typer.Option(help="Code of the second factor, where it is on.")] = "",
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Sign in and keep the session for the commands to come.

    Example: farmgate login trader.meridian@farmgate.example
    """

    async def work() -> None:
        async with opened(address) as farm:
            user = await farm.login(email, password, mfa_code)
            keep_session(address, farm.tokens[1])
            out.print(f"Signed in as {user.email}.")

    run(work())


def logout(*, address: Address = DEFAULT_ADDRESS) -> None:
    """End the kept session."""

    async def work() -> None:
        if address not in kept_sessions():
            out.print("Nobody was signed in.")
            return
        async with opened(address, signed_in=True) as farm:
            await farm.logout()
        keep_session(address, "")
        out.print("Signed out.")

    run(work())


def balance(*, as_json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Show balances by asset."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            found = await farm.fetch_balance()
            show([found[name] for name in sorted(found)], as_json=as_json, title="Balances")

    run(work())


COMMANDS: Final = (login, logout, balance)
