"""Forecasts, simulations, and a look at whether all is well."""

from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from farmgate.api.health.v1 import health_pb2, health_pb2_grpc
from farmgate.api.trading.v1 import trading_pb2
from farmgate.client.cli.running import (
    DEFAULT_ADDRESS,
    REFUSED,
    Address,
    Json,
    opened,
    out,
    run,
    show,
)
from farmgate.client.exchange import Farmgate

PANEL: Final = "Tools"
_DEMO_SYMBOL: Final = "CORN-US2Y-CHI"
_LEVELS: Final = ((0.1, "low 80 %"), (0.5, "median"), (0.9, "high 80 %"))


def forecast(
    symbol: Annotated[str, typer.Argument(help="Instrument or reference series.")],
    *,
    horizon: Annotated[int, typer.Option(min=0, help="Days or months; 0 for all.")] = 0,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show the newest forecast, its range and what it was worth so far."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            found = (await farm.fetch_forecast(symbol, horizon)).forecast
            if as_json:
                show(found, as_json=True)
                return
            rows = []
            for point in found.points:
                values = {round(one.probability, 3): one.value for one in point.quantiles}
                rows.append(
                    {"date": point.target_date} | {name: values[at] for at, name in _LEVELS}
                )
            show(rows, as_json=False, title=f"{symbol}, from {found.last_price}")
            out.print(found.disclaimer)

    run(work())


def simulate(
    symbol: Annotated[str, typer.Argument(help="Instrument.")],
    *,
    commands: Annotated[int, typer.Option(min=1, help="Orders to generate.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same flow.")] = 1,
    as_json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Run generated orders through a matching core of its own."""

    async def work() -> None:
        async with opened(address, signed_in=True) as farm:
            if as_json:
                found = await farm.sim.run(symbol, commands, seed=seed)
            else:
                found = await _with_progress(farm, symbol, commands, seed)
            show(found, as_json=as_json, title="Simulation")

    run(work())


async def _with_progress(
    farm: Farmgate, symbol: str, commands: int, seed: int
) -> trading_pb2.Simulation:
    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=out) as progress:
        task = progress.add_task("commands", total=commands)
        return await farm.sim.run(
            symbol, commands, seed=seed,
            on_progress=lambda step: progress.update(task, completed=step.command_count),
        )  # fmt: skip


def demo(*, address: Address = DEFAULT_ADDRESS) -> None:
    """Trade once with the demonstration's users, and show what each step gives."""

    async def work() -> None:
        seller, buyer = "farmer.jan", "trader.meridian"
        async with (
            Farmgate.demo(seller, address) as jan,
            Farmgate.demo(buyer, address) as meridian,
        ):
            market = await jan.fetch_market(_DEMO_SYMBOL)
            book = await jan.fetch_order_book(_DEMO_SYMBOL, 1)
            price = book.bids[0].price + market.tick_size if book.bids else market.tick_size
            lot = f"{market.lot_size.normalize():f} {market.unit}"
            out.print(
                f"{seller} offers 3 lots of {lot} of {_DEMO_SYMBOL} at {price} {market.quote}."
            )
            offered = await jan.create_order(_DEMO_SYMBOL, "limit", "sell", 3, price)
            taken = await meridian.create_order(_DEMO_SYMBOL, "limit", "buy", 3, price)
            out.print(f"{buyer} takes: {taken.status}, {taken.filled} lots, fee {taken.fee}.")
            done = await jan.fetch_order(offered.id)
            show([done, taken], as_json=False, title="Both orders")
            balance = (await jan.fetch_balance())[market.quote]
            out.print(f"{seller} has {balance.total} {market.quote} now.")

    run(work())


def doctor(*, as_json: Json = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Ask the exchange how it is, and each of its parts; ends with 3 when one is not well."""

    async def work() -> None:
        async with opened(address) as farm:
            stub = health_pb2_grpc.HealthServiceStub(farm.channel)
            found = await farm.call(stub.Healthz, health_pb2.HealthzRequest())
            rows = [
                {
                    "part": one.name, "is_well": one.is_healthy, "is_needed": one.is_required,
                    "took_ms": one.latency_us / 1_000, "detail": one.detail,
                }
                for one in found.dependencies
            ]  # fmt: skip
            show(rows, as_json=as_json, title=f"{address}, {found.version}: {found.status}")
            if not all(one.is_healthy for one in found.dependencies if one.is_required):
                raise SystemExit(REFUSED)

    run(work())


COMMANDS: Final = (demo, forecast, simulate, doctor)
