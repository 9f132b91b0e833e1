"""What the process and other modules use of trading."""

from pathlib import Path
from typing import Final

from farmgate.db.engine import Database
from farmgate.ports.matching import Matching
from farmgate.trading import store
from farmgate.trading.candles import CandleProjector
from farmgate.trading.changes import TradeChanges
from farmgate.trading.history import History
from farmgate.trading.project import Projector

__all__ = [
    "OWN_OWNER",
    "CandleProjector",
    "History",
    "Projector",
    "TradeChanges",
    "TradingAccounts",
]

# The account is its own beneficial owner; those of an organisation share one.
OWN_OWNER: Final = 2**32 - 1
# High enough for market makers on every instrument, low enough that one account can't fill the
# core's slab.
_OPEN_ORDERS_MAX: Final = 100_000


def history_lag(database: Database, journal_dir: Path) -> int:
    """Returns how many durable commands history lacks. It is for start-up and jobs."""
    mark = journal_dir / "durable"
    durable = int.from_bytes(mark.read_bytes(), "little") - 1 if mark.exists() else 0
    return max(0, durable - database.run(store.watermark, is_write=False))


class TradingAccounts:
    """Opens trading accounts in the matching core.

    Args:
        matching: The core.
    """

    def __init__(self, matching: Matching) -> None:
        self._matching = matching

    async def open_account(self, account_id: bytes) -> int:
        """Returns the number of the account, opened if it is new.

        Args:
            account_id: The 16 bytes of its ULID.
        """
        return await self._matching.open_account(
            account_id, owner=OWN_OWNER, max_open_orders=_OPEN_ORDERS_MAX
        )
