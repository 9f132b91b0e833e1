"""Whose resources a caller reaches: the second line of the access rules, in the query itself."""

from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import Connection

from farmgate.db.engine import Database
from farmgate.rpc.call import Call
from farmgate.users import org_store as store


@dataclass(frozen=True, slots=True)
class Reach:
    """What a call reaches.

    Attributes:
        user_id: Who calls.
        sees_all: Whether the role reaches everybody's.
        manages: User ID of a caller who may reach what members of the organisation have.
    """

    user_id: str
    sees_all: bool = False
    manages: str = ""

    @classmethod
    def of(cls, call: Call) -> Self:
        """Returns what a call reaches."""
        return cls(call.caller.user_id, call.bypasses_ownership, call.manages)

    def covers(self, connection: Connection, owner_id: str) -> bool:
        """Returns whether it reaches what a user has."""
        if self.sees_all or owner_id == self.user_id:
            return True
        return bool(self.manages) and store.manages(connection, self.manages, user_id=owner_id)


EVERYBODY: Final = Reach("", sees_all=True)


class Members:
    """Answers whether somebody manages the organisation of an account's owner.

    Args:
        database: Where memberships are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def has_account(self, manager_id: str, account_id: str) -> bool:
        """Returns whether an account is a member's, by its ID."""
        return await self._database.read(
            lambda tx: store.manages(tx, manager_id, account_id=account_id)
        )

    async def account_id(self, account_number: int) -> str:
        """Returns the ID of an account by its number in the core, "" for one of no user."""
        return await self._database.read(lambda tx: store.account_id(tx, account_number))
