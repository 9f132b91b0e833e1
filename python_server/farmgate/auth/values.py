"""What the parts of the module hand each other, and what it needs from others."""

from dataclasses import dataclass
from typing import Protocol

from farmgate.users.facade import User


class Accounts(Protocol):
    """Trading accounts, as far as registration needs them. The trading module implements it."""

    async def open_account(self, account_id: bytes) -> int:
        """Returns the number of the account in the matching core, opening it if need be.

        Opening an account twice gives the same number.

        Args:
            account_id: The 16 bytes of the account's ULID.

        Raises:
            DomainError: Such as ENGINE_STOPPED or ENGINE_OVERLOADED; it is asked again later.
        """


class Revoke(Protocol):
    """Ends what this process remembers of sessions; see `rpc.access.Grants.revoke`."""

    def __call__(self, user_id: str, *, session_id: str | None = None, below: int = 0) -> None:
        """Ends grants of a user at once."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an installation decides about signing in.

    Attributes:
        refresh_ttl_s: Seconds a session lasts, however often refreshed.
        sessions_max: Sessions a user may have.
        lockout_attempts: Failed attempts after which an account is locked.
        lockout_s: Seconds it stays locked.
        verifies_email_at_once: Whether registering counts as verifying the e-mail address.
        is_registration_open: Whether people may register themselves.
    """

    refresh_ttl_s: int
    sessions_max: int
    lockout_attempts: int
    lockout_s: int
    verifies_email_at_once: bool
    is_registration_open: bool


@dataclass(frozen=True, slots=True)
class Client:
    """The program that a person signs in with."""

    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The tokens of a session, and whose they are."""

    access_token: str
    expires_in_s: int
    refresh_token: str
    refresh_expires_in_s: int
    user: User
