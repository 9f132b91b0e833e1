"""What the process and other modules use of trading."""

from typing import Final

from farmgate.ports.matching import Matching
from farmgate.trading.history import History
from farmgate.trading.project import Projector

__all__ = ["OWN_OWNER", "History", "Projector", "TradingAccounts"]

# The account is its own beneficial owner; those of an organisation share one.
OWN_OWNER: Final = 2**32 - 1
# High enough for market makers on every instrument, low enough that one account can't fill the
# core's slab.
_OPEN_ORDERS_MAX: Final = 100_000


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
