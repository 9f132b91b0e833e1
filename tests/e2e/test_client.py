"""The client for Python and the commands for traders, against a running exchange."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from e2e.exchange import DOMAIN, PASSWORD, Exchange, free_ports
from farmgate.client import Farmgate, errors
from farmgate.client.values import Order, PublicTrade

SYMBOL = "BARLEY-US2-FAR"
WAIT_S = 30


@pytest.fixture
def symbol(exchange: Exchange) -> str:
    """An instrument of which other tests know nothing."""
    listed = exchange.call("GET", "/v1/market/instruments?page_size=500").body["instruments"]
    return str(next(one["symbol"] for one in listed if one["commodity_code"] == "BARLEY"))


@pytest.fixture
async def farm(exchange: Exchange) -> AsyncIterator[Farmgate]:
    async with Farmgate.demo("trader.meridian", exchange.grpc) as found:
        yield found


async def first(stream: AsyncIterator[Any], does: Callable[[Any], bool]) -> Any:
    """Returns the first of a stream that does."""
    async with asyncio.timeout(WAIT_S):
        async for one in stream:
            if does(one):
                return one
    raise AssertionError("The stream ended.")


async def test_six_lines_place_an_order(exchange: Exchange, symbol: str) -> None:
    """CLI-001."""
    async with Farmgate.demo("trader.meridian", exchange.grpc) as farm:
        best = (await farm.fetch_order_book(symbol)).bids[0].price
        order = await farm.create_order(symbol, "limit", "buy", 5, best, post_only=True)
        assert (order.status, order.remaining, order.price) == ("new", 5, best)
        assert (await farm.cancel_order(order.id)).status == "cancelled"


async def test_the_market_is_read_as_in_ccxt(farm: Farmgate, symbol: str) -> None:
    """CLI-002."""
    markets = await farm.fetch_markets()
    market = next(one for one in markets if one.symbol == symbol)
    assert market == await farm.fetch_market(symbol)
    assert market.tick_size > 0
    assert "USD" in await farm.fetch_currencies()
    book = await farm.fetch_order_book(symbol, 3)
    assert len(book.bids) == len(book.asks) == 3
    assert book.bids[0].price < book.asks[0].price
    ticker = await farm.fetch_ticker(symbol)
    assert (ticker.bid, ticker.ask) == (book.bids[0].price, book.asks[0].price)
    assert len(await farm.fetch_tickers()) >= len(markets) - 2
    frame = (await farm.fetch_tickers([symbol])).to_df()
    assert list(frame["symbol"]) == [symbol]
    with pytest.raises(ValueError, match="timeframe must be one of"):
        await farm.fetch_ohlcv(symbol, "2h")


async def test_orders_are_entered_changed_followed_and_filled(
    farm: Farmgate, exchange: Exchange, symbol: str
) -> None:
    """CLI-002, CLI-003."""
    followed: list[Order] = []
    filled: list[PublicTrade] = []
    book = await farm.fetch_order_book(symbol, 1)
    tick = (await farm.fetch_market(symbol)).tick_size
    price = book.asks[0].price - tick if book.asks[0].price - tick > book.bids[0].price else None
    assert price is not None, "The demonstration's books have room inside."
    async with Farmgate.demo("farmer.jan", exchange.grpc) as other:

        async def follow() -> None:
            async for one in farm.watch_orders():
                followed.append(one)
                if one.status == "filled":
                    return

        async def fills() -> None:
            async for one in farm.watch_trades(symbol):
                filled.append(one)
                return

        async def trade() -> Order:
            # Heartbeats come each second: by then both streams are open.
            await first(farm.watch_order_book(symbol), lambda _book: True)
            await asyncio.sleep(1.5)
            order = await farm.create_order(symbol, "limit", "buy", 3, price)
            order = await farm.edit_order(order.id, amount=2, version=order.version)
            assert (order.amount, order.version) == (2, 2)
            await first(
                farm.watch_order_book(symbol, 1),
                lambda one: (one.bids[0].price, one.bids[0].lots) == (price, 2),
            )
            balance = await other.fetch_balance()
            base = (await other.fetch_market(symbol)).base
            if balance.get(base) is None or not balance[base].free:
                pytest.fail(f"farmer.jan has no {base}")
            await other.create_order(symbol, "market", "sell", 2)
            return order

        async with asyncio.timeout(2 * WAIT_S):
            _, _, order = await asyncio.gather(follow(), fills(), trade())
    assert [one.status for one in followed if one.id == order.id][-1] == "filled"
    assert {one.id for one in followed} == {order.id}
    assert (filled[0].price, filled[0].lots, filled[0].side) == (price, 2, "sell")
    done = await farm.fetch_order(order.id)
    assert (done.filled, done.average) == (2, price)
    mine = await farm.fetch_my_trades(symbol, order_id=order.id)
    assert [(one.lots, one.is_maker) for one in mine] == [(2, True)]
    assert any(one.reference for one in await farm.fetch_ledger(20))
    assert order.id in {one.id for one in await farm.fetch_orders(symbol)}
    assert order.id not in {one.id for one in await farm.fetch_open_orders(symbol)}
    assert (await farm.fetch_trades(symbol, 1))[0].id == filled[0].id


async def test_refusals_are_exceptions_named_by_their_reason(farm: Farmgate, symbol: str) -> None:
    """CLI-006."""
    with pytest.raises(errors.InstrumentUnknown) as caught:
        await farm.create_order("GOLD", "limit", "buy", 1, "1")
    assert caught.value.reason == "INSTRUMENT_UNKNOWN"
    assert caught.value.request_id
    with pytest.raises(errors.PriceTick):
        await farm.create_order(symbol, "limit", "buy", 1, "1.000001")
    with pytest.raises(errors.RefusedError):
        await farm.cancel_order(2**40)
    with pytest.raises(ValueError, match="side must be one of buy, sell"):
        await farm.create_order(symbol, "limit", "long", 1, "1")
    with pytest.raises(AttributeError):
        errors.NoSuchReason  # noqa: B018 - It is looked up.


async def test_a_token_is_renewed_before_it_ends(farm: Farmgate) -> None:
    """CLI-007."""
    before = farm.tokens
    farm._ends_at = 0.0
    await asyncio.gather(*(farm.fetch_balance() for _ in range(5)))
    assert farm.tokens[0] != before[0]
    assert farm.tokens[1] != before[1]


async def test_a_simulation_tells_how_far_it_is(farm: Farmgate, symbol: str) -> None:
    """CLI-002."""
    told: list[int] = []
    done = await farm.sim.run(
        symbol, 50_000, seed=7, on_progress=lambda one: told.append(one.command_count)
    )
    assert done.command_count == 50_000
    assert told == sorted(told)
    again = await farm.sim.run(symbol, 50_000, seed=7)
    assert again.state_hash == done.state_hash


class Shell:
    """Runs the command as somebody at a terminal does."""

    def __init__(self, home: Path, address: str) -> None:
        self._environment = os.environ | {
            "HOME": str(home), "XDG_CONFIG_HOME": str(home), "FARMGATE_ADDRESS": address,
            "FARMGATE_PASSWORD": PASSWORD, "COLUMNS": "160",
        }  # fmt: skip

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "farmgate", *words], capture_output=True, text=True,
            env=self._environment, check=False, timeout=180,
        )  # fmt: skip

    def told(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done
        return json.loads(done.stdout)


def test_a_terminal_is_enough_to_trade(exchange: Exchange, symbol: str, tmp_path: Path) -> None:
    """CLI-010."""
    shell = Shell(tmp_path, exchange.grpc)
    assert shell.run("login", f"trader.meridian@{DOMAIN}").returncode == 0
    sessions = list(tmp_path.rglob("sessions.json"))
    assert [one.stat().st_mode & 0o777 for one in sessions] == [0o600]
    book = shell.told("book", symbol, "--depth", "2")
    assert len(book["bids"]) == 2
    price = book["bids"][-1]["price"]
    name = uuid.uuid4().hex
    placed = shell.told("order", "buy", "2", symbol, f"@{price}", "--client-order-id", name)
    again = shell.told("order", "buy", "2", symbol, f"@{price}", "--client-order-id", name)
    assert placed["id"] == again["id"]
    assert Decimal(placed["price"]) == Decimal(price)
    assert placed["id"] in {one["id"] for one in shell.told("orders", symbol)}
    assert shell.told("cancel", str(placed["id"]))["status"] == "cancelled"
    table = shell.run("book", symbol)
    assert table.returncode == 0
    assert price in table.stdout
    assert "USD" in {one["asset"] for one in shell.told("balance")}
    shown = shell.run("demo")
    assert shown.returncode == 0, shown.stderr
    assert "filled" in shown.stdout
    assert shell.run("doctor").returncode == 0
    assert shell.told("contract", "templates")
    assert shell.run("logout").returncode == 0
    assert shell.run("orders").returncode == 2


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["ticker", "GOLD"], 3, "INSTRUMENT_UNKNOWN"),
        (["order", "buy", "1", "X", "4.58"], 2, "must begin with @"),
        (["orders"], 2, "Sign in first"),
        (["order", "hold", "1", "X"], 2, "hold"),
    ],
)
def test_mistakes_are_told_in_words_and_by_status(
    exchange: Exchange, tmp_path: Path, words: list[str], status: int, told: str
) -> None:
    """CLI-011."""
    done = Shell(tmp_path, exchange.grpc).run(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exchange_that_is_not_there_is_told(tmp_path: Path) -> None:
    """CLI-011."""
    (port,) = free_ports(1)
    done = Shell(tmp_path, f"127.0.0.1:{port}").run("ticker", "OATS-US2-CHI")
    assert done.returncode == 4
    assert "UNAVAILABLE" in done.stderr
