"""Trading's part in the process."""

from typing import Final

from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.users import Opened as People
from farmgate.app.schema import Schema
from farmgate.db.engine import Database
from farmgate.jobs.periodic import Periodic
from farmgate.ports.matching import Matching
from farmgate.trading.accounts import Readable
from farmgate.trading.agreements import Agreements
from farmgate.trading.facade import History, TradingAccounts
from farmgate.trading.funds import Funds
from farmgate.trading.levels import Levels
from farmgate.trading.service import TradingServicer
from farmgate.trading.sessions import Sessions
from farmgate.trading.simulations import Simulations
from farmgate.trading.stream_service import OrderEventServicer
from farmgate.trading.wallet import WalletServicer
from farmgate.users.kyc_logic import Kyc

_LEVELS_S: Final = 60.0
_WITHDRAWALS_S: Final = 30.0


def open_history(base: Base) -> tuple[History, Database]:
    """Returns history as the projector writes it, and the database it is in."""
    address = base.settings.history_address
    is_shared = address == base.settings.database_address
    database = base.database if is_shared else Database(address)
    return History(database), database


def open_levels(base: Base, matching: Matching, kyc: Kyc) -> Levels:
    """Returns what holds accounts to the levels of their owners."""
    levels = Levels(base.database, matching, TradingAccounts(matching), kyc.allowances)
    kyc.listen(levels.apply)
    return levels


def keep_levels(levels: Levels) -> Part:
    """Returns what looks after all accounts' limits, from when everybody is there."""
    return Part(components=[Periodic("levels", _LEVELS_S, levels.run)])


def part(
    base: Base, matching: Matching, history: History, database: Database, people: People
) -> Part:
    """Returns order entry, its history, and wallets.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        database: Where that is.
        people: Who manages whom, and what levels allow.
    """
    readable = Readable(matching, people.members)
    funds = Funds(base.database, matching, base.clock, base.ids, people.kyc.allowances)
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
                funds,
                takes_test_deposits=not base.settings.is_production,
            ),
        ],
        components=[
            *([] if database is base.database else [schema]),
            sessions,
            simulations,
            Periodic("withdrawals", _WITHDRAWALS_S, funds.run),
        ],
    )
