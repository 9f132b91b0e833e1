"""SQL of what is stated of instruments."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from farmgate.db import configuration
from farmgate.errors import DomainError
from farmgate.market.tables import commodities, grades, instruments, locations
from farmgate.market.terms import Defaults


def one(connection: Connection, symbol: str) -> Row[Any] | None:
    """Returns an instrument's description."""
    return connection.execute(select(instruments).where(instruments.c.symbol == symbol)).first()


def add(connection: Connection, **values: Any) -> None:
    """Adds an instrument's description."""
    connection.execute(instruments.insert().values(**values))


def change(connection: Connection, symbol: str, version: int, **values: Any) -> None:
    """Changes an instrument that is at a version.

    Raises:
        DomainError: VERSION_CONFLICT.
    """
    table = instruments.c
    query = update(instruments).where(table.symbol == symbol, table.version == version)
    changed = connection.execute(query.values(version=version + 1, **values))
    if not changed.rowcount:
        found = one(connection, symbol)
        actual = 0 if found is None else found.version
        raise DomainError("VERSION_CONFLICT", expected=version, actual=actual)


def missing(connection: Connection, commodity: str, grade: str, place: str) -> DomainError | None:
    """Returns the refusal of the first of these that is not known."""
    row = connection.execute(select(commodities).where(commodities.c.code == commodity)).first()
    if row is None:
        return DomainError("NOT_FOUND", resource="commodity", id=commodity)
    known = select(grades.c.id).where(grades.c.commodity_code == commodity, grades.c.code == grade)
    if connection.execute(known).first() is None:
        return DomainError("NOT_FOUND", resource="grade", id=f"{commodity}.{grade}")
    if connection.execute(select(locations).where(locations.c.code == place)).first() is None:
        return DomainError("NOT_FOUND", resource="location", id=place)
    return None


def defaults(values: configuration.Values) -> Defaults:
    """Returns what the settings say where instruments state nothing."""
    texts = values.texts()
    return Defaults(
        values.decimal("trading.maker_bps"), values.decimal("trading.taker_bps"),
        values.decimal("trading.band_pct"), values.integer("trading.volatility_auction_s"),
        values.integer("trading.market_protection_ticks"), texts["trading.limit_mode"],
        texts["trading.default_calendar"],
    )  # fmt: skip
