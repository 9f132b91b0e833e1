"""Basis: what a cash market pays above the reference price."""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row

from farmgate.errors import DomainError, invalid
from farmgate.market import series_store, settlement_store, store, units
from farmgate.ports.matching import InstrumentMarket

_LAST_DAY: Final = "9999-12-31"


class Reference(NamedTuple):
    """A reference price, in millionths a unit of the instrument."""

    series_id: str
    value_micro: int
    day: str


class Basis(NamedTuple):
    """A cash price and a reference price, in millionths a unit of the instrument."""

    series_id: str
    cash_micro: int
    reference_micro: int
    day: str


def basis_of(connection: Connection, found: InstrumentMarket, series_id: str) -> Basis:
    """Returns the basis of an instrument against a series, or against its commodity's own.

    The cash price is that of the last trade, or else the last settlement price.

    Raises:
        DomainError: NOT_FOUND when there is no such series or a price is missing,
            INVALID_ARGUMENT when the two can't be compared.
    """
    described = store.descriptions(connection).get(found["symbol"])
    if described is None or not described.commodity_code:
        raise invalid("symbol", "must be an instrument with a commodity")
    reference = reference_micro(connection, described, series_id, found["quote_asset"])
    cash = _cash_ticks(connection, found)
    return Basis(
        reference.series_id, cash * found["tick_size_micro"], reference.value_micro, reference.day
    )


def reference_micro(
    connection: Connection, described: Row[Any], series_id: str, currency: str
) -> Reference:
    """Returns the newest reference price of an instrument, in its unit.

    Raises:
        DomainError: As `basis_of`.
    """
    series = _series(connection, described.commodity_code, series_id)
    if series.currency != currency:
        raise invalid("series_id", f"must be a series in {currency}")
    newest = series_store.accepted(connection, series.id, limit=1, newest_first=True)
    if not newest:
        raise DomainError("NOT_FOUND", resource="price of reference series", id=series.id)
    try:
        value = units.converted_price_micro(
            described.commodity_code, newest[0].value_micro, series.unit, described.unit
        )
    except units.UnitError as error:
        raise invalid("series_id", f"must be a series per {described.unit}") from error
    return Reference(series.id, value, newest[0].valid_on)


def _series(connection: Connection, commodity: str, series_id: str) -> Row[Any]:
    if series_id:
        row = series_store.series(connection, series_id)
    else:
        row = series_store.reference_of(connection, commodity)
    if row is None:
        id_ = series_id or f"of {commodity}"
        raise DomainError("NOT_FOUND", resource="reference series", id=id_)
    return row


def _cash_ticks(connection: Connection, found: InstrumentMarket) -> int:
    if found["last_ticks"] is not None:
        return found["last_ticks"]
    before = settlement_store.before(connection, found["symbol"], _LAST_DAY, 1)
    if not before:
        raise DomainError("NOT_FOUND", resource="price of", id=found["symbol"])
    return before[-1].settlement_ticks
