"""Trading: orders of one's own."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from farmgate.client.cli.running import DEFAULT_ADDRESS, Address, Json, opened, run, show

PANEL: Final = "Trading"


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"


def order(
    side: Annotated[Side, typer.Argument(help="buy or sell.")],
    lots: Annotated[int, typer.Argument(min=1, help="How many lots.")],
    symbol: Annotated[str, typer.Argument(help="Instrument, such as CORN-US2Y-CHI.")],
    price: Annotated[
        str, typer.Argument(help="@ and the limit, such as @4.58; leave it out for the market's.")
    ] = "",
    *,
    tif: Annotated[str, typer.Option(help="gtc, day, ioc, fok or gfa.")] = "",
    post_only: Annotated[bool, typer.Option("--post-only", help="Never take.")] = False,
    client_order_id: Annotated[str, typer.Option(help="A repeat gets the first answer.")] = "",
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Enter an order.

    Example: farmgate order buy 5 CORN-US2Y-CHI @4.58
    """

    async def work() -> None:
        if price and not price.startswith("@"):
            raise ValueError(f"The price must begin with @, as in @{price}.")
        async with opened(address, signed_in=True) as farm:
            limit = price.removeprefix("@")
            found = await farm.create_order(
                symbol, "limit" if limit else "market", side.value, lots, limit or None,
                time_in_force=tif, post_only=post_only, client_order_id=client_order_id,
            )  # fmt: skip
            show(found, as_json=as_json, title="Order")

    run(work())


def orders(
    symbol: Annotated[str, typer.Argument(help="Only of this instrument.")] = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List orders of one's own, newest first."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            if every:
                found = await farm.fetch_orders(symbol, limit=limit)
            else:
                found = await farm.fetch_open_orders(symbol, limit=limit)
            if as_json:
                show(found, as_json=True)
                return
            rows = [
                {
                    "id": one.id, "symbol": one.symbol, "side": one.side, "type": one.type,
                    "price": one.price, "lots": one.amount, "filled": one.filled,
                    "status": one.status, "time": one.time,
                }
                for one in found
            ]  # fmt: skip
            show(rows, as_json=False, title="Orders")

    run(work())


def cancel(
    order_id: Annotated[int, typer.Argument(min=1, help="The order.")],
    *,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Cancel an order."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            show(await farm.cancel_order(order_id), as_json=as_json, title="Order")

    run(work())


def trades(
    symbol: Annotated[str, typer.Argument(help="Only of this instrument.")] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List fills of one's own, newest first."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            found = await farm.fetch_my_trades(symbol, limit=limit)
            show(found, as_json=as_json, title="Trades")

    run(work())


COMMANDS: Final = (order, orders, cancel, trades)
