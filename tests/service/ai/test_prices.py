"""Which of the market's prices are forecast, on both databases."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from farmgate.ai.sources import Price, Series
from farmgate.app.parts.prices import forecast_prices
from farmgate.db import migrations
from farmgate.db.engine import Database
from farmgate.market import series_store
from farmgate.market.bars import DAY
from farmgate.market.series_store import ACCEPTED, QUARANTINED, Observed
from farmgate.market.tables import candles, instruments

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SERIES = {
    "name": "Maize", "source": "MANUAL", "unit": "t", "currency": "USD",
    "calendar_code": "ALWAYS_OPEN",
    "is_reference": False,
}  # fmt: skip
"""A table's row, but for what the tests are about."""


@pytest.fixture
def database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url, threads=2)
    migrations.upgrade(database.engine)
    yield database
    database.close()


def add_series(database: Database, name: str, frequency: str, commodity: str) -> None:
    row: dict[str, Any] = {
        **SERIES, "id": name, "frequency": frequency, "commodity_code": commodity,
    }  # fmt: skip
    database.run(lambda tx: series_store.put_series(tx, row))


def observe(database: Database, name: str, day: str, micro: int, **given: Any) -> None:
    row = Observed(**{
        "series_id": name, "source_id": "MANUAL", "valid_on": day, "revision": 1,
        "value_micro": micro, "source_value_micro": micro, "source_unit": "t",
        "source_currency": "USD", "priority": 1, "status": ACCEPTED, "quality": "", "reason": "",
        "ingested_at": NOW, "run_id": "01JD8Z3N6V7Q2X4T5Y6R8W9A0B", "payload_sha256": "", **given,
    })  # fmt: skip
    database.run(lambda tx: series_store.add_observations(tx, [row]))


def add_candle(database: Database, instrument: int, day: date, close: int) -> None:
    start_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    row = dict.fromkeys((column.name for column in candles.columns), 0) | {
        "instrument": instrument, "interval": DAY, "open_time_s": start_s, "close_ticks": close,
    }  # fmt: skip
    database.run(lambda tx: tx.execute(candles.insert().values(**row)))


async def test_series_from_outside_are_forecast(database: Database) -> None:
    """AIM-025."""
    add_series(database, "MAIZE-D", "DAILY", "CORN")
    add_series(database, "MAIZE-M", "MONTHLY", "NOTHING")
    add_series(database, "MAIZE-W", "WEEKLY", "CORN")
    source = forecast_prices(database, database)
    assert await source.series() == [
        Series("MAIZE-D", "GRAIN", "D", "t", "USD"),
        Series("MAIZE-M", "OTHER", "M", "t", "USD"),
    ]
    assert await source.newest() == {}
    observe(database, "MAIZE-D", "2026-05-28", 180_000_000)
    observe(database, "MAIZE-D", "2026-05-28", 181_000_000, revision=2)
    observe(database, "MAIZE-D", "2026-05-29", 182_000_000)
    observe(database, "MAIZE-M", "2026-04-30", 170_000_000)
    observe(database, "MAIZE-M", "2026-05-31", 171_000_000)
    assert await source.prices("MAIZE-D") == [
        Price(date(2026, 5, 28), 181_000_000), Price(date(2026, 5, 29), 182_000_000),
    ]  # fmt: skip
    assert await source.prices("MAIZE-D", date(2026, 5, 29)) == [
        Price(date(2026, 5, 29), 182_000_000)
    ]
    assert await source.prices("MAIZE-M") == [
        Price(date(2026, 4, 1), 170_000_000), Price(date(2026, 5, 1), 171_000_000),
    ]  # fmt: skip
    assert await source.newest() == {"MAIZE-D": date(2026, 5, 29), "MAIZE-M": date(2026, 5, 1)}
    assert await source.one("MAIZE-W") is None
    assert await source.prices("MAIZE-W") == []


async def test_weekends_are_left_out_of_days(database: Database) -> None:
    """AIM-026: Friday, Saturday and Sunday; markets that rest then share the calendar."""
    add_series(database, "MAIZE-D", "DAILY", "CORN")
    for day in (29, 30, 31):
        observe(database, "MAIZE-D", f"2026-05-{day}", day * 1_000_000)
        add_candle(database, 1, date(2026, 5, day), day)
    described = {
        "symbol": "CORN-US2Y-CHI", "number": 1, "commodity_code": "CORN", "unit": "bu",
        "location_code": "CHI",
    }  # fmt: skip
    row = {
        column.name: described.get(column.name, {int: 0, str: ""}.get(column.type.python_type))
        for column in instruments.columns
    }
    database.run(lambda tx: tx.execute(instruments.insert().values(**row)))
    source = forecast_prices(database, database)
    friday = date(2026, 5, 29)
    assert await source.newest() == {"CORN-US2Y-CHI": friday, "MAIZE-D": friday}
    assert [one.day for one in await source.prices("CORN-US2Y-CHI")] == [friday]
    assert [one.day for one in await source.prices("MAIZE-D")] == [friday]


@pytest.mark.parametrize(
    ("day", "other", "is_pending"),
    [
        ("2026-05-29", None, True),
        # Another source's value of that day was accepted.
        ("2026-05-29", "2026-05-29", False),
        # Nobody decided on it for months.
        ("2026-02-27", None, False),
    ],
)
async def test_odd_prices_are_a_doubt_while_they_are_new(
    database: Database, day: str, other: str | None, *, is_pending: bool
) -> None:
    """AIM-005."""
    add_series(database, "MAIZE-D", "DAILY", "CORN")
    observe(database, "MAIZE-D", "2026-05-28", 180_000_000)
    observe(database, "MAIZE-D", day, 1_800_000_000, status=QUARANTINED)
    if other:
        observe(database, "MAIZE-D", other, 181_000_000, source_id="OTHER")
    found = await forecast_prices(database, database).one("MAIZE-D")
    assert found is not None
    assert found.has_pending_outliers == is_pending
