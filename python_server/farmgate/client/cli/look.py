"""Looking at the market: anybody may."""

import asyncio
from collections import deque
from typing import Annotated, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table

from farmgate.client.cli.running import DEFAULT_ADDRESS, Address, Json, opened, out, run, show
from farmgate.client.exchange import Farmgate
from farmgate.client.values import OrderBook, PublicTrade

PANEL: Final = "Market"
_TRADES_SHOWN: Final = 10
_REDRAWN_PER_S: Final = 8
Symbol = Annotated[str, typer.Argument(help="Instrument, such as CORN-US2Y-CHI.")]


def markets(
    *,
    kind: Annotated[str, typer.Option(help="Only spot, forward or index.")] = "",
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List the instruments."""

    async def work() -> None:
        async with opened(address) as farm:
            found = [one for one in await farm.fetch_markets() if kind in {"", one.kind}]
            if as_json:
                show(found, as_json=True)
                return
            rows = [
                {
                    "symbol": one.symbol, "kind": one.kind, "price": f"{one.quote}/{one.unit}",
                    "lot": f"{one.lot_size.normalize():f} {one.unit}", "tick": one.tick_size,
                    "phase": one.phase,
                }
                for one in found
            ]  # fmt: skip
            show(rows, as_json=False, title="Markets")

    run(work())


def ticker(
    symbol: Symbol, *, as_json: Json = False, address: Address = DEFAULT_ADDRESS
) -> None:  # fmt: skip
    """Show last and best prices, and the day so far."""

    async def work() -> None:
        async with opened(address) as farm:
            show(await farm.fetch_ticker(symbol), as_json=as_json, title=symbol)

    run(work())


def book(
    symbol: Symbol,
    *,
    depth: Annotated[int, typer.Option(min=1, max=200, help="Levels a side.")] = 10,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until Ctrl-C.")] = False,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show the book; with --watch live, with the trades.

    Example: farmgate book CORN-US2Y-CHI --watch
    """

    async def work() -> None:
        async with opened(address) as farm:
            if watch:
                await _follow(farm, symbol, depth)
                return
            found = await farm.fetch_order_book(symbol, depth)
            if as_json:
                show(found, as_json=True)
            else:
                out.print(_book_table(found))

    run(work())


async def _follow(farm: Farmgate, symbol: str, depth: int) -> None:
    # Asked for first, so that an unknown symbol is told before anything is drawn.
    shown = await farm.fetch_order_book(symbol, depth)
    trades = deque(await farm.fetch_trades(symbol, _TRADES_SHOWN), maxlen=_TRADES_SHOWN)
    with Live(_page(shown, trades), console=out, refresh_per_second=_REDRAWN_PER_S) as live:

        async def books() -> None:
            nonlocal shown
            async for one in farm.watch_order_book(symbol, depth):
                shown = one
                live.update(_page(shown, trades))

        async def fills() -> None:
            async for one in farm.watch_trades(symbol):
                trades.append(one)
                live.update(_page(shown, trades))

        async with asyncio.TaskGroup() as group:
            group.create_task(books())
            group.create_task(fills())


def _page(shown: OrderBook, trades: deque[PublicTrade]) -> Group:
    return Group(_book_table(shown), _trades_table(trades))


def _book_table(shown: OrderBook) -> Table:
    table = Table(title=f"{shown.symbol}  #{shown.sequence}", header_style="bold")
    for name in ("orders", "lots", "bid"):
        table.add_column(name, justify="right", style="green")
    for name in ("ask", "lots", "orders"):
        table.add_column(name, style="red")
    for place in range(max(len(shown.bids), len(shown.asks))):
        bid = shown.bids[place] if place < len(shown.bids) else None
        ask = shown.asks[place] if place < len(shown.asks) else None
        left = (str(bid.orders), str(bid.lots), str(bid.price)) if bid else ("", "", "")
        right = (str(ask.price), str(ask.lots), str(ask.orders)) if ask else ("", "", "")
        table.add_row(*left, *right)
    return table


def _trades_table(trades: deque[PublicTrade]) -> Table:
    table = Table(title="Trades", header_style="bold")
    for name in ("time", "side", "price", "lots"):
        table.add_column(name)
    for one in reversed(trades):
        style = "green" if one.side == "buy" else "red"
        table.add_row(
            one.time.strftime("%H:%M:%S"), one.side, str(one.price), str(one.lots), style=style
        )
    return table


COMMANDS: Final = (markets, ticker, book)
