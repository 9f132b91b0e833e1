"""Use cases of price alerts: made, changed, judged, told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.market.v1 import market_pb2
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.errors import DomainError, invalid
from farmgate.market import alert_rules, alert_store, series_store
from farmgate.market.alert_rules import Rule, State
from farmgate.market.alert_store import ARMED, EXPIRED, PAUSED, TRIGGERED, Alert
from farmgate.market.messages import decimal
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.ports.matching import Matching

M = TypeVar("M", bound=Serializable)
ALERTS_MAX: Final = 50
_LIFE_MAX: Final = timedelta(days=90)
_MICRO: Final = 1_000_000
_PCT_MAX_MICRO: Final = 1_000 * _MICRO
LAST, BID, ASK, MID = 1, 2, 3, 4
SETTLEMENT, REFERENCE, BASIS = 5, 6, 7
# Judged on the core's stream; the others when a price is stored.
OF_MARKET: Final = frozenset({LAST, BID, ASK, MID})
_SYMBOLS: Final = OF_MARKET | {SETTLEMENT, BASIS}
_ONLY_OF_MARKET: Final = frozenset({
    alert_rules.DAY_HIGH, alert_rules.DAY_LOW, alert_rules.VOLUME_ABOVE, alert_rules.SPREAD_ABOVE,
})  # fmt: skip
_OF_LAST: Final = _ONLY_OF_MARKET - {alert_rules.SPREAD_ABOVE}
_WINDOWED: Final = frozenset({
    alert_rules.PCT_UP, alert_rules.PCT_DOWN, alert_rules.VOLUME_ABOVE,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """An alert somebody asks for."""

    symbol: str
    source: int
    rule: Rule
    has_threshold: bool
    note: str
    expires_at: datetime | None


class Alerts:
    """Keeps alerts.

    Args:
        database: Where they are kept.
        matching: The core, which knows the symbols.
        clock: Tells the time.
        ids: Names them.
    """

    def __init__(self, database: Database, matching: Matching, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._matching = matching
        self._clock = clock
        self._ids = ids
        self._changed: list[Callable[[], None]] = []

    def listen(self, changed: Callable[[], None]) -> None:
        """Calls this when alerts were changed by somebody."""
        self._changed.append(changed)

    async def create(self, user_id: str, wanted: Wanted, effect: Effect[Alert, M]) -> M:
        """Makes an alert.

        Raises:
            DomainError: ALERT_LIMIT, INSTRUMENT_UNKNOWN, NOT_FOUND or INVALID_ARGUMENT.
        """
        now = self._clock.now()
        expires_at = wanted.expires_at or now + _LIFE_MAX
        if not now < expires_at <= now + _LIFE_MAX:
            raise invalid("expire_time", "must be within the next 90 days")
        check(wanted)
        self._check_symbol(wanted)
        alert = Alert(
            self._ids.ulid(), user_id, wanted.symbol, wanted.source, wanted.rule, wanted.note,
            ARMED, expires_at, now, self._matching.applied_sequence(),
        )  # fmt: skip

        def write(connection: Connection) -> None:
            is_series = wanted.source == REFERENCE
            if is_series and series_store.series(connection, wanted.symbol) is None:
                raise DomainError("NOT_FOUND", resource="reference series", id=wanted.symbol)
            if alert_store.count(connection, user_id) >= ALERTS_MAX:
                raise DomainError("ALERT_LIMIT", maximum=ALERTS_MAX)
            alert_store.add(connection, alert)
            effect.record(connection, alert, resource=f"alert/{alert.id}")

        await self._database.write(write)
        self._tell()
        return effect.reply

    async def page(self, user_id: str, status: str, *, before: str, limit: int) -> list[Alert]:
        """Returns the alerts of somebody, the newest first."""
        now = self._clock.now()
        found = await self._database.read(
            lambda tx: alert_store.page(
                tx, user_id, status=status, before=before, now=now, limit=limit
            )
        )
        return [_as_of(one, now) for one in found]

    async def update(
        self, user_id: str, alert_id: str, *, threshold_micro: int | None, note: str,
        is_paused: bool | None, expected: int, effect: Effect[Alert, M],
    ) -> M:  # fmt: skip
        """Changes an alert; what is None or empty stays. Another threshold arms it anew.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT, RESOURCE_STATE or INVALID_ARGUMENT.
        """
        now = self._clock.now()

        def write(connection: Connection) -> None:
            alert = _owned(connection, user_id, alert_id)
            if expected not in {0, alert.version}:
                raise DomainError("VERSION_CONFLICT", actual=alert.version, expected=expected)
            if _as_of(alert, now).status == EXPIRED:
                raise DomainError(
                    "RESOURCE_STATE", resource="alert", id=alert_id, state=EXPIRED,
                    action="a change",
                )  # fmt: skip
            changed = self._changed_one(alert, threshold_micro, note, is_paused=is_paused)
            newer = alert_store.replace_one(connection, changed)
            if newer is None:
                # It fired between the look and the change.
                raise DomainError("VERSION_CONFLICT", actual=alert.version + 1, expected=expected)
            effect.record(connection, newer, resource=f"alert/{alert_id}")

        await self._database.write(write)
        self._tell()
        return effect.reply

    def _changed_one(
        self, alert: Alert, threshold_micro: int | None, note: str, *, is_paused: bool | None
    ) -> Alert:
        rule = alert.rule
        if threshold_micro is not None:
            rule = replace(rule, threshold_micro=threshold_micro)
            check(Wanted(alert.symbol, alert.source, rule, True, note, None))  # noqa: FBT003 - It has one.
        status = alert.status
        if is_paused is not None:
            status = PAUSED if is_paused else ARMED
        changed = replace(alert, rule=rule, note=note or alert.note, status=status)
        if rule == alert.rule and status == alert.status:
            return changed
        state = State() if status != alert.status else alert_rules.rearmed(alert.state)
        return replace(changed, state=state, armed_sequence=self._matching.applied_sequence())

    async def delete(self, user_id: str, alert_id: str, effect: Effect[None, M]) -> M:
        """Deletes an alert.

        Raises:
            DomainError: NOT_FOUND.
        """

        def write(connection: Connection) -> None:
            _owned(connection, user_id, alert_id)
            alert_store.delete(connection, alert_id, self._clock.now())
            effect.record(connection, None, resource=f"alert/{alert_id}")

        await self._database.write(write)
        self._tell()
        return effect.reply

    async def expire(self) -> int:
        """Ends the alerts whose time is over."""
        now = self._clock.now()
        return await self._database.write(lambda tx: alert_store.expire(tx, now))

    def _check_symbol(self, wanted: Wanted) -> None:
        if wanted.source in _SYMBOLS and not self._matching.instruments([wanted.symbol]):
            raise DomainError("INSTRUMENT_UNKNOWN", symbol=wanted.symbol)

    def _tell(self) -> None:
        for changed in self._changed:
            changed()


def fire(connection: Connection, alert: Alert, value_micro: int, at: datetime) -> Alert | None:
    """Stores that an alert fired and announces it; None when it was changed meanwhile."""
    status = TRIGGERED if alert.rule.trigger == alert_rules.ONCE else ARMED
    count = alert.fire_count + 1
    fired = alert_store.replace_one(
        connection, replace(alert, status=status, fire_count=count, last_fired_at=at)
    )
    if fired is not None:
        condition = market_pb2.AlertCondition.Name(
            market_pb2.AlertCondition.ValueType(alert.rule.condition)
        )
        announcement = Announcement(
            "alert.triggered", at, user_id=alert.user_id, about=f"{alert.id} {count}",
            data={
                "alert_id": alert.id, "symbol": alert.symbol, "note": alert.note,
                "condition": condition.removeprefix("ALERT_CONDITION_").lower().replace("_", " "),
                "threshold": decimal(alert.rule.threshold_micro, _MICRO),
                "value": decimal(value_micro, _MICRO), "fire_count": count,
            },
        )  # fmt: skip
        announce(connection, announcement)
    return fired


def judge(
    connection: Connection, source: int, symbol: str, value_micro: int, now: datetime
) -> None:
    """Judges the alerts on a price that was just stored, in the transaction that stores it."""
    for alert in alert_store.armed(connection, [source], now, symbol):
        at_s = int(now.timestamp())
        state, fires = alert_rules.step(alert.rule, alert.state, value_micro, at_s)
        moved = replace(alert, state=state)
        if fires:
            fire(connection, moved, value_micro, now)
        else:
            alert_store.keep_states(connection, [moved])


def armed_on_basis(connection: Connection, now: datetime) -> list[Alert]:
    """Returns the alerts that wait for a basis."""
    return alert_store.armed(connection, [BASIS], now)


def check(wanted: Wanted) -> None:
    """Checks that an alert can ever fire.

    Raises:
        DomainError: INVALID_ARGUMENT.
    """
    rule, condition = wanted.rule, wanted.rule.condition
    if wanted.source not in {LAST, BID, ASK, MID, SETTLEMENT, REFERENCE, BASIS}:
        raise invalid("source", "must be a price, a settlement, a reference or a basis")
    is_of_day = condition in {alert_rules.DAY_HIGH, alert_rules.DAY_LOW}
    if condition in _OF_LAST and wanted.source != LAST:
        raise invalid("source", "must be LAST for a day's high or low and for volumes")
    if condition in _ONLY_OF_MARKET and wanted.source not in OF_MARKET:
        raise invalid("source", "must be a price of the market for a spread")
    if condition in {alert_rules.PCT_UP, alert_rules.PCT_DOWN} and wanted.source == BASIS:
        raise invalid("condition", "must not be a change in per cent: a basis may be nothing")
    if not is_of_day and not wanted.has_threshold:
        raise invalid("threshold", "must be stated")
    if condition == alert_rules.OUTSIDE_RANGE and rule.high_micro <= rule.threshold_micro:
        raise invalid("threshold_high", "must be above the threshold")
    if condition in _WINDOWED:
        if rule.window_s < 1:
            raise invalid("window_s", "must be stated for changes and volumes")
        most = _PCT_MAX_MICRO if condition != alert_rules.VOLUME_ABOVE else 10**18
        if not 0 < rule.threshold_micro <= most:
            raise invalid("threshold", "must be more than 0, and of changes at most 1000 per cent")


def _owned(connection: Connection, user_id: str, alert_id: str) -> Alert:
    found = alert_store.one(connection, alert_id)
    if found is None or found.user_id != user_id:
        raise DomainError("NOT_FOUND", resource="alert", id=alert_id)
    return found


def _as_of(alert: Alert, now: datetime) -> Alert:
    is_over = alert.status in {ARMED, PAUSED} and alert.expires_at <= now
    return replace(alert, status=EXPIRED) if is_over else alert
