"""Queries of organisations, their members and their invitations."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.users.tables import accounts, memberships, organization_invitations, users
from farmgate.users.tables import organizations as organization_table


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation; `kind` is the number of the API's enum."""

    id: str
    name: str
    kind: int
    registration_number: str
    tax_id: str
    country: str
    address: str
    kyb_status: str
    settlement_account_id: str
    created_at: datetime
    version: int
    member_count: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A membership, with the name of the member."""

    organization_id: str
    user_id: str
    role: str
    share_pct: str
    status: str
    joined_at: datetime | None
    version: int
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation, with the name of the organisation."""

    id: str
    organization_id: str
    email: str
    role: str
    share_pct: str
    state: str
    created_at: datetime
    expires_at: datetime
    organization_name: str = ""


_ORGANIZATION = tuple(field.name for field in fields(Organization))[:-1]
_MEMBER = tuple(field.name for field in fields(Member))[:-1]
_INVITATION = tuple(field.name for field in fields(Invitation))[:-1]


def insert_organization(connection: Connection, one: Organization) -> bool:
    """Stores a new organisation. Returns False when its registration is taken."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    found = connection.execute(
        dialect_insert(organization_table)
        .values(**{name: getattr(one, name) for name in _ORGANIZATION})
        .on_conflict_do_nothing(index_elements=["country", "registration_number"])
        .returning(organization_table.c.id)
    ).first()
    return found is not None


def organization(connection: Connection, organization_id: str) -> Organization | None:
    """Returns an organisation with the number of its active members."""
    query = select(organization_table).where(organization_table.c.id == organization_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in _ORGANIZATION}
    return Organization(**values, member_count=active_count(connection, organization_id))


def replace_organization(
    connection: Connection, one: Organization, *, expected_version: int
) -> bool:
    """Stores an organisation over its version; returns False when it is at another one."""
    table = organization_table.c
    changed = connection.execute(
        update(organization_table)
        .where(table.id == one.id, table.version == expected_version)
        .values(**{name: getattr(one, name) for name in _ORGANIZATION})
        .returning(table.id)
    ).first()
    return changed is not None


def active_count(connection: Connection, organization_id: str, *, role: str = "") -> int:
    """Returns how many active members there are, all or those of a role."""
    table = memberships.c
    query = select(func.count()).where(
        table.organization_id == organization_id, table.status == "ACTIVE"
    )
    if role:
        query = query.where(table.role == role)
    return connection.execute(query).scalar() or 0


def member(connection: Connection, organization_id: str, user_id: str) -> Member | None:
    """Returns a membership, also one that has ended."""
    table = memberships.c
    query = select(memberships, users.c.display_name).join(users, users.c.id == table.user_id)
    query = query.where(table.organization_id == organization_id, table.user_id == user_id)
    row = connection.execute(query).first()
    return None if row is None else _member(row)


def put_member(connection: Connection, one: Member) -> bool:
    """Stores a membership over the one of its user.

    Returns False when the user belongs to another organisation.
    """
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {name: getattr(one, name) for name in _MEMBER}
    connection.execute(
        dialect_insert(memberships)
        .values(**values)
        .on_conflict_do_update(index_elements=["organization_id", "user_id"], set_=values)
    )
    belongs = one.organization_id if one.status == "ACTIVE" else None
    changed = connection.execute(
        update(users)
        .where(
            users.c.id == one.user_id,
            users.c.organization_id.is_(None) | (users.c.organization_id == one.organization_id),
        )
        .values(organization_id=belongs)
        .returning(users.c.id)
    ).first()
    return changed is not None


def member_page(
    connection: Connection, organization_id: str, status: str, *, after: tuple[str, str], limit: int
) -> list[Member]:
    """Returns members by name, after a name and an ID."""
    table, name = memberships.c, users.c.display_name
    query = (
        select(memberships, name)
        .join(users, users.c.id == table.user_id)
        .where(
            table.organization_id == organization_id,
            table.status == status,
            (name > after[0]) | ((name == after[0]) & (table.user_id > after[1])),
        )
    )
    rows = connection.execute(query.order_by(name, table.user_id).limit(limit))
    return [_member(row) for row in rows]


def shares(connection: Connection, organization_id: str) -> dict[str, str]:
    """Returns the shares of the active members, by user."""
    table = memberships.c
    query = select(table.user_id, table.share_pct).where(
        table.organization_id == organization_id, table.status == "ACTIVE"
    )
    return {row.user_id: row.share_pct for row in connection.execute(query)}


def managers(connection: Connection, organization_id: str) -> list[str]:
    """Returns the IDs of the active managers."""
    table = memberships.c
    query = select(table.user_id).where(
        table.organization_id == organization_id,
        table.status == "ACTIVE",
        table.role == "MANAGER",
    )
    return list(connection.scalars(query.order_by(table.user_id)))


def add_invitation(connection: Connection, one: Invitation) -> None:
    """Stores an invitation; an open one of the same address is replaced."""
    table = organization_invitations.c
    connection.execute(
        update(organization_invitations)
        .where(
            table.organization_id == one.organization_id,
            table.email == one.email,
            table.state == "OPEN",
        )
        .values(state="REPLACED")
    )
    values = {name: getattr(one, name) for name in _INVITATION}
    connection.execute(insert(organization_invitations).values(**values))


def close_invitation(connection: Connection, invitation_id: str, state: str) -> bool:
    """Stores how an invitation ended; returns False when it is not open any more."""
    table = organization_invitations.c
    changed = connection.execute(
        update(organization_invitations)
        .where(table.id == invitation_id, table.state == "OPEN")
        .values(state=state)
        .returning(table.id)
    ).first()
    return changed is not None


def invitation(connection: Connection, invitation_id: str) -> Invitation | None:
    """Returns an invitation."""
    found = _invitations(connection, organization_invitations.c.id == invitation_id, limit=1)
    return found[0] if found else None


def invitations_to(
    connection: Connection, email: str, now: datetime, *, before: str, limit: int
) -> list[Invitation]:
    """Returns the open invitations of an address, newest first."""
    table = organization_invitations.c
    wanted = and_(table.email == email, table.state == "OPEN", table.expires_at > now)
    if before:
        wanted = and_(wanted, table.id < before)
    return _invitations(connection, wanted, limit=limit)


def invitations_of(
    connection: Connection, organization_id: str, now: datetime, *, before: str, limit: int
) -> list[Invitation]:
    """Returns the open invitations of an organisation, newest first."""
    table = organization_invitations.c
    wanted = and_(
        table.organization_id == organization_id, table.state == "OPEN", table.expires_at > now
    )
    if before:
        wanted = and_(wanted, table.id < before)
    return _invitations(connection, wanted, limit=limit)


def account_id(connection: Connection, account_number: int) -> str:
    """Returns the ID of an account by its number in the core, "" for one of no user."""
    query = select(accounts.c.id).where(accounts.c.engine_number == account_number)
    return connection.execute(query).scalar() or ""


def manages(
    connection: Connection, manager_id: str, *, user_id: str = "", account_id: str = ""
) -> bool:
    """Returns whether somebody manages the organisation of a user, or of an account's owner."""
    own, other = memberships.alias("own"), memberships.alias("other")
    query = (
        select(literal(1))
        .select_from(own.join(other, other.c.organization_id == own.c.organization_id))
        .where(
            own.c.user_id == manager_id,
            own.c.role == "MANAGER",
            own.c.status == "ACTIVE",
            other.c.status == "ACTIVE",
        )
    )
    if user_id:
        query = query.where(other.c.user_id == user_id)
    else:
        owner = select(accounts.c.user_id).where(accounts.c.id == account_id)
        query = query.where(other.c.user_id.in_(owner))
    return connection.execute(query.limit(1)).first() is not None


