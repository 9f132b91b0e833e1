"""Trading's part in the process."""

from farmgate.app.parts.base import Base, Part
from farmgate.app.schema import Schema
from farmgate.db.engine import Database
from farmgate.ports.matching import Matching
from farmgate.trading.facade import History
from farmgate.trading.service import OrderEventServicer, TradingServicer
from farmgate.trading.sessions import Sessions
from farmgate.trading.wallet import WalletServicer


def part(base: Base, matching: Matching) -> Part:
    """Returns order entry, its history, and wallets."""
    address = base.settings.history_address
    is_shared = address == base.settings.database_address
    database = base.database if is_shared else Database(address)
    history = History(database)
    schema = Schema(database, may_upgrade=not base.settings.is_production)
    sessions = Sessions(matching)
    return Part(
        servicers=[
            TradingServicer(matching, history, base.pager, sessions),
            OrderEventServicer(matching),
            WalletServicer(
                matching,
                history,
                base.pager,
                takes_test_deposits=not base.settings.is_production,
            ),
        ],
        components=[sessions] if is_shared else [schema, sessions],
    )
