"""Indices: a basket of fixed weights against its prices on the base date, after Laspeyres."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, select

from farmgate.market import settlement_store, units
from farmgate.market.tables import market_indices
from farmgate.ports.matching import Matching


def value_centi(base_value_centi: int, constituents: Sequence[tuple[int, int, int]]) -> int:
    """Returns the value of an index, in hundredths, rounded half up.

    Every constituent counts by how its price changed since the base date, in its own currency.

    Args:
        base_value_centi: Value on the base date.
        constituents: Weight, price on the base date and price now of each.
    """
    weights = sum(weight for weight, _, _ in constituents)
    change = sum(
        (Fraction(weight * now, base) for weight, base, now in constituents), start=Fraction(0)
    )
    return units.half_up(base_value_centi * change / weights)


def put(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Adds indices; those that exist are kept, as their base date is."""
    known = set(connection.scalars(select(market_indices.c.code)))
    fresh = [row for row in rows if row["code"] not in known]
    if fresh:
        connection.execute(market_indices.insert(), fresh)


def page(
    connection: Connection, matching: Matching, *, after: str, limit: int
) -> list[tuple[Row[Any], int]]:
    """Returns indices by code with their values by the last prices, or settlements without one."""
    query = select(market_indices).where(market_indices.c.code > after)
    rows = connection.execute(query.order_by(market_indices.c.code).limit(limit)).all()
    last = {one["symbol"]: one["last_ticks"] for one in matching.instruments()}
    found = []
    for row in rows:
        constituents = [
            (weight, base, _price(connection, symbol, last.get(symbol), base))
            for symbol, weight, base in json.loads(row.constituents)
        ]
        found.append((row, value_centi(row.base_value_centi, constituents)))
    return found


def _price(connection: Connection, symbol: str, last: int | None, base: int) -> int:
    if last is not None:
        return last
    before = settlement_store.before(connection, symbol, "9999-12-31", 1)
    return before[-1].settlement_ticks if before else base
