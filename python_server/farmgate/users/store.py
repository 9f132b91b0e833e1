"""Queries of people and their accounts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.users.tables import accounts, users


@dataclass(frozen=True, slots=True)
class User:
    """A person, with the trading account.

    Attributes:
        id: ULID.
        role: Name of the role, such as "TRADER".
        status: Name of the status, such as "ACTIVE".
        kyc_level: 0..3.
        session_version: Version of the sessions; tokens of a lower one are closed.
        version: Counts the changes, from 1.
        account_id: ULID of the trading account; None for roles that hold none.
        account_number: Number of the account in the matching core; None until it is open there.
    """

    id: str
    email: str
    phone: str
    display_name: str
    role: str
    status: str
    kyc_level: int
    locale: str
    timezone: str
    country: str
    wallet_address: str
    mfa_enabled: bool
    organization_id: str
    session_version: int
    created_at: datetime
    last_login_at: datetime | None
    version: int
    account_id: str | None
    account_number: int | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What people change about themselves."""

    display_name: str
    phone: str
    country: str
    locale: str
    timezone: str


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users are wanted; empty values do not matter.

    Attributes:
        query: Part of the e-mail address or the name, in any case.
    """

    query: str = ""
    role: str = ""
    status: str = ""
    kyc_level: int | None = None
    registered_after: datetime | None = None

    def where(self) -> list[ColumnElement[bool]]:
        """Returns the conditions."""
        conditions: list[ColumnElement[bool]] = [users.c.deleted_at.is_(None)]
        if self.query:
            part = self.query.lower()
            conditions.append(
                users.c.email.contains(part, autoescape=True)
                | func.lower(users.c.display_name).contains(part, autoescape=True)
            )
        if self.role:
            conditions.append(users.c.role == self.role)
        if self.status:
            conditions.append(users.c.status == self.status)
        if self.kyc_level is not None:
            conditions.append(users.c.kyc_level == self.kyc_level)
        if self.registered_after is not None:
            conditions.append(users.c.created_at > self.registered_after)
        return conditions


def insert_user(connection: Connection, user: User) -> bool:
    """Stores a new user and, if it has one, the account. Returns False when the e-mail is taken."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    inserted = connection.execute(
        dialect_insert(users)
        .values(
            id=user.id,
            email=user.email,
            phone=user.phone,
            display_name=user.display_name,
            role=user.role,
            status=user.status,
            kyc_level=user.kyc_level,
            locale=user.locale,
            timezone=user.timezone,
            country=user.country,
            mfa_enabled=user.mfa_enabled,
            session_version=user.session_version,
            created_at=user.created_at,
            version=user.version,
        )
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(users.c.id)
    ).first()
    if inserted is None:
        return False
    if user.account_id:
        connection.execute(
            insert(accounts).values(id=user.account_id, user_id=user.id, created_at=user.created_at)
        )
    return True


def user_by_id(connection: Connection, user_id: str) -> User | None:
    """Returns the user, also one who was forgotten, or None when there is none."""
    return _user(connection.execute(_users().where(users.c.id == user_id)).first())


def user_by_email(connection: Connection, email: str) -> User | None:
    """Returns the user with this address in lower case, or None."""
    return _user(connection.execute(_users().where(users.c.email == email)).first())


def user_by_account(connection: Connection, account_id: str) -> User | None:
    """Returns the user of a trading account, or None."""
    return _user(connection.execute(_users().where(accounts.c.id == account_id)).first())


@dataclass(frozen=True, slots=True)
class AccountLevel:
    """An account in the matching core, and the KYC level of its owner."""

    number: int
    level: int


def account_levels(connection: Connection, *, after: int, limit: int) -> list[AccountLevel]:
    """Returns accounts that are held to the limits of a level, by number, after a number."""
    query = select(accounts.c.engine_number, users.c.kyc_level).join(
        users, users.c.id == accounts.c.user_id
    )
    query = query.where(accounts.c.engine_number > after, accounts.c.has_own_limits.is_(False))
    rows = connection.execute(query.order_by(accounts.c.engine_number).limit(limit))
    return [AccountLevel(row.engine_number, row.kyc_level) for row in rows]


def user_by_account_number(connection: Connection, number: int) -> User | None:
    """Returns the user of an account by its number in the matching core, or None."""
    return _user(connection.execute(_users().where(accounts.c.engine_number == number)).first())


def account_numbers(connection: Connection) -> list[int]:
    """Returns the numbers of all accounts that the matching core has opened."""
    query = select(accounts.c.engine_number).where(accounts.c.engine_number.is_not(None))
    return list(connection.scalars(query.order_by(accounts.c.engine_number)))


def ids_of_role(connection: Connection, role: str) -> list[str]:
    """Returns the IDs of the active users of a role, oldest first."""
    query = select(users.c.id).where(users.c.role == role, users.c.status == "ACTIVE")
    return list(connection.scalars(query.order_by(users.c.id)))


