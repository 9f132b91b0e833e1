"""The part of leaving and of exports in the process: it knows the tables of every module."""

from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.users import envelope_of
from farmgate.app.personal_data import HISTORY, PERSONAL
from farmgate.db.engine import Database
from farmgate.jobs.kinds import Job
from farmgate.ports.matching import Matching
from farmgate.users.account_service import AccountServicer
from farmgate.users.data_exports import MAKE, PURGE, PURGE_SCHEDULE, DataExports
from farmgate.users.departures import ERASE, Departures, OpenContracts


def part(base: Base, matching: Matching, history: Database, open_contracts: OpenContracts) -> Part:
    """Returns leaving, forgetting, and exports.

    Args:
        base: What it builds on.
        matching: The core, which knows what accounts still have.
        history: Where history is kept.
        open_contracts: Counts the open contracts of a user.
    """

    def revoke(user_id: str, version: int) -> None:
        base.grants.revoke(user_id, below=version)

    departures = Departures(
        base.database, matching, base.clock, base.jobs,
        listed=PERSONAL, revoke=revoke, open_contracts=open_contracts,
    )  # fmt: skip
    made = work(base, history)
    return Part(
        servicers=[AccountServicer(departures, _exports(base, history))],
        jobs=[Job(ERASE, departures.erase), *made.jobs],
        schedules=made.schedules,
    )


def work(base: Base, history: Database) -> Part:
    """Returns the making of exports, for a process that does jobs."""
    exports = _exports(base, history)
    return Part(
        jobs=[Job(MAKE, exports.make), Job(PURGE, exports.purge)], schedules=[PURGE_SCHEDULE]
    )


def _exports(base: Base, history: Database) -> DataExports:
    return DataExports(
        base.database, history, envelope_of(base), base.clock, base.ids, base.jobs,
        listed=PERSONAL, listed_history=HISTORY,
    )  # fmt: skip
