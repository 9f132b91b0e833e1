"""Whose account a call is about."""

from farmgate.errors import DomainError
from farmgate.ports.ids import is_ulid, ulid_bytes
from farmgate.ports.matching import Matching
from farmgate.rpc.call import Call


def own_account(call: Call) -> int:
    """Returns the number of the caller's trading account.

    Raises:
        DomainError: ACCOUNT_UNKNOWN.
    """
    number = call.caller.account_number
    if number is None:
        raise DomainError("ACCOUNT_UNKNOWN")
    return number


def readable_account(call: Call, account_id: str, matching: Matching) -> tuple[int, str]:
    """Returns number and ID of the account to show.

    It is the caller's own, or for roles that see all the one that is named.

    Raises:
        DomainError: ACCOUNT_UNKNOWN.
    """
    own_id = call.caller.account_id or ""
    if account_id in {"", own_id}:
        return own_account(call), own_id
    number = None
    if call.bypasses_ownership and is_ulid(account_id):
        number = matching.account_number(ulid_bytes(account_id))
    if number is None:
        raise DomainError("ACCOUNT_UNKNOWN")
    return number, account_id
