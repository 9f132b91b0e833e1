"""Prices from outside: files, services that misbehave, the demonstration's own, settlements."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Row, func, select

from farmgate.app.foundation import open_base
from farmgate.app.parts import market as market_part
from farmgate.app.parts.base import Base
from farmgate.app.settings import Settings
from farmgate.db.schema import metadata
from farmgate.jobs.execution import Execution
from farmgate.jobs.in_process import InProcess
from farmgate.market import fetching, series_store, settlement_store
from farmgate.market.collecting import CollectError, Collector
from farmgate.market.fetching import Fetcher
from farmgate.market.ingestion import Ingestion
from farmgate.market.settlement_store import DailySettlement
from farmgate.market.sources import Sources
from farmgate.market.tables import (
    commodities,
    ingestion_rejects,
    instruments,
    price_observations,
)
from farmgate.ports.clock import FakeClock
from service.market.prices_server import ROWS, Answer, PricesServer, serving

PINK_SHEET = Path(__file__).parents[4] / "shared" / "data" / "prices" / "wb_pinksheet_monthly.csv"
FORM = {"unit": "t", "currency": "USD"}
SERIES = {
    "series_id": "CORN-CASH", "name": "Corn", "source": "TEST", "commodity_code": "CORN", **FORM,
    "frequency": "MONTHLY",
}  # fmt: skip


@pytest.fixture
async def base(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Base]:
    """A database with corn in it, and no server."""
    found = open_base(make_settings(), clock)
    # Far quicker than the migrations, which make the same.
    metadata.create_all(found.database.engine)
    with closing(found.database):
        row = {
            "code": "CORN", "name": "Corn", "category": "GRAIN", "base_unit": "bu",
            "unit_mass_kg": "25.401", "harvest_months": "9,10,11", "description": "",
        }  # fmt: skip
        await found.database.write(lambda tx: tx.execute(commodities.insert().values(row)))
        yield found


@pytest.fixture
async def service() -> AsyncIterator[PricesServer]:
    async with serving() as found:
        yield found


@asynccontextmanager
async def collecting(
    base: Base, *sources: dict[str, Any], series: tuple[dict[str, Any], ...] = (SERIES,),
    timeout_s: float = 20,
) -> AsyncIterator[Collector]:  # fmt: skip
    """A collector of these sources that never waits between attempts."""

    async def no_wait(_: float) -> None:
        pass

    stated = Sources.model_validate({"series": series, "sources": sources})
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        fetcher = Fetcher(client, {"KEY": "secret"}.get, no_wait, timeout_s)
        ingestion = Ingestion(base.database, base.clock, base.ids)
        made = Collector(stated, base.database, ingestion, fetcher, base.clock, base.ids)
        await made.describe()
        yield made


def service_of(service: PricesServer, path: str = "/prices", **given: Any) -> dict[str, Any]:
    return {
        "kind": "http_json", "source_id": "service", "url": service.url + path,
        "rows": "results", "series": {"": "CORN-CASH"}, "form": FORM, **given,
    }  # fmt: skip


def table_of(path: Path, **given: Any) -> dict[str, Any]:
    return {
        "kind": "csv", "source_id": "table", "location": str(path),
        "series": {"maize": "CORN-CASH"}, "form": FORM, **given,
    }  # fmt: skip


async def known(base: Base, series_id: str = "CORN-CASH") -> dict[str, int]:
    table = price_observations.c
    query = select(table.valid_on, table.source_value_micro).where(table.series_id == series_id)
    rows = await base.database.read(lambda tx: tx.execute(query).all())
    return {row.valid_on: row.source_value_micro for row in rows}


async def last_run(base: Base, source_id: str) -> Row[Any]:
    return (await base.database.read(lambda tx: series_store.last_runs(tx, source_id, 1)))[0]


async def failure(base: Base, collector: Collector, source_id: str) -> str:
    """Returns why a source failed, as its run tells it."""
    with pytest.raises(CollectError):
        await collector.collect(source_id)
    run = await last_run(base, source_id)
    assert run.outcome == "FAILED"
    return str(run.reason.partition(":")[0])


async def test_a_table_of_text(base: Base, tmp_path: Path) -> None:
    """MKT-080: a wide table; missing values are no values, what can't be read is told."""
    path = tmp_path / "sheet.csv"
    path.write_text(
        "date,maize,barley\n2026-01-01,201.5,150\n2026-02-01,…,151\n2026-03-01,many,152\n"
        "2026-02-31,199,1\n2026-04-01,203.25\n2026-05-01,204.125,153\n"
    )
    async with collecting(base, table_of(path)) as collector:
        run = await collector.collect("table")
        assert (run.stored_count, run.rejected_count, run.outcome) == (2, 3, "OK")
        again = await collector.collect("table")
    assert (again.stored_count, again.unchanged_count) == (0, 2)
    assert await known(base) == {"2026-01-01": 201_500_000, "2026-05-01": 204_125_000}
    table = ingestion_rejects.c
    query = select(table.line, table.reason).where(table.run_id == run.id).order_by(table.line)
    lines = await base.database.read(lambda tx: tx.execute(query).all())
    assert [row.line for row in lines] == [4, 5, 6]
    assert "many" in lines[0].reason


