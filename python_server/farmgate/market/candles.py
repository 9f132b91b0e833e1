"""Use cases of candles: made of trades, mended when a trade is undone, read in any interval."""

from collections.abc import Callable, Collection, Iterable

from sqlalchemy import Connection

from farmgate.market import bars, candle_store
from farmgate.market.bars import Bar, Bucket, Trade
from farmgate.market.calendars import Calendar

# Returns the trades of an instrument that count, from one trade ID to another.
Reload = Callable[[Connection, int, int, int], Iterable[Trade]]


def fold(
    connection: Connection, trades: Collection[Trade],
    calendar_of: Callable[[int], Calendar], reload: Reload,
) -> None:  # fmt: skip
    """Adds trades to the candles, once each, in whatever order they come.

    Args:
        connection: The transaction.
        trades: The trades; those that are counted already change nothing.
        calendar_of: Returns the calendar of an instrument by its number.
        reload: Reads trades again, for minutes that got one late.
    """
    fresh = bars.minutes(trades)
    known = candle_store.bars_at(connection, fresh)
    late = {
        at for at, bar in fresh.items() if at in known and bar.first_trade <= known[at].last_trade
    }
    in_time = {at: bar for at, bar in fresh.items() if at not in late}
    _add(connection, in_time, calendar_of)
    for at in late:
        first = min(fresh[at].first_trade, known[at].first_trade)
        last = max(fresh[at].last_trade, known[at].last_trade)
        _mend(connection, at, calendar_of(at.instrument), reload, first, last)


def rebuild(connection: Connection, trade: Trade, calendar: Calendar, reload: Reload) -> None:
    """Makes the candles that a trade is in again, when it was undone or corrected."""
    (at,) = bars.minutes([trade])
    known = candle_store.bars_at(connection, [at]).get(at)
    first = min(known.first_trade, trade.trade_id) if known else trade.trade_id
    last = max(known.last_trade, trade.trade_id) if known else trade.trade_id
    _mend(connection, at, calendar, reload, first, last)


def read(
    connection: Connection, instrument: int, interval: int, calendar: Calendar, *,
    first_s: int, last_s: int, limit: int,
) -> list[tuple[Bucket, Bar]]:  # fmt: skip
    """Returns bars of an interval, oldest first, of those that begin between two times."""
    if first_s > last_s:
        return []
    stored, parts = bars.PARTS[interval]
    if parts == 1:
        return candle_store.page(
            connection, instrument, stored, first_s=first_s, last_s=last_s, limit=limit
        )
    first_s = _first_opening(interval, first_s, calendar)
    found = candle_store.page(
        connection, instrument, stored, first_s=first_s,
        last_s=bars.closing(interval, bars.opening(interval, last_s, calendar), calendar) - 1,
        limit=parts * (limit + 1),
    )  # fmt: skip
    return list(bars.rolled(found, interval, calendar).items())[:limit]


def _first_opening(interval: int, time_s: int, calendar: Calendar) -> int:
    start = bars.opening(interval, time_s, calendar)
    return start if start == time_s else bars.closing(interval, start, calendar)


def _add(
    connection: Connection, fresh: dict[Bucket, Bar], calendar_of: Callable[[int], Calendar]
) -> None:
    every = dict(fresh)
    in_order = sorted(fresh.items())
    for interval in bars.STORED[1:]:
        for instrument in {at.instrument for at in fresh}:
            of_one = ((at, bar) for at, bar in in_order if at.instrument == instrument)
            every |= bars.rolled(of_one, interval, calendar_of(instrument))
    known = candle_store.bars_at(connection, every)
    candle_store.put(
        connection,
        {at: bars.merge(known[at], bar) if at in known else bar for at, bar in every.items()},
    )


def _mend(
    connection: Connection, at: Bucket, calendar: Calendar, reload: Reload, first: int, last: int
) -> None:
    """Makes a minute of its trades again, then each longer bar of the shorter ones."""
    trades = reload(connection, at.instrument, first, last)
    _replace(connection, at, bars.minutes(trades).get(at))
    for shorter, longer in zip(bars.STORED, bars.STORED[1:], strict=False):
        start = bars.opening(longer, at.open_time_s, calendar)
        parts = candle_store.page(
            connection, at.instrument, shorter, first_s=start,
            last_s=bars.closing(longer, start, calendar) - 1, limit=bars.DAY_PARTS_MAX,
        )  # fmt: skip
        place = Bucket(at.instrument, longer, start)
        _replace(connection, place, bars.rolled(parts, longer, calendar).get(place))


def _replace(connection: Connection, at: Bucket, bar: Bar | None) -> None:
    if bar is None:
        candle_store.remove(connection, at)
    else:
        candle_store.put(connection, {at: bar})
