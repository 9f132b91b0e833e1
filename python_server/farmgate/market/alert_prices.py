"""Price alerts on prices that are stored: settlements, reference series, and basis of both."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from farmgate.errors import DomainError
from farmgate.market import alerts, series_store, settlement_store, store
from farmgate.market.basis import reference_micro

_LAST_DAY: Final = "9999-12-31"


def on_reference(connection: Connection, series_id: str, now: datetime) -> None:
    """Judges alerts on a series that has a new value, and on the basis against it."""
    series = series_store.series(connection, series_id)
    newest = series_store.accepted(connection, series_id, limit=1, newest_first=True)
    assert series is not None, "It was stored just now."
    if not newest:
        return
    alerts.judge(connection, alerts.REFERENCE, series_id, newest[0].value_micro, now)
    if series.is_reference:
        of_commodity = [
            row.symbol
            for row in store.descriptions(connection).values()
            if row.commodity_code == series.commodity_code
        ]
        _on_basis(connection, of_commodity, now)


def on_settlements(connection: Connection, symbols: Iterable[str], now: datetime) -> None:
    """Judges alerts on instruments that were just settled, and on their basis."""
    described = store.descriptions(connection)
    wanted = list(symbols)
    for symbol in wanted:
        (settled,) = settlement_store.before(connection, symbol, _LAST_DAY, 1)
        value = settled.settlement_ticks * described[symbol].tick_size_micro
        alerts.judge(connection, alerts.SETTLEMENT, symbol, value, now)
    _on_basis(connection, wanted, now)


def _on_basis(connection: Connection, symbols: Iterable[str], now: datetime) -> None:
    """Judges alerts on basis: the last settlement less the last reference price."""
    watched = {one.symbol for one in alerts.armed_on_basis(connection, now)}
    described = store.descriptions(connection)
    for symbol in watched.intersection(symbols):
        row = described[symbol]
        settled = settlement_store.before(connection, symbol, _LAST_DAY, 1)
        if not settled:
            continue
        try:
            reference = reference_micro(connection, row, "", row.currency).value_micro
        except DomainError:
            # There is nothing to compare with yet.
            continue
        cash = settled[-1].settlement_ticks * row.tick_size_micro
        alerts.judge(connection, alerts.BASIS, symbol, cash - reference, now)