def set_account_number(connection: Connection, account_id: str, number: int) -> None:
    """Stores the number that the matching core gave an account."""
    connection.execute(
        update(accounts).where(accounts.c.id == account_id).values(engine_number=number)
    )


def set_last_login(connection: Connection, user_id: str, at: datetime) -> None:
    """Stores when a user signed in."""
    connection.execute(update(users).where(users.c.id == user_id).values(last_login_at=at))


def raise_session_version(connection: Connection, user_id: str, at: datetime) -> int:
    """Closes every session of a user for all processes; returns the new version."""
    row = connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(session_version=users.c.session_version + 1, sessions_closed_at=at)
        .returning(users.c.session_version)
    ).one()
    return int(row.session_version)


def session_versions_since(connection: Connection, since: datetime) -> list[tuple[str, int]]:
    """Returns the users whose sessions were all closed since then, and their new versions."""
    rows = connection.execute(
        select(users.c.id, users.c.session_version).where(users.c.sessions_closed_at >= since)
    )
    return [(row.id, row.session_version) for row in rows]


def update_profile(
    connection: Connection, user_id: str, profile: Profile, *, expected_version: int
) -> bool:
    """Stores a profile. Returns False when the user is not at the expected version any more."""
    changed = connection.execute(
        update(users)
        .where(users.c.id == user_id, users.c.version == expected_version)
        .values(
            display_name=profile.display_name,
            phone=profile.phone,
            country=profile.country,
            locale=profile.locale,
            timezone=profile.timezone,
            version=users.c.version + 1,
        )
        .returning(users.c.id)
    ).first()
    return changed is not None


def _users() -> Select[tuple[object, ...]]:
    return select(users, accounts.c.id.label("account_id"), accounts.c.engine_number).select_from(
        users.outerjoin(accounts, accounts.c.user_id == users.c.id)
    )


def _user(row: Row[tuple[object, ...]] | None) -> User | None:
    if row is None:
        return None
    return User(
        id=row.id,
        email=row.email,
        phone=row.phone,
        display_name=row.display_name,
        role=row.role,
        status=row.status,
        kyc_level=row.kyc_level,
        locale=row.locale,
        timezone=row.timezone,
        country=row.country,
        wallet_address=row.wallet_address or "",
        mfa_enabled=row.mfa_enabled,
        organization_id=row.organization_id or "",
        session_version=row.session_version,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
        version=row.version,
        account_id=row.account_id,
        account_number=row.engine_number,
    )


def set_status(connection: Connection, user_id: str, status: str, *, expected_version: int) -> bool:
    """Stores a status. Returns False when the user is not at the expected version any more."""
    changed = connection.execute(
        update(users)
        .where(users.c.id == user_id, users.c.version == expected_version)
        .values(status=status, version=users.c.version + 1)
        .returning(users.c.id)
    ).first()
    return changed is not None


def set_deleted(connection: Connection, user_id: str, at: datetime) -> bool:
    """Stores that a user was forgotten. Returns False when that was done before."""
    changed = connection.execute(
        update(users)
        .where(users.c.id == user_id, users.c.deleted_at.is_(None))
        .values(deleted_at=at, version=users.c.version + 1)
        .returning(users.c.id)
    ).first()
    return changed is not None


def user_page(connection: Connection, wanted: UserFilter, *, before: str, limit: int) -> list[User]:
    """Returns users, those who registered last first."""
    query = _users().where(*wanted.where())
    if before:
        query = query.where(users.c.id < before)
    rows = connection.execute(query.order_by(users.c.id.desc()).limit(limit)).all()
    return [user for row in rows if (user := _user(row))]


def user_count(connection: Connection, wanted: UserFilter) -> int:
    """Returns how many users fit."""
    query = select(func.count()).select_from(users).where(*wanted.where())
    return connection.execute(query).scalar() or 0


def user_figures(connection: Connection, since: datetime) -> list[tuple[str, int, int, int]]:
    """Returns role, number, active ones and those who signed in since then, by role."""
    rows = connection.execute(
        select(
            users.c.role,
            func.count(),
            func.count().filter(users.c.status == "ACTIVE"),
            func.count().filter(users.c.last_login_at >= since),
        )
        .where(users.c.deleted_at.is_(None))
        .group_by(users.c.role)
        .order_by(users.c.role)
    )
    return [(row[0], int(row[1]), int(row[2]), int(row[3])) for row in rows]


def verify_email(connection: Connection, user_id: str, *, kyc_level: int) -> None:
    """Activates a user whose address was not verified; another is left alone."""
    connection.execute(
        update(users)
        .where(users.c.id == user_id, users.c.status == "PENDING_EMAIL")
        .values(status="ACTIVE", kyc_level=kyc_level, version=users.c.version + 1)
    )


def set_mfa(connection: Connection, user_id: str, *, is_enabled: bool) -> None:
    """Stores whether a user has a second factor."""
    connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(mfa_enabled=is_enabled, version=users.c.version + 1)
    )
