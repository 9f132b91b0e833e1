"""Leaving the exchange: an account with nothing left is closed, and then its owner forgotten."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.trading.v1 import trading_pb2
from farmgate.db import audit, configuration, personal
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.db.personal import Personal, Subject
from farmgate.errors import DomainError
from farmgate.jobs.kinds import ACCOUNTS, GiveUpError, Kind, Run
from farmgate.jobs.queue import JobQueue
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching, Switch
from farmgate.users import org_store, store
from farmgate.users.store import User

M = TypeVar("M", bound=Serializable)

# What is in the way of it is looked at again for days; then the job is dead and admins are told.
ERASE: Final = Kind("accounts.erase", queue=ACCOUNTS, max_attempts=12, backoff_s=600.0)
_SYSTEM: Final = "SYSTEM"

# Counts the open contracts of a user.
OpenContracts = Callable[[Connection, str], int]
# Ends the grants of a user below a session version.
Revoke = Callable[[str, int], None]


class Departures:
    """Closes accounts and forgets their owners.

    Args:
        database: Where people are kept.
        matching: The core, which knows what an account still has.
        clock: Tells the time.
        jobs: Enqueues the forgetting.
        listed: What tables know of people.
        revoke: Ends grants.
        open_contracts: Counts contracts.
    """

    def __init__(
        self, database: Database, matching: Matching, clock: Clock, jobs: JobQueue, *,
        listed: Sequence[Personal], revoke: Revoke, open_contracts: OpenContracts,
    ) -> None:  # fmt: skip
        self._database = database
        self._matching = matching
        self._clock = clock
        self._jobs = jobs
        self._listed = listed
        self._revoke = revoke
        self._open_contracts = open_contracts

    async def close(self, user_id: str, reason: str, effect: Effect[datetime, M]) -> M:
        """Closes the account of a user; returns when the user will be forgotten.

        Raises:
            DomainError: ACCOUNT_HAS_ORDERS, ACCOUNT_HAS_POSITIONS, ACCOUNT_HAS_FUNDS,
                ACCOUNT_HAS_CONTRACTS, ORG_LAST_MANAGER or LAST_ADMIN.
        """
        user = await self._database.read(lambda tx: _existing(tx, user_id))
        await self._check_core(user)

        def write(connection: Connection) -> int:
            now = self._clock.now()
            user = _existing(connection, user_id)
            self._check_bonds(connection, user)
            org_store.leave_all(connection, user_id)
            store.set_status(connection, user_id, "CLOSED", expected_version=user.version)
            version = store.raise_session_version(connection, user_id, now)
            days = configuration.current(connection, now).integer("users.erase_after_d")
            at = now + timedelta(days=days)
            self._jobs.enqueue(connection, ERASE, {"user_id": user_id}, key=user_id, at=at)
            told = {"status": "closed", "reason": "You asked for it."}
            announce(
                connection,
                Announcement("account.status_changed", now, user_id=user_id, data=told),
            )
            effect.record(connection, at, resource=f"user/{user_id}", reason=reason)
            return version

        version = await self._database.write(write)
        self._revoke(user_id, version)
        await self._restrict(user)
        return effect.reply

    async def erase(self, run: Run) -> None:
        """Forgets who left; done again it does nothing."""
        user_id = str(run.payload["user_id"])
        user = await self._database.read(lambda tx: _existing(tx, user_id))
        if user.status != "CLOSED":
            raise GiveUpError("The account is open again.")
        # Again: a call that was under way when the account was closed may have left something.
        await self._restrict(user)
        await self._check_core(user)

        def write(connection: Connection) -> None:
            user = _existing(connection, user_id)
            now = self._clock.now()
            if not store.set_deleted(connection, user_id, now):
                return
            self._check_bonds(connection, user)
            personal.erase(connection, self._listed, subject_of(user, now))
            entry = audit.Entry(
                at=now, actor="", role=_SYSTEM, action=ERASE.name, resource=f"user/{user_id}",
                request_id=run.job_id, ip="",
            )  # fmt: skip
            audit.append(connection, entry)

        await self._database.write(write)

    async def _restrict(self, user: User) -> None:
        if user.account_number is not None:
            await self._matching.set_switch(user.account_number, Switch.RESTRICTED, is_on=True)
            await self._matching.cancel_all(user.account_number, trading_pb2.CANCEL_REASON_USER)

    async def _check_core(self, user: User) -> None:
        """Refuses while the account has anything in the core."""
        account = user.account_number
        if account is None:
            return
        await self._matching.caught_up()
        orders = sum(1 for hold in self._matching.holds(account) if hold.order_id)
        if orders:
            raise DomainError("ACCOUNT_HAS_ORDERS", count=orders)
        for position in self._matching.positions(account):
            if position["net_lots"]:
                raise DomainError(
                    "ACCOUNT_HAS_POSITIONS", lots=position["net_lots"], symbol=position["symbol"]
                )
        assets = ", ".join(code for code, total, _ in self._matching.balances(account) if total)
        if assets:
            raise DomainError("ACCOUNT_HAS_FUNDS", assets=assets)

    def _check_bonds(self, connection: Connection, user: User) -> None:
        """Refuses while others need the user."""
        contracts = self._open_contracts(connection, user.id)
        if contracts:
            raise DomainError("ACCOUNT_HAS_CONTRACTS", count=contracts)
        if org_store.is_last_manager(connection, user.id):
            raise DomainError("ORG_LAST_MANAGER")
        if user.role == "ADMIN" and store.ids_of_role(connection, "ADMIN") == [user.id]:
            raise DomainError("LAST_ADMIN")


def subject_of(user: User, now: datetime) -> Subject:
    """Returns whom data is about."""
    number = -1 if user.account_number is None else user.account_number
    return Subject(user.id, user.email, user.account_id or "", number, now)


def _existing(connection: Connection, user_id: str) -> User:
    user = store.user_by_id(connection, user_id)
    if user is None:
        raise DomainError("NOT_FOUND", resource="user", id=user_id)
    return user
