"""Trading's part in the process."""

from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.app.schema import Schema
from farmgate.db.engine import Database
from farmgate.ports.matching import Matching
from farmgate.trading.accounts import Members, Readable
from farmgate.trading.agreements import Agreements
from farmgate.trading.facade import History
from farmgate.trading.service import TradingServicer
from farmgate.trading.sessions import Sessions
from farmgate.trading.simulations import Simulations
from farmgate.trading.stream_service import OrderEventServicer
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

    def user_of(connection: Connection, account: int) -> str | None:
        user = base.users.by_account_number(connection, account)
        return user.id if user else None

    agreements = Agreements(matching, history, base.database, base.clock, base.ids, user_of)
    simulations = Simulations(matching, base.settings.journal_dir, base.clock, base.ids)
    return Part(
        servicers=[
            TradingServicer(
                matching,
                history,
                base.pager,
                sessions,
                readable,
                agreements,
                simulations,
                base.database,
            ),
            OrderEventServicer(matching),
            WalletServicer(
                matching,
                history,
                base.pager,
                readable,
                takes_test_deposits=not base.settings.is_production,
            ),
        ],
        components=[sessions, simulations]
        if database is base.database
        else [schema, sessions, simulations],
    )