def _invitations(connection: Connection, wanted: Any, *, limit: int) -> list[Invitation]:
    table = organization_invitations.c
    query = (
        select(organization_invitations, organization_table.c.name)
        .join(organization_table, organization_table.c.id == table.organization_id)
        .where(wanted)
        .order_by(table.id.desc())
        .limit(limit)
    )
    return [
        Invitation(**{name: getattr(row, name) for name in _INVITATION}, organization_name=row.name)
        for row in connection.execute(query)
    ]


def _member(row: Row[Any]) -> Member:
    values = {name: getattr(row, name) for name in _MEMBER}
    return Member(**values, display_name=row.display_name)


def is_last_manager(connection: Connection, user_id: str) -> bool:
    """Returns whether an organisation has nobody but a user to manage it."""
    own, other = memberships.alias("own"), memberships.alias("other")
    others = (
        select(literal(1))
        .where(
            other.c.organization_id == own.c.organization_id,
            other.c.user_id != user_id,
            other.c.role == "MANAGER",
            other.c.status == "ACTIVE",
        )
        .exists()
    )
    query = select(literal(1)).where(
        own.c.user_id == user_id, own.c.role == "MANAGER", own.c.status == "ACTIVE", ~others
    )
    return connection.execute(query.limit(1)).first() is not None


def leave_all(connection: Connection, user_id: str) -> None:
    """Ends a user's memberships."""
    table = memberships.c
    connection.execute(
        update(memberships)
        .where(table.user_id == user_id, table.status == "ACTIVE")
        .values(status="LEFT", version=table.version + 1)
    )
