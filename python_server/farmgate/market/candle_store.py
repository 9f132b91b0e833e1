"""SQL of candles."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.market.bars import Bar, Bucket
from farmgate.market.tables import candle_watermarks, candles

SHARD: Final = 1
_FIGURES: Final = tuple(field.name for field in fields(Bar))
_PLACE: Final = ("instrument", "interval", "open_time_s")
# Parameters of one statement, of which a place has three; SQLite takes 32,766.
_PLACES_MAX: Final = 5_000
_BULK_MAX: Final = 20_000


def watermark(transaction: Connection) -> int:
    """Returns the last trade of which candles are made, 0 before the first."""
    query = select(candle_watermarks.c.trade_id).where(candle_watermarks.c.shard == SHARD)
    return transaction.execute(query).scalar() or 0


def lock(transaction: Connection) -> int:
    """Lets nobody else write candles until the transaction is over; returns the watermark."""
    statement = _insert(transaction)(candle_watermarks).values(shard=SHARD, trade_id=0)
    nothing = {"shard": statement.excluded.shard}
    transaction.execute(statement.on_conflict_do_update(index_elements=["shard"], set_=nothing))
    return watermark(transaction)


def move_watermark(transaction: Connection, trade_id: int) -> None:
    """Stores the last trade of which candles are made."""
    table = candle_watermarks
    moved = table.update().where(table.c.shard == SHARD).values(trade_id=trade_id)
    transaction.execute(moved)


def bars_at(transaction: Connection, buckets: Iterable[Bucket]) -> dict[Bucket, Bar]:
    """Returns the bars of these places, those that exist."""
    wanted = list(buckets)
    found: dict[Bucket, Bar] = {}
    key = tuple_(*(candles.c[name] for name in _PLACE))
    for start in range(0, len(wanted), _PLACES_MAX):
        part = [tuple(bucket) for bucket in wanted[start : start + _PLACES_MAX]]
        found |= dict(map(_bar, transaction.execute(select(candles).where(key.in_(part)))))
    return found


def page(
    transaction: Connection, instrument: int, interval: int, *, first_s: int, last_s: int,
    limit: int,
) -> list[tuple[Bucket, Bar]]:  # fmt: skip
    """Returns bars of an instrument in order, from one opening time to another, both included."""
    table = candles.c
    query = (
        select(candles)
        .where(table.instrument == instrument, table.interval == interval)
        .where(table.open_time_s.between(first_s, last_s))
        .order_by(table.open_time_s)
        .limit(limit)
    )
    return list(map(_bar, transaction.execute(query)))


def last_bars(
    transaction: Connection, instrument: int, interval: int, *, before_s: int, limit: int
) -> list[tuple[Bucket, Bar]]:
    """Returns the last bars that opened before a time, in order."""
    table = candles.c
    query = (
        select(candles)
        .where(table.instrument == instrument, table.interval == interval)
        .where(table.open_time_s < before_s)
        .order_by(table.open_time_s.desc())
        .limit(limit)
    )
    return list(map(_bar, transaction.execute(query)))[::-1]


def put(transaction: Connection, bars: dict[Bucket, Bar]) -> None:
    """Stores bars, in the place of those that are there."""
    if not bars:
        return
    statement = _insert(transaction)(candles)
    statement = statement.on_conflict_do_update(
        index_elements=list(_PLACE), set_={name: statement.excluded[name] for name in _FIGURES}
    )
    names = _PLACE + _FIGURES
    rows = [dict(zip(names, (*bucket, *astuple(bar)), strict=True)) for bucket, bar in bars.items()]
    transaction.execute(statement, rows)


def add_rows(transaction: Connection, rows: Sequence[tuple[int, ...]]) -> None:
    """Adds rows of candles in bulk, in the order of the columns; those that exist stay."""
    mark = "?" if transaction.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(_PLACE + _FIGURES))
    statement = f"INSERT INTO candles VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - Marks.
    for start in range(0, len(rows), _BULK_MAX):
        transaction.exec_driver_sql(statement, list(rows[start : start + _BULK_MAX]))


def remove(transaction: Connection, bucket: Bucket) -> None:
    """Removes a bar of which no trade is left."""
    table = candles.c
    transaction.execute(
        delete(candles).where(
            table.instrument == bucket.instrument,
            table.interval == bucket.interval,
            table.open_time_s == bucket.open_time_s,
        )
    )


def _insert(transaction: Connection) -> Any:
    return sqlite.insert if transaction.dialect.name == "sqlite" else postgresql.insert


def _bar(row: Row[Any]) -> tuple[Bucket, Bar]:
    place, figures = tuple(row)[:3], tuple(row)[3:]
    return Bucket(*place), Bar(*figures)
