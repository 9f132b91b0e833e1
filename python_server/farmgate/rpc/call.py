"""What a handler knows of the call it answers."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from farmgate.api.types.v1 import types_pb2
from farmgate.db.effects import Effect, Serializable, Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Network, IPv6Network

    from farmgate.errors import DomainError
    from farmgate.rpc.addresses import Addresses
    from farmgate.rpc.methods import Method

T = TypeVar("T")
M = TypeVar("M", bound=Serializable)

# A process's prefix and a counter: unique without asking for randomness on every call.
_PREFIX: Final = secrets.token_hex(8)
_numbers = itertools.count(1)
# Roles that act for the members of the organisation they manage.
_MANAGING_ROLES: Final = frozenset({types_pb2.ROLE_COOP_MANAGER})
# Digits of the largest sequence.
_EVENT_ID_LENGTH_MAX: Final = 19


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls.

    Attributes:
        user_id: ULID of the user.
        session_id: ULID of the session.
        session_version: Version of the user's sessions; an older one is closed.
        role: Number of the `Role`.
        kyc_level: 0..3.
        account_id: ULID of the trading account, or None.
        account_number: Number of the account in the engine, or None.
        expires_at: Seconds since 1970.
        scopes: Scopes of an API key; None for a signed-in person, who has them all.
        networks: Where an API key may be used from; empty for anywhere.
        lacks_mfa: Whether the role needs a second factor and there is none yet.
    """

    user_id: str
    session_id: str
    session_version: int
    role: int
    kyc_level: int
    account_id: str | None
    account_number: int | None
    expires_at: float
    scopes: frozenset[str] | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    lacks_mfa: bool = False


class Grant:
    """A principal whose token holds until it expires or somebody revokes it.

    Long calls look at it again and again.

    Args:
        principal: Who.
        known_until: Seconds since 1970 when calls to come ask for the principal anew.
    """

    __slots__ = ("__weakref__", "known_until", "principal", "refusal")

    def __init__(self, principal: Principal, known_until: float = float("inf")) -> None:
        self.principal = principal
        self.known_until = known_until
        self.refusal: DomainError | None = None


class Call:
    """One call: who, until when, under which names. Passed to every handler."""

    __slots__ = (
        "_addresses",
        "_peer",
        "_request_id",
        "credentials",
        "deadline",
        "forwarded_for",
        "grant",
        "idempotency_key",
        "languages",
        "last_event_id",
        "method",
        "ticket",
        "trace",
        "user_agent",
    )

    def __init__(
        self, method: Method, addresses: Addresses, peer: Callable[[], str], deadline: float
    ) -> None:
        self.method = method
        # Seconds of the monotonic clock.
        self.deadline = deadline
        self.credentials: str | None = None
        self.ticket: str | None = None
        self.grant: Grant | None = None
        self.idempotency_key: str | None = None
        self.forwarded_for = ""
        self.languages = ""
        self.last_event_id = ""
        self.user_agent = ""
        self.trace: Trace | None = None
        self._addresses = addresses
        self._peer = peer
        self._request_id: str | None = None

    @property
    def ip(self) -> str:
        """Returns the address of the caller, as trusted proxies tell it."""
        return self._addresses.caller(self._peer(), self.forwarded_for)

    @property
    def locale(self) -> str:
        """Returns the language the caller likes best, such as "fr"."""
        first = self.languages.split(",", 1)[0].split(";", 1)[0].strip()
        return first if first.replace("-", "").isalnum() else "en"

    @property
    def resume_after(self) -> int:
        """Returns the sequence a browser saw last of the stream it opens again; 0 for a new one."""
        told = self.last_event_id
        is_sequence = told.isascii() and told.isdecimal() and len(told) <= _EVENT_ID_LENGTH_MAX
        return int(told) if is_sequence else 0

    @property
    def caller(self) -> Principal:
        """Returns who calls. Only methods that need a signed-in user may ask."""
        assert self.grant is not None, "The method's access rule lets nobody unknown in."
        return self.grant.principal

    @property
    def caller_or_none(self) -> Principal | None:
        """Returns who calls, or None for a caller who is not signed in."""
        return self.grant.principal if self.grant else None

    @property
    def bypasses_ownership(self) -> bool:
        """Returns whether the caller's role reaches every resource of the method."""
        return (
            self.grant is not None
            and self.grant.principal.role in self.method.rule.bypass_ownership_roles
        )

    @property
    def manages(self) -> str:
        """Returns the user ID of a caller who may reach what members of an organisation have.

        It is empty for others. Whose organisation it is, the query knows: see `users.reach`.
        """
        may = self.method.rule.covers_organization and self.caller.role in _MANAGING_ROLES
        return self.caller.user_id if may else ""

    @property
    def request_id(self) -> str:
        """Returns the ID that the logs and the caller know the call by."""
        if self._request_id is None:
            self._request_id = f"{_PREFIX}{next(_numbers):08x}"
        return self._request_id

    @request_id.setter
    def request_id(self, value: str) -> None:
        self._request_id = value

    def effect(self, render: Callable[[T], M]) -> Effect[T, M]:
        """Returns what records this changing call in the transaction of its logic.

        Args:
            render: Makes the reply of the logic's result. It runs in the transaction's thread.
        """
        assert self.trace is not None, "Only methods marked as mutating have effects."
        return Effect(self.trace, render)
