"""Candles beside the history of trading: late, repeated, undone or lost, they end up the same."""

import random
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import delete, select

from farmgate.db.engine import Database
from farmgate.db.schema import metadata
from farmgate.market import candle_store, candles
from farmgate.market.bars import PARTS, STORED, Bar, Bucket, Trade, minutes, rolled
from farmgate.market.calendars import CALENDARS
from farmgate.market.tables import candle_watermarks
from farmgate.market.tables import candles as table
from farmgate.trading.candles import CandleProjector, counting_trades
from farmgate.trading.tables import trade_changes
from farmgate.trading.tables import trades as trades_table

NS = 1_000_000_000
START_S = 1_772_800_000
GRAINS = CALENDARS["CBOT_GRAINS"]


@pytest.fixture
def database(any_database_url: str) -> Iterator[Database]:
    with closing(Database(any_database_url)) as opened:
        tables = [trades_table, trade_changes, table, candle_watermarks]
        opened.run(lambda tx: metadata.create_all(tx, tables=tables))
        yield opened


def calendar_of(_instrument: int):
    return GRAINS


def made(chance: random.Random, count: int) -> list[Trade]:
    found, time_s = [], START_S
    for number in range(1, count + 1):
        time_s += chance.choice([0, 1, 7, 45, 400, 5_000])
        price = chance.randint(1_700, 1_900)
        found.append(
            Trade(number * 2, chance.randint(1, 2), price, chance.randint(1, 9), time_s * NS)
        )
    return found


def insert(database: Database, trades: list[Trade]) -> None:
    rest = {
        "aggressor": 1, "maker_order": 1, "maker_account": 1, "maker_fee_minor": 0,
        "taker_order": 2, "taker_account": 2, "taker_fee_minor": 0, "sequence": 1, "kind": 1,
    }  # fmt: skip
    rows = [
        {
            "trade_id": one.trade_id, "instrument": one.instrument, "price_ticks": one.price_ticks,
            "quantity_lots": one.quantity_lots, "trade_time_ns": one.time_ns, **rest,
        }
        for one in trades
    ]  # fmt: skip
    database.run(lambda tx: tx.execute(trades_table.insert(), rows))


def expected(trades: list[Trade]) -> dict[Bucket, Bar]:
    every: dict[Bucket, Bar] = {}
    for instrument in (1, 2):
        by_minute = minutes(one for one in trades if one.instrument == instrument)
        for interval in STORED:
            every |= rolled(sorted(by_minute.items()), interval, GRAINS)
    return every


def stored(database: Database) -> dict[Bucket, Bar]:
    rows = database.run(lambda tx: list(tx.execute(select(table))), is_write=False)
    return {Bucket(*tuple(row)[:3]): Bar(*tuple(row)[3:]) for row in rows}


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_and_repeated_trades_make_the_same_candles(database: Database, seed: int) -> None:
    """MKT-020: in parts, in any order, some of them twice."""
    chance = random.Random(seed)
    trades = made(chance, 120)
    insert(database, trades)
    muddled = trades + chance.choices(trades, k=60)
    chance.shuffle(muddled)
    while muddled:
        part = [muddled.pop() for _ in range(min(len(muddled), chance.randint(1, 25)))]
        # A minute that gets one late is made again of all trades; of those that come yet, too.
        database.run(lambda tx, of=part: candles.fold(tx, of, calendar_of, counting_trades))
    assert stored(database) == expected(trades)


def test_a_trade_that_is_undone_leaves_its_candles(database: Database) -> None:
    """MKT-023: minute, half hour and day; the last trade of one takes the bar along."""
    trades = made(random.Random(7), 80)
    insert(database, trades)
    database.run(lambda tx: candles.fold(tx, trades, calendar_of, counting_trades))
    left = list(trades)
    for gone in (trades[40], trades[0], trades[-1], *trades[10:14]):
        left.remove(gone)

        def undo(tx, one=gone):
            tx.execute(delete(trades_table).where(trades_table.c.trade_id == one.trade_id))
            candles.rebuild(tx, one, GRAINS, counting_trades)

        database.run(undo)
        assert stored(database) == expected(left)
    for one in left:
        database.run(lambda tx, at=one: candles.rebuild(tx, at, GRAINS, counting_trades))
    assert stored(database) == expected(left)


def test_the_projector_counts_each_trade_once_whatever_happens(database: Database) -> None:
    """MKT-024: with a stop between any two steps, and beside another one that does the same."""
    trades = made(random.Random(11), 200)
    one, other = (CandleProjector(database, calendar_of, trades_max=17) for _ in range(2))
    assert one.step() == 0
    for start in range(0, 200, 50):
        insert(database, trades[start : start + 50])
        while one.step() + other.step():
            pass
        assert stored(database) == expected(trades[: start + 50])
    again = CandleProjector(database, calendar_of)
    assert again.step() == 0
    database.run(lambda tx: [tx.execute(delete(one)) for one in (table, candle_watermarks)])
    while again.step():
        pass
    assert stored(database) == expected(trades)


def test_every_interval_is_read_page_by_page(database: Database) -> None:
    """MKT-025: pages of any length give the same bars, each once."""
    chance = random.Random(3)
    trades = [one for one in made(chance, 150) if one.instrument == 1]
    insert(database, trades)
    database.run(lambda tx: candles.fold(tx, trades, calendar_of, counting_trades))
    by_minute = sorted(minutes(trades).items())
    for interval in PARTS:
        whole = sorted(rolled(by_minute, interval, GRAINS).items())
        for limit in (1, 3, 500):
            found, first = [], 0
            while True:
                page = database.run(
                    lambda tx, at=first, of=interval, most=limit: candles.read(
                        tx, 1, of, GRAINS, first_s=at, last_s=START_S + 10**8, limit=most
                    )
                )
                if not page:
                    break
                found += page
                first = page[-1][0].open_time_s + 1
            assert found == whole, (interval, limit)
        middle = whole[len(whole) // 2][0].open_time_s
        upper = database.run(
            lambda tx, at=middle, of=interval: candles.read(
                tx, 1, of, GRAINS, first_s=0, last_s=at, limit=500
            )
        )
        assert upper == [one for one in whole if one[0].open_time_s <= middle]
    assert database.run(candle_store.watermark) == 0
