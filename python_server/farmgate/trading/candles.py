"""Makes candles of the trades in history, beside it, at its own watermark."""

from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import Connection, select, update

from farmgate.db.engine import Database
from farmgate.market.facade import Calendar, Trade, candle_store, fold, rebuild
from farmgate.trading.tables import KIND_BLOCK, STATUS_BUSTED, trade_changes, trades

_TRADES_MAX: Final = 5_000
_COLUMNS: Final = (
    trades.c.trade_id, trades.c.instrument, trades.c.price_ticks, trades.c.quantity_lots,
    trades.c.trade_time_ns,
)  # fmt: skip
# Those taken back, and those agreed outside the book, make no candle.
_COUNTS: Final = (trades.c.status != STATUS_BUSTED, trades.c.kind != KIND_BLOCK)


class CandleProjector:
    """Brings candles up to the trades in history.

    Args:
        database: Where both are kept.
        calendar_of: Returns the calendar of an instrument by its number.
        trades_max: Trades of one transaction.
    """

    def __init__(
        self, database: Database, calendar_of: Callable[[int], Calendar],
        trades_max: int = _TRADES_MAX,
    ) -> None:  # fmt: skip
        self._database = database
        self._calendar_of = calendar_of
        self._trades_max = trades_max

    def step(self) -> int:
        """Adds the next trades; returns how many, 0 when candles are up to date."""
        self._rebuild()
        reached = self._database.run(candle_store.watermark, is_write=False)
        if not self._database.run(lambda tx: _after(tx, reached, 1), is_write=False):
            return 0
        return self._database.run(self._fold)

    def _rebuild(self) -> None:
        """Makes candles again whose trades were taken back or corrected."""
        if not self._database.run(lambda tx: _changed(tx, 1), is_write=False):
            return

        def work(connection: Connection) -> None:
            reached = candle_store.lock(connection)
            for trade in _changed(connection, self._trades_max):
                # Not yet in a candle: it will come in as it is now.
                if trade.trade_id <= reached:
                    calendar = self._calendar_of(trade.instrument)
                    rebuild(connection, trade, calendar, counting_trades)
                done = update(trade_changes).where(trade_changes.c.trade_id == trade.trade_id)
                connection.execute(done.values(in_candles=1))

        self._database.run(work)

    def _fold(self, connection: Connection) -> int:
        # Another process may be at the same: the watermark's row is the lock between them.
        found = _after(connection, candle_store.lock(connection), self._trades_max)
        if found:
            fold(connection, found, self._calendar_of, counting_trades)
            candle_store.move_watermark(connection, found[-1].trade_id)
        return len(found)


def counting_trades(
    connection: Connection, instrument: int, first: int, last: int
) -> Iterable[Trade]:
    """Returns the trades of an instrument that count, from one trade ID to another."""
    query = (
        select(*_COLUMNS)
        .where(trades.c.instrument == instrument, trades.c.trade_id.between(first, last))
        .where(*_COUNTS)
        .order_by(trades.c.trade_id)
    )
    return [Trade(*row) for row in connection.execute(query)]


def _after(connection: Connection, trade_id: int, limit: int) -> list[Trade]:
    query = select(*_COLUMNS).where(trades.c.trade_id > trade_id, *_COUNTS)
    rows = connection.execute(query.order_by(trades.c.trade_id).limit(limit))
    return [Trade(*row) for row in rows]


def _changed(connection: Connection, limit: int) -> list[Trade]:
    query = (
        select(*_COLUMNS)
        .join(trade_changes, trade_changes.c.trade_id == trades.c.trade_id)
        .where(trade_changes.c.in_candles == 0)
    )
    rows = connection.execute(query.order_by(trades.c.trade_id).limit(limit))
    return [Trade(*row) for row in rows]
