"""Whose account a call is about."""

from typing import Protocol

from farmgate.errors import DomainError
from farmgate.ports.ids import is_ulid, ulid_bytes
from farmgate.ports.watching import Streams
from farmgate.rpc.call import Call


class Members(Protocol):
    """Knows who manages whose organisation; `users.reach` implements it."""

    async def has_account(self, manager_id: str, account_id: str) -> bool:
        """Returns whether an account is a member's, by its ID."""

    async def account_id(self, account_number: int) -> str:
        """Returns the ID of an account by its number in the core, "" for one of no user."""


def own_account(call: Call) -> int:
    """Returns the number of the caller's trading account.

    Raises:
        DomainError: ACCOUNT_UNKNOWN.
    """
    number = call.caller.account_number
    if number is None:
        raise DomainError("ACCOUNT_UNKNOWN")
    return number


class Readable:
    """Finds the accounts that a call may show.

    Args:
        streams: Knows accounts by their IDs.
        members: Knows who manages whose organisation.
    """

    def __init__(self, streams: Streams, members: Members) -> None:
        self._streams = streams
        self._members = members

    async def account(self, call: Call, account_id: str) -> tuple[int, str]:
        """Returns number and ID of the account to show.

        It is the caller's own, or the one that is named: for roles that see all, and for who
        manages its owner's organisation.

        Raises:
            DomainError: ACCOUNT_UNKNOWN.
        """
        own_id = call.caller.account_id or ""
        if account_id in {"", own_id}:
            return own_account(call), own_id
        number = None
        if is_ulid(account_id) and await self._may(call, account_id):
            number = self._streams.account_number(ulid_bytes(account_id))
        if number is None:
            raise DomainError("ACCOUNT_UNKNOWN")
        return number, account_id

    async def covered(self, call: Call, number: int) -> str | None:
        """Returns the ID of the account of a number; None when the call does not reach it."""
        if number == call.caller.account_number:
            return call.caller.account_id
        if not (call.bypasses_ownership or call.manages):
            return None
        account_id = await self._members.account_id(number)
        return account_id if await self._may(call, account_id) else None

    async def _may(self, call: Call, account_id: str) -> bool:
        if call.bypasses_ownership:
            return True
        return bool(call.manages) and await self._members.has_account(call.manages, account_id)