async def test_a_long_table_from_a_service(base: Base, service: PricesServer) -> None:
    """MKT-080: tags under the header, thousands, days first; other series are left out."""
    text = "day;what;price\n#date;#item;#value\n02/04/2026;maize;1.201,50\n02/04/2026;rye;9\n"
    service.answers = [Answer(text.encode(), content_type="text/csv")]
    source = table_of(
        Path("x"), location=service.url + "/table.csv", delimiter=";", skip_lines=1,
        date_column="day", series_column="what", value_column="price",
        form=FORM | {"date_format": "%d/%m/%Y", "thousands": ".", "decimal": ","},
    )  # fmt: skip
    async with collecting(base, source) as collector:
        assert (await collector.collect("table")).stored_count == 1
    assert await known(base) == {"2026-04-02": 1_201_500_000}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!doctype html><title>Sign in</title>", "NOT_TABLE"),
        ("date,barley\n2026-01-01,1\n", "SCHEMA"),
        ("", "SCHEMA"),
        (b"date,maize\n2026-01-01,\xff\xfe\n", "NOT_TEXT"),
    ],
)
async def test_tables_that_are_none(
    base: Base, tmp_path: Path, text: str | bytes, reason: str
) -> None:
    """MKT-081."""
    path = tmp_path / "sheet.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    async with collecting(base, table_of(path)) as collector:
        assert await failure(base, collector, "table") == reason
        path.unlink()
        assert await failure(base, collector, "table") == "UNREACHABLE"
    assert await known(base) == {}


async def test_a_service_page_after_page(base: Base, service: PricesServer) -> None:
    """MKT-080."""
    rows = [{"date": f"2026-04-{day:02}", "value": f"{200 + day / 8}"} for day in range(1, 8)]

    def page(path: str) -> Answer:
        offset = int(path.rpartition("=")[2])
        return Answer.rows(rows[offset : offset + 3], total="7", returned=len(rows[offset:][:3]))

    service.answers = [page]
    source = service_of(
        service, "/prices?offset={offset}", page_rows=3, total="total", returned="returned"
    )
    async with collecting(base, source) as collector:
        run = await collector.collect("service")
    assert (run.page_count, run.stored_count) == (3, 7)
    assert service.asked == [f"/prices?offset={n}" for n in (0, 3, 6)]
    assert len(await known(base)) == 7


BAD_ANSWERS = [
    (Answer(status=500), "HTTP_500", 4),
    (Answer(status=404), "HTTP_404", 1),
    (Answer(status=401), "HTTP_401", 1),
    # It could lead anywhere, into the own network too: it is not followed.
    (Answer(status=302, headers={"location": "http://169.254.169.254/latest"}), "HTTP_302", 1),
    (Answer(b"<!doctype html>", content_type="text/html"), "NOT_JSON", 1),
    (Answer(json.dumps({"results": ROWS}).encode()[:-20]), "NOT_JSON", 1),
    (Answer(b'{"results": []', cut=500), "UNREACHABLE", 4),
    (Answer(b'{"Note": "25 calls a day"}'), "SCHEMA", 1),
    (Answer.rows([{"day": "2026-05-01", "value": "1"}]), "SCHEMA", 1),
    (Answer.rows(total=3), "TRUNCATED", 1),
    (Answer.rows(returned=5), "TRUNCATED", 1),
    (Answer.rows(total="many"), "SCHEMA", 1),
]


