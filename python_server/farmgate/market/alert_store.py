"""SQL of price alerts."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.market.alert_rules import Rule, State
from farmgate.market.tables import alert_watermarks, price_alerts

ARMED: Final = "ARMED"
TRIGGERED: Final = "TRIGGERED"
PAUSED: Final = "PAUSED"
EXPIRED: Final = "EXPIRED"
_SHARD: Final = 1


@dataclass(frozen=True, slots=True)
class Alert:
    """A price alert.

    Attributes:
        symbol: Symbol, or series for prices from outside.
        source: Number of the `AlertSource`.
        armed_sequence: Sequence of the core when it was armed; what was before does not count.
        state: What it remembers of the prices so far.
    """

    id: str
    user_id: str
    symbol: str
    source: int
    rule: Rule
    note: str
    status: str
    expires_at: datetime
    created_at: datetime
    armed_sequence: int
    state: State = field(default_factory=State)
    last_fired_at: datetime | None = None
    fire_count: int = 0
    version: int = 1


def add(connection: Connection, alert: Alert) -> None:
    """Adds an alert."""
    connection.execute(price_alerts.insert().values(**_values(alert), deleted_at=None))


def count(connection: Connection, user_id: str) -> int:
    """Returns how many alerts somebody has; nobody else adds one meanwhile."""
    if connection.dialect.name == "postgresql":
        # SQLite has one writer at a time anyway.
        statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        connection.execute(statement, {"name": f"alerts {user_id}"})
    table = price_alerts.c
    query = select(func.count()).where(table.user_id == user_id, table.deleted_at.is_(None))
    return connection.execute(query).scalar_one()


def one(connection: Connection, alert_id: str) -> Alert | None:
    """Returns an alert that is not deleted."""
    table = price_alerts
    query = select(table).where(table.c.id == alert_id, table.c.deleted_at.is_(None))
    row = connection.execute(query).one_or_none()
    return _alert(row) if row is not None else None


def page(
    connection: Connection, user_id: str, *, status: str, before: str, now: datetime, limit: int
) -> list[Alert]:
    """Returns alerts of somebody, the newest first, older than one; empty texts mean all."""
    table = price_alerts.c
    query = select(price_alerts).where(table.user_id == user_id, table.deleted_at.is_(None))
    if status == EXPIRED:
        query = query.where((table.status == EXPIRED) | (table.expires_at <= now))
    elif status:
        query = query.where(table.status == status, table.expires_at > now)
    if before:
        query = query.where(table.id < before)
    return [_alert(row) for row in connection.execute(query.order_by(table.id.desc()).limit(limit))]


def armed(
    connection: Connection, sources: Collection[int], now: datetime, symbol: str = ""
) -> list[Alert]:
    """Returns the alerts that wait for prices of these sources, of one symbol or of all."""
    table = price_alerts.c
    query = select(price_alerts).where(
        table.status == ARMED, table.source.in_(sources), table.deleted_at.is_(None),
        table.expires_at > now,
    )  # fmt: skip
    if symbol:
        query = query.where(table.symbol == symbol)
    return [_alert(row) for row in connection.execute(query.order_by(table.id))]


def replace_one(connection: Connection, alert: Alert) -> Alert | None:
    """Stores an alert of the next version; None when it is another version by now."""
    table = price_alerts
    newer = replace(alert, version=alert.version + 1)
    changed = connection.execute(
        update(table)
        .where(table.c.id == alert.id, table.c.version == alert.version)
        .where(table.c.deleted_at.is_(None))
        .values(**_values(newer))
    )
    return newer if changed.rowcount else None


def keep_states(connection: Connection, alerts: Sequence[Alert]) -> None:
    """Stores what alerts remember; an alert that was changed meanwhile has forgotten it."""
    table = price_alerts
    for alert in alerts:
        connection.execute(
            update(table)
            .where(table.c.id == alert.id, table.c.version == alert.version)
            .values(state=_state_text(alert.state))
        )


def delete(connection: Connection, alert_id: str, now: datetime) -> None:
    """Deletes an alert; the row stays."""
    table = price_alerts
    connection.execute(update(table).where(table.c.id == alert_id).values(deleted_at=now))


def expire(connection: Connection, now: datetime) -> int:
    """Ends the alerts whose time is over; returns how many."""
    table = price_alerts
    ended = connection.execute(
        update(table)
        .where(table.c.status.in_([ARMED, PAUSED]), table.c.expires_at <= now)
        .values(status=EXPIRED, version=table.c.version + 1)
    )
    return int(ended.rowcount)


def watermark(connection: Connection) -> int:
    """Returns the sequence of the core up to which alerts have looked, 0 at first."""
    table = alert_watermarks.c
    return connection.execute(select(table.sequence).where(table.shard == _SHARD)).scalar() or 0


def move_watermark(connection: Connection, sequence: int) -> None:
    """Stores up to which sequence of the core alerts have looked."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(alert_watermarks).values(shard=_SHARD, sequence=sequence)
    moved = {"sequence": statement.excluded.sequence}
    connection.execute(statement.on_conflict_do_update(index_elements=["shard"], set_=moved))


def _values(alert: Alert) -> dict[str, Any]:
    values = {name: getattr(alert, name) for name in Alert.__slots__}
    del values["rule"], values["state"]
    return {**values, **asdict(alert.rule), "state": _state_text(alert.state)}


def _alert(row: Row[Any]) -> Alert:
    values = row._asdict()
    rule = Rule(**{name: values.pop(name) for name in Rule.__slots__})
    del values["deleted_at"]
    told = json.loads(values.pop("state"))
    window = tuple((at, value) for at, value in told[2])
    return Alert(rule=rule, state=State(told[0], told[1], window, told[3]), **values)


def _state_text(state: State) -> str:
    return json.dumps(
        [state.before_micro, state.before_s, state.window, state.fired_s], separators=(",", ":")
    )
