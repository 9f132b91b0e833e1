"""Judges price alerts on the core's stream of events: every trade, and each change of the best.

What alerts remember is stored with the sequence it was true at, and an alert that fires with what
it remembers in one transaction; so a process that died goes on where that was, and no crossing is
missed or told twice.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from farmgate.api.market.v1 import market_pb2
from farmgate.db.engine import Database
from farmgate.market import alert_rules, alert_store, alerts
from farmgate.market.alert_store import Alert
from farmgate.market.alerts import ASK, BID, LAST, MID, OF_MARKET
from farmgate.market.messages import micro
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching
from farmgate.telemetry.logs import logger

_CHANNELS: Final = (
    1 << market_pb2.MARKET_CHANNEL_TRADES
    | 1 << market_pb2.MARKET_CHANNEL_PRICE_UPDATE
    | 1 << market_pb2.MARKET_CHANNEL_MARKET_SUMMARY
)
_BYTES_MAX: Final = 256 * 1024
_IDLE_S: Final = 1.0
_KEEP_S: Final = 1.0
# Alerts that another process changed are seen within this time.
_RELOAD_S: Final = 5.0
_log = logger(__name__)
Firing = tuple[Alert, int]


class AlertWatch:
    """Watches the market for everybody's alerts.

    Args:
        database: Where alerts are kept.
        matching: The core.
        clock: Tells the time.
    """

    def __init__(self, database: Database, matching: Matching, clock: Clock) -> None:
        self._database = database
        self._matching = matching
        self._clock = clock
        self._by_symbol: dict[str, dict[str, Alert]] = {}
        self._dirty: dict[str, Alert] = {}
        self._is_stale = True
        self._loaded_s = self._kept_s = 0.0
        self._sequence = 0
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Says that somebody changed alerts."""
        self._is_stale = True

    async def start(self) -> None:
        """Begins to watch where the last watch ended."""
        self._task = asyncio.create_task(self._watch(), name="price alerts")

    async def stop(self) -> None:
        """Stops; what is not stored is judged again at the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _watch(self) -> None:
        while True:
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - Alerts outlive a database that is away.
                _log.warning("price alerts interrupted", exc_info=error)
                self._is_stale = True
                self._dirty.clear()
                await asyncio.sleep(_IDLE_S)

    async def _follow(self) -> None:
        """Follows the stream until it ends, which is when this was too slow."""
        reached = await self._database.read(alert_store.watermark)
        self._sequence = reached
        first = min(reached, self._matching.applied_sequence()) + 1 if reached else 0
        cursor = self._matching.watch_market([], _CHANNELS, first)
        take = self._matching.taker(cursor)
        while True:
            await self.load()
            applied = self._matching.applied_sequence()
            data, _, more, lost = take(_BYTES_MAX)
            if data:
                updates = market_pb2.WatchMarketResponse.FromString(data).updates
                await self.judge(list(updates))
            elif not more:
                self._sequence = max(self._sequence, applied)
            if lost:
                _log.warning("price alerts fell behind and go on from where they were")
                return
            await self._keep([])
            if not more:
                await self._matching.feeds_moved(_IDLE_S)

    async def judge(self, updates: list[market_pb2.MarketUpdate]) -> None:
        """Judges updates of the market, in order."""
        firing: list[Firing] = []
        for update in updates:
            watching = self._by_symbol.get(update.symbol)
            if watching:
                firing += self._judged(watching, update)
            self._sequence = max(self._sequence, update.sequence)
        if firing:
            await self._keep(firing)

    def _judged(
        self, watching: dict[str, Alert], update: market_pb2.MarketUpdate
    ) -> Iterator[Firing]:
        at_s = update.event_time.seconds or int(self._clock.now().timestamp())
        for alert in list(watching.values()):
            if update.sequence <= alert.armed_sequence:
                continue
            for value in _values(alert, update):
                state, fires = alert_rules.step(alert.rule, alert.state, value, at_s)
                alert = replace(alert, state=state)  # noqa: PLW2901 - It is the same alert.
                watching[alert.id] = self._dirty[alert.id] = alert
                if fires:
                    yield alert, value
                    if alert.rule.trigger == alert_rules.ONCE:
                        del watching[alert.id]
                        break

    async def _keep(self, firing: list[Firing]) -> None:
        """Stores what alerts remember and who fired, at the latest a second after it changed."""
        now_s = self._clock.monotonic()
        if not firing and not (self._dirty and now_s - self._kept_s >= _KEEP_S):
            return
        now, sequence, dirty = self._clock.now(), self._sequence, list(self._dirty.values())

        def write(connection: Connection) -> dict[str, Alert]:
            alert_store.keep_states(connection, dirty)
            newest: dict[str, Alert] = {}
            for alert, value in firing:
                before = newest.get(alert.id, alert)
                counted = replace(alert, version=before.version, fire_count=before.fire_count)
                fired = alerts.fire(connection, counted, value, now)
                if fired is not None:
                    newest[alert.id] = fired
            alert_store.move_watermark(connection, sequence)
            return newest

        fired = await self._database.write(write)
        self._kept_s = now_s
        self._dirty.clear()
        for alert in fired.values():
            watching = self._by_symbol.get(alert.symbol, {})
            if alert.id in watching:
                # What it saw since it fired is remembered with the next.
                state = watching[alert.id].state
                watching[alert.id] = self._dirty[alert.id] = replace(alert, state=state)

    async def load(self) -> None:
        """Reads the alerts again when somebody changed them."""
        now_s = self._clock.monotonic()
        if not self._is_stale and now_s - self._loaded_s < _RELOAD_S:
            return
        self._is_stale = False
        now = self._clock.now()
        found = await self._database.read(lambda tx: alert_store.armed(tx, OF_MARKET, now))
        known = {
            (alert.id, alert.version): alert
            for watching in self._by_symbol.values()
            for alert in watching.values()
        }
        self._by_symbol = {}
        for alert in found:
            # What it remembers here is newer than what is stored.
            newest = known.get((alert.id, alert.version), alert)
            self._by_symbol.setdefault(alert.symbol, {})[alert.id] = newest
        self._loaded_s = now_s


def _values(alert: Alert, update: market_pb2.MarketUpdate) -> list[int]:
    """Returns what an update says of what an alert looks at, in millionths or lots."""
    condition = alert.rule.condition
    if condition == alert_rules.VOLUME_ABOVE:
        return [trade.quantity_lots for trade in update.trades if not update.snapshot]
    if condition in {alert_rules.DAY_HIGH, alert_rules.DAY_LOW}:
        day = update.market_summary
        told = day.high if condition == alert_rules.DAY_HIGH else day.low
        return [micro(told)] if told else []
    if alert.source == LAST and condition != alert_rules.SPREAD_ABOVE:
        return [micro(trade.price) for trade in update.trades]
    best = update.price_update
    bid, ask = best.best_bid, best.best_ask
    if condition == alert_rules.SPREAD_ABOVE:
        return [micro(ask) - micro(bid)] if bid and ask else []
    if alert.source == MID:
        return [(micro(bid) + micro(ask)) // 2] if bid and ask else []
    told = {BID: bid, ASK: ask}[alert.source]
    return [micro(told)] if told else []
