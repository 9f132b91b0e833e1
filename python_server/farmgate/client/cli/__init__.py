"""Commands for traders: they talk to a running exchange through the client."""

import typer

from farmgate.client.cli import contracts, look, session, tools, trade


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the command `farmgate`."""
    for module in (session, look, trade, tools):
        for command in module.COMMANDS:
            app.command(rich_help_panel=module.PANEL)(command)
    app.add_typer(contracts.app, name="contract", rich_help_panel=trade.PANEL)
