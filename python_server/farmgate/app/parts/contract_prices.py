"""What contracts ask of the market: series, instruments, and the cash price at a place."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Row

from farmgate.api.contracts.v1 import contract_terms_pb2
from farmgate.market import series_store, settlement_store, store, units
from farmgate.ports.matching import InstrumentMarket, Matching

_MICRO: Final = 1_000_000
_LAST_DAY: Final = "9999-12-31"
# Values of a window that an average is taken of; windows are shorter than two years.
_VALUES_MAX: Final = 1_000
Terms = contract_terms_pb2.ContractTerms


class MarketPrices:
    """Answers in the unit and the currency of a contract's terms; None where there is no answer.

    What terms name is a reference series, or else an instrument.

    Args:
        matching: The core, which knows the last trades.
    """

    def __init__(self, matching: Matching) -> None:
        self._matching = matching

    def last(self, connection: Connection, terms: Terms) -> Decimal | None:
        """Returns what the series of the terms is at."""
        series = _series(connection, terms)
        if series is not None:
            newest = series_store.accepted(connection, series.id, limit=1, newest_first=True)
            return _of_series(terms, series, newest[0].value_micro) if newest else None
        found = self._instrument(terms.price.reference_series)
        return None if found is None else self._traded(connection, terms, found, None)

    def on(self, connection: Connection, terms: Terms, day: date) -> Decimal | None:
        """Returns the settlement price of a day, or of the newest day before it that has one.

        It is known once the day, or one after it, has a price.
        """
        series = _series(connection, terms)
        if series is None:
            found = self._instrument(terms.price.reference_series)
            return None if found is None else self._traded(connection, terms, found, day)
        text = day.isoformat()
        if not series_store.accepted(connection, series.id, first=text, limit=1):
            return None
        rows = series_store.accepted(connection, series.id, last=text, limit=1, newest_first=True)
        return _of_series(terms, series, rows[0].value_micro) if rows else None

    def between(
        self, connection: Connection, terms: Terms, start: date, end: date
    ) -> list[Decimal]:
        """Returns the values from a day to a day, in order; none before the last is known."""
        if self.on(connection, terms, end) is None:
            return []
        first, last = start.isoformat(), end.isoformat()
        series = _series(connection, terms)
        if series is not None:
            rows = series_store.accepted(
                connection, series.id, first=first, last=last, limit=_VALUES_MAX
            )
            values = [_of_series(terms, series, row.value_micro) for row in rows]
            return [value for value in values if value is not None]
        found = self._instrument(terms.price.reference_series)
        assert found is not None, "It had a price."
        settled = settlement_store.since(connection, found["symbol"], first)
        prices = [
            self._converted(connection, terms, found, one.settlement_ticks)
            for one in settled if one.business_date <= last
        ]  # fmt: skip
        return [price for price in prices if price is not None]

    def cash(self, connection: Connection, terms: Terms, day: date | None = None) -> Decimal | None:
        """Returns what the goods trade at for now at the place, or settled at on a day."""
        wanted = (terms.commodity_code, terms.delivery.location_code)
        for symbol, row in sorted(store.descriptions(connection).items()):
            is_spot = not row.delivery_start
            if is_spot and (row.commodity_code, row.location_code) == wanted:
                found = self._instrument(symbol)
                return None if found is None else self._traded(connection, terms, found, day)
        return None

    def usual(self, connection: Connection, terms: Terms, day: date) -> Decimal | None:
        """Returns the price on a day of the series that the commodity's basis is told against."""
        series = series_store.reference_of(connection, terms.commodity_code)
        if series is None:
            return None
        named = Terms()
        named.CopyFrom(terms)
        named.price.reference_series = series.id
        return self.on(connection, named, day)

    def _instrument(self, symbol: str) -> InstrumentMarket | None:
        found = self._matching.instruments([symbol]) if symbol else []
        return found[0] if found else None

    def _traded(
        self, connection: Connection, terms: Terms, found: InstrumentMarket, day: date | None
    ) -> Decimal | None:
        symbol = found["symbol"]
        if day is None:
            if found["last_ticks"] is not None:
                return self._converted(connection, terms, found, found["last_ticks"])
            newest = settlement_store.before(connection, symbol, _LAST_DAY, 1)
            ticks = [one.settlement_ticks for one in newest]
        else:
            text = day.isoformat()
            since = settlement_store.since(connection, symbol, text)
            before = settlement_store.before(connection, symbol, text, 1)
            is_on = bool(since) and since[0].business_date == text
            # Of a day before all that is known, the first that is known stands for it.
            chosen = since[0] if since and (is_on or not before) else before[0] if since else None
            ticks = [] if chosen is None else [chosen.settlement_ticks]
        return self._converted(connection, terms, found, ticks[0]) if ticks else None

    @staticmethod
    def _converted(
        connection: Connection, terms: Terms, found: InstrumentMarket, ticks: int
    ) -> Decimal | None:
        described = store.descriptions(connection).get(found["symbol"])
        if described is None or found["quote_asset"] != terms.price.currency:
            return None
        return _per_unit(terms, ticks * found["tick_size_micro"], described.unit)


def _series(connection: Connection, terms: Terms) -> Row[Any] | None:
    name = terms.price.reference_series
    return series_store.series(connection, name) if name else None


def _of_series(terms: Terms, series: Row[Any], value_micro: int) -> Decimal | None:
    if series.currency != terms.price.currency:
        return None
    return _per_unit(terms, value_micro, series.unit)


def _per_unit(terms: Terms, value_micro: int, unit: str) -> Decimal | None:
    """Returns a price per unit of the contract, or None when the goods are not measured so."""
    try:
        found = units.converted_price_micro(terms.commodity_code, value_micro, unit, terms.unit)
    except units.UnitError:
        return None
    return Decimal(found) / _MICRO