@pytest.mark.parametrize(("answer", "reason", "attempts"), BAD_ANSWERS)
async def test_services_that_misbehave(
    base: Base, service: PricesServer, answer: Answer, reason: str, attempts: int
) -> None:
    """MKT-081: the run tells why, and what may pass is asked again."""
    service.answers = [answer]
    source = service_of(service, total="total", returned="returned")
    async with collecting(base, source) as collector:
        assert await failure(base, collector, "service") == reason
        assert len(service.asked) == attempts
        # It is not held against the source: the next run takes what there is.
        service.answers = [Answer.rows()]
        await collector.collect("service")
    assert len(await known(base)) == 2


async def test_a_service_that_is_slow(base: Base, service: PricesServer) -> None:
    """MKT-081."""
    service.answers = [Answer(hangs=True)]
    async with collecting(base, service_of(service), timeout_s=0.1) as collector:
        assert await failure(base, collector, "service") == "TIMEOUT"
        assert len(service.asked) == 4
        service.asked.clear()
        service.answers = [Answer(hangs=True), Answer(status=503), Answer.rows()]
        assert (await collector.collect("service")).stored_count == 2


async def test_a_service_that_sends_without_end(
    base: Base, service: PricesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MKT-081: memory is bounded, whatever length is promised."""
    monkeypatch.setattr(fetching, "PAGE_BYTES_MAX", 1_000_000)
    service.answers = [Answer(b"[" + b" " * 4_000_000)]
    async with collecting(base, service_of(service)) as collector:
        assert await failure(base, collector, "service") == "TOO_LARGE"
    assert len(service.asked) == 1


async def test_a_service_that_repeats_itself(base: Base, service: PricesServer) -> None:
    """MKT-081: it does not know pages; what it gave is kept."""
    service.answers = [Answer.rows()]
    async with collecting(base, service_of(service, page_rows=2)) as collector:
        assert await failure(base, collector, "service") == "DUPLICATE_PAGE"
    assert len(await known(base)) == 2


async def test_a_service_that_wants_rest(base: Base, service: PricesServer) -> None:
    """MKT-081: as long as it says, and not for hours."""
    service.answers = [Answer(status=429, headers={"retry-after": "2"}), Answer.rows()]
    async with collecting(base, service_of(service)) as collector:
        assert (await collector.collect("service")).stored_count == 2
        service.asked.clear()
        service.answers = [Answer(status=429, headers={"retry-after": "7200"})]
        assert await failure(base, collector, "service") == "HTTP_429"
        assert len(service.asked) == 1


async def test_a_key_that_is_not_there(base: Base, service: PricesServer) -> None:
    """MKT-081: keys are in the environment, never in the file of sources."""
    service.answers = [Answer.rows()]
    sources = [
        service_of(service, source_id="with", headers={"x-key": "KEY"}),
        service_of(service, source_id="without", headers={"x-key": "NO_SUCH"}),
    ]
    async with collecting(base, *sources) as collector:
        assert (await collector.collect("with")).stored_count == 2
        assert await failure(base, collector, "without") == "NOT_CONFIGURED"


async def test_settlements_are_a_source(base: Base) -> None:
    """MKT-080."""
    source = {"kind": "trades", "source_id": "own", "symbol": "CORN-US2Y-CHI"}
    source["series_id"] = "CORN-CASH"
    daily = SERIES | {"frequency": "DAILY", "unit": "bu"}
    async with collecting(base, source, series=(daily,)) as collector:
        assert await failure(base, collector, "own") == "NOT_CONFIGURED"
        row = {
            column.name: {int: 1, str: ""}.get(column.type.python_type) for column in instruments.c
        } | {
            "symbol": "CORN-US2Y-CHI", "number": 1, "tick_size_micro": 2_500,
            "commodity_code": "CORN",
        }  # fmt: skip
        await base.database.write(lambda tx: tx.execute(instruments.insert().values(row)))
        settled = settlement("2026-05-29", 1_833)
        await base.database.write(lambda tx: settlement_store.add(tx, [settled]))
        assert (await collector.collect("own")).stored_count == 1
        assert (await collector.collect("own")).unchanged_count == 1
    assert await known(base) == {"2026-05-29": 1_833 * 2_500}


def settlement(day: str, ticks: int) -> DailySettlement:
    given = {
        "symbol": "CORN-US2Y-CHI",
        "business_date": day,
        "settlement_ticks": ticks,
        "tier": "1",
    }
    given |= {"settled_at": datetime(2026, 5, 29, 22, tzinfo=UTC)}
    fields = DailySettlement.__dataclass_fields__
    return DailySettlement(**{name: given.get(name, 0) for name in fields})


async def test_the_demonstration_brings_its_own(base: Base) -> None:
    """MKT-080."""
    from farmgate.market import demo_prices  # noqa: PLC0415 - It needs numpy, and few do.

    series = tuple(one.model_dump() for one in demo_prices.series())
    source = {"kind": "embedded", "source_id": "embedded"}
    async with collecting(base, source, series=series) as collector:
        run = await collector.collect("embedded")
        assert run.stored_count > 1_000
        assert (await collector.collect("embedded")).stored_count == 0


async def test_the_pink_sheet(base: Base) -> None:
    """MKT-082: years of real monthly prices, each once, again and again."""
    if not PINK_SHEET.exists():
        pytest.skip("The development set is not beside the project.")
    wanted = {"maize": "MAIZE", "wheat_us_hrw": "WHEAT", "soybeans": "SOY", "barley": "BARLEY"}
    series = tuple(SERIES | {"series_id": one} for one in wanted.values())
    async with collecting(base, table_of(PINK_SHEET, series=wanted), series=series) as collector:
        run = await collector.collect("table")
        again = await collector.collect("table")
        await collector.find_gaps()
    lines = PINK_SHEET.read_text().splitlines()
    header = lines[0].split(",")
    for column, series_id in wanted.items():
        cells = {line.split(",")[0]: line.split(",")[header.index(column)] for line in lines[1:]}
        stated = {day: round(float(cell) * 1e6) for day, cell in cells.items() if cell}
        assert await known(base, series_id) == stated
    assert run.rejected_count == 0
    assert (again.stored_count, again.unchanged_count + again.quarantined_count) == (
        0, run.stored_count + run.quarantined_count,
    )  # fmt: skip


async def test_prices_are_collected_each_hour(
    make_settings: Callable[..., Settings], clock: FakeClock, service: PricesServer,
    tmp_path: Path,
) -> None:  # fmt: skip
    """MKT-083: by the schedule and its jobs; a source that fails is tried again, others go on."""
    path = tmp_path / "sheet.csv"
    path.write_text("date,maize\n2026-01-01,201.5\n")
    good = table_of(path, priority=1)
    bad = service_of(service)
    file = tmp_path / "sources.json"
    file.write_text(json.dumps({"series": [SERIES], "sources": [good, bad]}))
    service.answers = [Answer(status=404), Answer.rows()]
    base = open_base(make_settings(market_sources_file=file), clock)
    metadata.create_all(base.database.engine)
    part = market_part.work(base)
    execution = Execution(base.database, clock, part.jobs, "test")
    runner = InProcess(base.database, clock, execution, base.jobs, part.schedules)
    with closing(base.database):
        await runner.settle()
        clock.move(3_600)
        await runner.settle()
        await runner.settle()
        assert len(await known(base)) == 1, "The table is there, the service was away."
        clock.move(61)
        await runner.settle()
        assert len(await known(base)) == 3
        count = select(func.count()).select_from(price_observations)
        for _ in range(2):
            clock.move(3_600)
            await runner.settle()
            await runner.settle()
        assert await base.database.read(lambda tx: tx.scalar(count)) == 3
        asked = len(service.asked)
        assert asked == 4, "Once an hour, and once again after the failure."
    for component in part.components:
        await component.stop()
    await asyncio.sleep(0)
