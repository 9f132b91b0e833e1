"""Makes candles of the trades in history, beside it, at its own watermark."""

from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import Connection, select

from farmgate.db.engine import Database
from farmgate.market.facade import Calendar, Trade, candle_store, fold
from farmgate.trading.tables import trades

_TRADES_MAX: Final = 5_000
_COLUMNS: Final = (
    trades.c.trade_id, trades.c.instrument, trades.c.price_ticks, trades.c.quantity_lots,
    trades.c.trade_time_ns,
)  # fmt: skip


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
        reached = self._database.run(candle_store.watermark, is_write=False)
        if not self._database.run(lambda tx: _after(tx, reached, 1), is_write=False):
            return 0
        return self._database.run(self._fold)

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
        .order_by(trades.c.trade_id)
    )
    return [Trade(*row) for row in connection.execute(query)]


def _after(connection: Connection, trade_id: int, limit: int) -> list[Trade]:
    query = select(*_COLUMNS).where(trades.c.trade_id > trade_id)
    rows = connection.execute(query.order_by(trades.c.trade_id).limit(limit))
    return [Trade(*row) for row in rows]
