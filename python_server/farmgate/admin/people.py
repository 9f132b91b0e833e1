"""Use cases of operators about people: finding them, and what they may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.trading.v1 import trading_pb2
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.matching import Matching, Switch
from farmgate.users.facade import User, UserFilter, Users

M = TypeVar("M", bound=Serializable)
# From which status an admin leads a user to which.
_STEPS: Final = {
    "PENDING_EMAIL": {"ACTIVE", "CLOSED"},
    "ACTIVE": {"LOCKED", "SUSPENDED", "CLOSED"},
    "LOCKED": {"ACTIVE", "SUSPENDED", "CLOSED"},
    "SUSPENDED": {"ACTIVE", "CLOSED"},
    "CLOSED": set[str](),
}


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What an admin wants of a user."""

    user_id: str
    status: str
    reason: str
    is_orders_cancelled: bool
    expected_version: int


class People:
    """Finds people and changes their status.

    Args:
        database: Where they are kept.
        users: People.
        matching: The core, which takes no orders of somebody who is suspended.
        clock: Tells the time.
        revoke: Ends grants of a user below a session version.
    """

    def __init__(
        self, database: Database, users: Users, matching: Matching, clock: Clock,
        revoke: Callable[[str, int], None],
    ) -> None:  # fmt: skip
        self._database = database
        self._users = users
        self._matching = matching
        self._clock = clock
        self._revoke = revoke

    async def page(self, wanted: UserFilter, *, before: str, limit: int) -> tuple[list[User], int]:
        """Returns users, those who registered last first, and how many fit."""
        return await self._database.read(
            lambda tx: (
                self._users.page(tx, wanted, before=before, limit=limit),
                self._users.count(tx, wanted),
            )
        )

    async def set_status(self, actor: str, wanted: StatusChange, effect: Effect[User, M]) -> M:
        """Changes the status of a user: whoever may not act is signed out and takes no orders.

        Raises:
            DomainError: NOT_FOUND, VERSION_CONFLICT, RESOURCE_STATE or SELF_REVIEW_FORBIDDEN.
        """
        if actor == wanted.user_id:
            raise DomainError("SELF_REVIEW_FORBIDDEN")
        user = await self._database.read(lambda tx: self._users.by_id(tx, wanted.user_id))
        if user is None:
            raise DomainError("NOT_FOUND", resource="user", id=wanted.user_id)
        is_active = wanted.status == "ACTIVE"
        if user.account_number is not None and not is_active:
            # The core first: an order that comes in meanwhile is refused, whatever happens here.
            await self._restrict(user.account_number, wanted, is_on=True)
        version = await self._database.write(lambda tx: self._change(tx, wanted, effect))
        if user.account_number is not None and is_active:
            await self._restrict(user.account_number, wanted, is_on=False)
        if version:
            self._revoke(wanted.user_id, version)
        return effect.reply

    def _change(self, connection: Connection, wanted: StatusChange, effect: Effect[User, M]) -> int:
        """Returns the new version of the user's sessions, 0 when they go on."""
        user = self._users.by_id(connection, wanted.user_id)
        assert user is not None, "Users are kept."
        if wanted.status not in _STEPS[user.status]:
            raise DomainError(
                "RESOURCE_STATE", resource="user", id=user.id, state=user.status,
                action=wanted.status,
            )  # fmt: skip
        expected = wanted.expected_version or user.version
        changed = self._users.set_status(
            connection, user.id, wanted.status, expected_version=expected
        )
        if changed is None:
            raise DomainError("VERSION_CONFLICT", actual=user.version, expected=expected)
        now = self._clock.now()
        version = 0
        if wanted.status != "ACTIVE":
            version = self._users.close_sessions(connection, user.id, now)
        told = {"status": wanted.status.lower(), "reason": wanted.reason}
        announce(
            connection,
            Announcement("account.status_changed", now, user_id=user.id, data=told),
        )
        effect.record(
            connection, changed, resource=f"user/{user.id}", reason=wanted.reason,
            detail=text_of({"before": user.status, "after": wanted.status}),
        )  # fmt: skip
        return version

    async def _restrict(self, account: int, wanted: StatusChange, *, is_on: bool) -> None:
        await self._matching.set_switch(account, Switch.RESTRICTED, is_on=is_on)
        if is_on and (wanted.is_orders_cancelled or wanted.status == "CLOSED"):
            await self._matching.cancel_all(account, trading_pb2.CANCEL_REASON_ADMIN)
