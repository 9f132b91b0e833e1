"""Trading's part in the process."""

from farmgate.app.parts.base import Base, Part
from farmgate.app.schema import Schema
from farmgate.db.engine import Database
from farmgate.ports.matching import Matching
from farmgate.trading.accounts import Members, Readable
from farmgate.trading.facade import History
from farmgate.trading.service import OrderEventServicer, TradingServicer
from farmgate.trading.sessions import Sessions
from farmgate.trading.wallet import WalletServicer


def open_history(base: Base) -> tuple[History, Database]:
    """Returns history as the projector writes it, and the database it is in."""
    address = base.settings.history_address
    is_shared = address == base.settings.database_address
    database = base.database if is_shared else Database(address)
    return History(database), database


def part(
    base: Base, matching: Matching, history: History, database: Database, members: Members
) -> Part:
    """Returns order entry, its history, and wallets.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        database: Where that is.
        members: Knows who manages whose organisation.
    """
    readable = Readable(matching, members)
    schema = Schema(database, may_upgrade=not base.settings.is_production)
    sessions = Sessions(matching)
    return Part(
        servicers=[
            TradingServicer(matching, history, base.pager, sessions, readable),
            OrderEventServicer(matching),
            WalletServicer(
                matching,
                history,
                base.pager,
                readable,
                takes_test_deposits=not base.settings.is_production,
            ),
        ],
        components=[sessions] if database is base.database else [schema, sessions],
    )
