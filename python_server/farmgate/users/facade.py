"""What other modules may do with people, inside their own transactions."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zoneinfo import available_timezones

from sqlalchemy import Connection

from farmgate.errors import DomainError
from farmgate.ports.wallets import checksummed
from farmgate.users import farm_store, rules, store, wallet_store
from farmgate.users.kyc_rules import Allowance
from farmgate.users.logic import Profiles
from farmgate.users.reach import Reach
from farmgate.users.store import AccountLevel, Profile, User, UserFilter
from farmgate.users.wallets import Challenge, Wallets

__all__ = [
    "AccountLevel",
    "Allowance",
    "Challenge",
    "NewUser",
    "Profile",
    "Profiles",
    "User",
    "UserFilter",
    "Users",
    "Wallets",
]

_ACTIVE_KYC_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody who registers.

    Attributes:
        email: Address in any case.
        role: Name of the role.
        is_verified: Whether the address counts as verified, which gives KYC level 1.
    """

    email: str
    display_name: str
    role: str
    country: str
    locale: str
    timezone: str
    is_verified: bool


class Users:
    """People, for the modules above."""

    def __init__(self) -> None:
        self._zones = frozenset(available_timezones())

    def checked(self, new: NewUser) -> NewUser:
        """Returns the registration in the form it is kept in.

        Raises:
            DomainError: INVALID_ARGUMENT.
        """
        email = rules.email_key(new.email)
        if email is None:
            raise DomainError("INVALID_ARGUMENT", field="email", rule="must be an e-mail address")
        return replace(
            new,
            email=email,
            display_name=rules.display_name(new.display_name),
            country=rules.country(new.country),
            locale=rules.locale(new.locale),
            timezone=rules.timezone(new.timezone, self._zones),
        )

    @staticmethod
    def add(
        connection: Connection, new: NewUser, *, user_id: str, account_id: str, now: datetime
    ) -> User:
        """Stores somebody new and returns the user.

        Args:
            connection: The transaction.
            new: As `checked` returned it.
            user_id: ULID of the user.
            account_id: ULID of the trading account, which roles that hold none do not use.
            now: The time.

        Raises:
            DomainError: EMAIL_TAKEN.
        """
        user = User(
            id=user_id,
            email=new.email,
            phone="",
            display_name=new.display_name,
            role=new.role,
            status="ACTIVE" if new.is_verified else "PENDING_EMAIL",
            kyc_level=_ACTIVE_KYC_LEVEL if new.is_verified else 0,
            locale=new.locale,
            timezone=new.timezone,
            country=new.country,
            wallet_address="",
            mfa_enabled=False,
            organization_id="",
            session_version=1,
            created_at=now,
            last_login_at=None,
            version=1,
            account_id=account_id if new.role in rules.TRADING_ROLES else None,
            account_number=None,
        )
        if not store.insert_user(connection, user):
            raise DomainError("EMAIL_TAKEN")
        return user

    @staticmethod
    def by_id(connection: Connection, user_id: str) -> User | None:
        """Returns the user, or None when there is none."""
        return store.user_by_id(connection, user_id)

    @staticmethod
    def by_email(connection: Connection, email: str) -> User | None:
        """Returns the user with this address in any case, or None."""
        key = rules.email_key(email)
        return store.user_by_email(connection, key) if key else None

    @staticmethod
    def by_wallet(connection: Connection, address: str) -> User | None:
        """Returns the user whose wallet it is, or None."""
        user_id = wallet_store.user_of_wallet(connection, checksummed(address))
        return store.user_by_id(connection, user_id) if user_id else None

    @staticmethod
    def by_account(connection: Connection, account_id: str) -> User | None:
        """Returns the user whose trading account it is, or None."""
        return store.user_by_account(connection, account_id)

    @staticmethod
    def account_levels(connection: Connection, *, after: int, limit: int) -> list[AccountLevel]:
        """Returns accounts that are held to the limits of a level, by number, after a number."""
        return store.account_levels(connection, after=after, limit=limit)

    @staticmethod
    def by_account_number(connection: Connection, number: int) -> User | None:
        """Returns the user whose trading account has a number in the matching core, or None."""
        return store.user_by_account_number(connection, number)

    @staticmethod
    def account_numbers(connection: Connection) -> list[int]:
        """Returns the numbers of all trading accounts in the matching core."""
        return store.account_numbers(connection)

    @staticmethod
    def may_promise(connection: Connection, seller_id: str, farm_id: str) -> bool:
        """Returns whether a farm is a seller's own, or a member's of what the seller manages."""
        farm = farm_store.farm(connection, farm_id)
        reach = Reach(seller_id, manages=seller_id)
        return farm is not None and reach.covers(connection, farm.owner_id)

    @staticmethod
    def ids_of_role(connection: Connection, role: str) -> list[str]:
        """Returns the IDs of those who have a role and may sign in."""
        return store.ids_of_role(connection, role)

    @staticmethod
    def set_status(
        connection: Connection, user_id: str, status: str, *, expected_version: int
    ) -> User | None:
        """Stores a status and returns the user; None when the version is another one."""
        if not store.set_status(connection, user_id, status, expected_version=expected_version):
            return None
        return store.user_by_id(connection, user_id)

    @staticmethod
    def verify_email(connection: Connection, user_id: str) -> None:
        """Opens the account of somebody whose address was not verified, at KYC level 1."""
        store.verify_email(connection, user_id, kyc_level=_ACTIVE_KYC_LEVEL)

    @staticmethod
    def set_mfa(connection: Connection, user_id: str, *, is_enabled: bool) -> None:
        """Stores whether the user has a second factor."""
        store.set_mfa(connection, user_id, is_enabled=is_enabled)

    @staticmethod
    def page(connection: Connection, wanted: UserFilter, *, before: str, limit: int) -> list[User]:
        """Returns users of a filter, those who registered last first."""
        return store.user_page(connection, wanted, before=before, limit=limit)

    @staticmethod
    def count(connection: Connection, wanted: UserFilter) -> int:
        """Returns how many users fit a filter."""
        return store.user_count(connection, wanted)

    @staticmethod
    def figures(connection: Connection, since: datetime) -> list[tuple[str, int, int, int]]:
        """Returns, by role, how many users there are, are active, and signed in since then."""
        return store.user_figures(connection, since)

    @staticmethod
    def number_account(connection: Connection, account_id: str, number: int) -> None:
        """Stores the number that the matching core gave an account."""
        store.set_account_number(connection, account_id, number)

    @staticmethod
    def signed_in(connection: Connection, user_id: str, now: datetime) -> None:
        """Stores that the user signed in now."""
        store.set_last_login(connection, user_id, now)

    @staticmethod
    def close_sessions(connection: Connection, user_id: str, now: datetime) -> int:
        """Raises the version of the user's sessions, which closes them all; returns the new one."""
        return store.raise_session_version(connection, user_id, now)

    @staticmethod
    def closed_since(connection: Connection, since: datetime) -> list[tuple[str, int]]:
        """Returns whose sessions were all closed since then, with the new version."""
        return store.session_versions_since(connection, since)
