"""Statements' part in the process: what trading tells about accounts after the day is over."""

from farmgate.app.parts.base import Base, Part
from farmgate.jobs.kinds import Job
from farmgate.ports.matching import Matching
from farmgate.trading.accounts import Members, Readable
from farmgate.trading.confirmations import Confirmations
from farmgate.trading.facade import History
from farmgate.trading.statement_service import StatementServicer
from farmgate.trading.statements import ISSUE, ISSUE_SCHEDULE, OpenContracts, Statements


def part(
    base: Base, matching: Matching, history: History, members: Members,
    open_contracts: OpenContracts,
) -> Part:  # fmt: skip
    """Returns holds, statements and confirmations, and the job that draws statements up.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        members: Who manages whom.
        open_contracts: Counts the open contracts of a user.
    """
    statements = Statements(
        base.database, history, matching, base.clock, base.users, open_contracts
    )
    confirmations = Confirmations(history, matching, base.clock)
    return Part(
        servicers=[
            StatementServicer(
                matching, statements, confirmations, Readable(matching, members), base.pager
            )
        ],
        jobs=[Job(ISSUE, statements.issue)],
        schedules=work().schedules,
    )


def work() -> Part:
    """Returns when statements are drawn up, for the process that keeps schedules."""
    return Part(schedules=[ISSUE_SCHEDULE])
