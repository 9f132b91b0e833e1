"""The market's part in the process, and its work in the background."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Final

import httpx
from sqlalchemy import Connection, Row

from farmgate.app.caching import cache_of
from farmgate.app.lifecycle import Component
from farmgate.app.parts.base import Base, Part
from farmgate.app.settings import SettingsError
from farmgate.db.engine import Database
from farmgate.jobs.kinds import PRICES, GiveUpError, Job, Kind, Run, Schedule
from farmgate.jobs.periodic import Periodic
from farmgate.market import alert_prices, calendars, sources, store, tables
from farmgate.market.alert_watch import AlertWatch
from farmgate.market.alerts import Alerts
from farmgate.market.collecting import Collector
from farmgate.market.fetching import Fetcher
from farmgate.market.ingestion import Ingestion
from farmgate.market.known import DESCRIPTIONS, Known
from farmgate.market.service import MarketServicer
from farmgate.market.sessions import Sessions
from farmgate.market.settling import Settling
from farmgate.market.sources import EmbeddedSource, Sources
from farmgate.market.stream_service import MarketEventServicer
from farmgate.ports.matching import Matching
from farmgate.rpc.replies import BYTES, Replies
from farmgate.trading import store as trading_store
from farmgate.trading.candles import counting_trades
from farmgate.trading.facade import History

COLLECT_ALL: Final = Kind("prices.collect_all", queue=PRICES)
# A source that fails is asked again after 1, 2, 4, 8 and 16 minutes, and then with the next hour.
COLLECT: Final = Kind(
    "prices.collect", queue=PRICES, max_attempts=6, backoff_s=60.0, timeout_s=900.0
)
_SETTLING_S: Final = 5.0
_SESSIONS_S: Final = 1.0
_DAY_S: Final = 86_400.0
_EXPIRY_S: Final = 60.0
_PRICES_S: Final = 60
_SUMMARIES_S: Final = 30
_REFERENCE_S: Final = 3_600
_REFERENCE: Final = (
    tables.commodities, tables.grades, tables.discount_schedules, tables.locations,
)  # fmt: skip


def unit_of(connection: Connection, commodity: str) -> str:
    """Returns the unit in which a commodity is counted, "" for one that is not described."""
    row = store.commodity(connection, commodity)
    return "" if row is None else str(row.base_unit)


def part(base: Base, matching: Matching, history: History, database: Database) -> Part:
    """Returns prices, books and their stream, and what settles and describes the market.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        database: Where that is.
    """

    async def public_trades(
        instrument: int, before: int | None, limit: int, min_sequence: int
    ) -> Sequence[Row[Any]]:
        rows, _ = await history.read(
            lambda tx: trading_store.public_trade_page(tx, instrument, before=before, limit=limit),
            expected=0,
            required=min_sequence,
        )
        return rows

    settling = Settling(base.database, database, matching, base.clock, counting_trades, base.users)
    settling.listen(lambda tx, symbols: alert_prices.on_settlements(tx, symbols, base.clock.now()))
    alerts = Alerts(base.database, matching, base.clock, base.ids)
    watch = AlertWatch(base.database, matching, base.clock)
    alerts.listen(watch.changed)
    servicer = MarketServicer(
        matching, base.database, base.pager, base.clock, history=database,
        public_trades=public_trades, ingestion=_ingestion(base), alerts=alerts,
        known=_known(base),
    )  # fmt: skip
    return Part(
        servicers=[servicer, MarketEventServicer(matching)],
        components=[
            Periodic("calendars", _DAY_S, lambda: _warm(base)),
            Periodic("sessions", _SESSIONS_S, Sessions(matching, base.database, base.clock).run),
            Periodic("settlement", _SETTLING_S, settling.run),
            Periodic("expired alerts", _EXPIRY_S, alerts.expire),
            watch,
        ],
    )


def work(base: Base) -> Part:
    """Returns the hourly collection of prices.

    Raises:
        SettingsError: The file of sources can't be used.
    """
    client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
    made = collector(base, client)

    async def collect_all(run: Run) -> None:
        await made.describe()
        await made.find_gaps()
        hour = base.clock.now().strftime("%Y-%m-%dT%H")

        def enqueue(connection: Connection) -> None:
            for source_id in made.source_ids:
                base.jobs.enqueue(
                    connection, COLLECT, {"source_id": source_id}, key=f"{source_id} {hour}"
                )

        await run.once("enqueue", enqueue)

    async def collect(run: Run) -> None:
        source_id = run.payload["source_id"]
        if source_id not in made.source_ids:
            raise GiveUpError(f"There is no source {source_id} any more.")
        await made.collect(source_id)

    return Part(
        components=[_Client(client)],
        jobs=[Job(COLLECT_ALL, collect_all), Job(COLLECT, collect)],
        schedules=[Schedule("prices.collect", "5 * * * *", COLLECT_ALL)],
    )


def _known(base: Base) -> Known:
    """Returns the market's caches; their times to live are those the product was asked for with."""
    replies = {
        name: Replies(cache_of(base, name, ttl_s, BYTES, dict.fromkeys(of)))
        for name, ttl_s, of in (
            ("reference", _REFERENCE_S, _REFERENCE),
            ("prices", _PRICES_S, ()),
            ("summaries", _SUMMARIES_S, (tables.daily_settlements,)),
        )
    }
    described = cache_of(base, "instruments", _PRICES_S, DESCRIPTIONS, {tables.instruments: None})
    known = Known(base.database, described, **replies)
    base.caches.warm_by(known.described)
    return known


def collector(base: Base, client: httpx.AsyncClient) -> Collector:
    """Returns what asks the deployment's sources.

    Raises:
        SettingsError: The file of sources can't be used.
    """
    fetcher = Fetcher(client, os.environ.get)
    return Collector(_sources(base), base.database, _ingestion(base), fetcher, base.clock, base.ids)


def _ingestion(base: Base) -> Ingestion:
    ingestion = Ingestion(base.database, base.clock, base.ids)
    ingestion.listen(
        lambda tx, series_id: alert_prices.on_reference(tx, series_id, base.clock.now())
    )
    return ingestion


def _sources(base: Base) -> Sources:
    file = base.settings.market_sources_file
    if file is not None:
        try:
            return sources.load(file)
        except sources.SourcesError as error:
            lines = str(error).splitlines()
            raise SettingsError([f"{file}: {line}" for line in lines]) from error
    if not base.settings.demo:
        return Sources()
    from farmgate.market import demo_prices  # noqa: PLC0415 - It needs numpy, and few do.

    embedded = EmbeddedSource(source_id="embedded", kind="embedded", licence="CC0-1.0")
    return Sources(series=tuple(demo_prices.series()), sources=(embedded,))


async def _warm(base: Base) -> None:
    """Makes the lists of this year's holidays, which takes a second the first time."""
    today = base.clock.now().date()
    for calendar in calendars.CALENDARS.values():
        await asyncio.to_thread(calendar.is_open_on, today)


class _Client(Component):
    """Closes the client of sources with the process."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Closes its connections."""
        await self._client.aclose()
