"""Queries of passwords, sessions and their tokens."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from farmgate.auth.tables import (
    credentials,
    refresh_tokens,
    sessions,
    spent_tickets,
    unknown_sign_ins,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a user signs in."""

    password_hash: str
    failed_count: int
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a user."""

    id: str
    user_id: str
    device: str
    ip: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


def insert_credentials(
    connection: Connection, user_id: str, password_hash: str, now: datetime
) -> None:
    """Stores the password of a new user."""
    connection.execute(
        insert(credentials).values(
            user_id=user_id, password_hash=password_hash, failed_count=0, changed_at=now
        )
    )


def credentials_of(connection: Connection, user_id: str) -> Credentials | None:
    """Returns how a user signs in, or None when it is not by password."""
    row = connection.execute(select(credentials).where(credentials.c.user_id == user_id)).first()
    return Credentials(row.password_hash, row.failed_count, row.locked_until) if row else None


def count_failure(
    connection: Connection, user_id: str, *, attempts_max: int, locked_until: datetime
) -> bool:
    """Counts a failed attempt; returns whether it locked the account.

    Args:
        connection: The transaction.
        user_id: Whose attempt.
        attempts_max: Attempts after which the account is locked.
        locked_until: Until when, if so.
    """
    is_last = credentials.c.failed_count + 1 >= attempts_max
    row = connection.execute(
        update(credentials)
        .where(credentials.c.user_id == user_id)
        .values(
            failed_count=case((is_last, 0), else_=credentials.c.failed_count + 1),
            locked_until=case((is_last, locked_until), else_=null()),
        )
        .returning(credentials.c.locked_until)
    ).first()
    return row is not None and row.locked_until is not None


def forget_failures(connection: Connection, user_id: str) -> None:
    """Starts the count of failed attempts afresh."""
    connection.execute(
        update(credentials)
        .where(credentials.c.user_id == user_id)
        .values(failed_count=0, locked_until=None)
    )


def set_password(
    connection: Connection, user_id: str, *, old_hash: str, new_hash: str, now: datetime
) -> bool:
    """Stores a password. Returns False when the one it replaces is no more."""
    changed = connection.execute(
        update(credentials)
        .where(credentials.c.user_id == user_id, credentials.c.password_hash == old_hash)
        .values(password_hash=new_hash, changed_at=now)
        .returning(credentials.c.user_id)
    ).first()
    return changed is not None


def replace_password(
    connection: Connection, user_id: str, password_hash: str, now: datetime
) -> None:
    """Stores a password whatever the one before, and forgets failed attempts."""
    connection.execute(
        update(credentials)
        .where(credentials.c.user_id == user_id)
        .values(password_hash=password_hash, changed_at=now, failed_count=0, locked_until=None)
    )


def unknown_locked_until(connection: Connection, address_hash: bytes) -> datetime | None:
    """Returns until when an address that nobody has is locked, or None."""
    table = unknown_sign_ins.c
    query = select(table.locked_until).where(table.address_hash == address_hash)
    return connection.execute(query).scalar_one_or_none()


def count_unknown_failure(
    connection: Connection, address_hash: bytes, *, attempts_max: int, locked_until: datetime,
    now: datetime,
) -> None:  # fmt: skip
    """Counts a failed attempt with an address that nobody has, as `count_failure` does."""
    table = unknown_sign_ins
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    is_last = table.c.failed_count + 1 >= attempts_max
    connection.execute(
        dialect_insert(table)
        .values(
            address_hash=address_hash,
            failed_count=0 if attempts_max == 1 else 1,
            locked_until=locked_until if attempts_max == 1 else None,
            failed_at=now,
        )
        .on_conflict_do_update(
            index_elements=["address_hash"],
            set_={
                "failed_count": case((is_last, 0), else_=table.c.failed_count + 1),
                "locked_until": case((is_last, locked_until), else_=null()),
                "failed_at": now,
            },
        )
    )


def is_first_from(connection: Connection, session: Session) -> bool:
    """Returns whether somebody who signed in before never did so from this address or device."""
    table = sessions.c
    own = table.user_id == session.user_id
    is_known = (table.ip == session.ip) & (table.device == session.device)
    seen = connection.execute(select(table.id).where(own & is_known).limit(1)).first()
    before = connection.execute(select(table.id).where(own).limit(1)).first()
    return seen is None and before is not None


def insert_session(connection: Connection, session: Session) -> None:
    """Stores a new session."""
    connection.execute(
        insert(sessions).values(
            id=session.id,
            user_id=session.user_id,
            device=session.device,
            ip=session.ip,
            user_agent=session.user_agent,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )
    )


def session_by_id(connection: Connection, session_id: str) -> Session | None:
    """Returns the session, also one that is over, or None."""
    return _session(connection.execute(select(sessions).where(sessions.c.id == session_id)).first())


def open_sessions(
    connection: Connection, user_id: str, now: datetime, *, before: str | None, limit: int
) -> list[Session]:
    """Returns the sessions of a user that are not over, newest first.

    Args:
        connection: The transaction.
        user_id: Whose sessions.
        now: The time.
        before: Only those older than the session of this ID.
        limit: At most so many.
    """
    query = (
        select(sessions).where(_is_open(user_id, now)).order_by(sessions.c.id.desc()).limit(limit)
    )
    if before is not None:
        query = query.where(sessions.c.id < before)
    found = (_session(row) for row in connection.execute(query))
    return [session for session in found if session]


def use_session(connection: Connection, session_id: str, *, ip: str, now: datetime) -> None:
    """Stores that a session was used."""
    connection.execute(
        update(sessions).where(sessions.c.id == session_id).values(last_used_at=now, ip=ip)
    )


def revoke_session(connection: Connection, session_id: str, reason: str, now: datetime) -> bool:
    """Ends a session. Returns False when it was over already."""
    ended = connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now, revoke_reason=reason)
        .returning(sessions.c.id)
    ).first()
    return ended is not None


def revoke_sessions(
    connection: Connection, user_id: str, reason: str, now: datetime, *, but: str = ""
) -> list[str]:
    """Ends every open session of a user, but perhaps one; returns their IDs."""
    ended = connection.execute(
        update(sessions)
        .where(_is_open(user_id, now), sessions.c.id != but)
        .values(revoked_at=now, revoke_reason=reason)
        .returning(sessions.c.id)
    )
    return [row.id for row in ended]


def revoked_since(connection: Connection, since: datetime) -> list[tuple[str, str]]:
    """Returns the sessions that were ended since then, each as user ID and session ID."""
    rows = connection.execute(
        select(sessions.c.user_id, sessions.c.id).where(sessions.c.revoked_at >= since)
    )
    return [(row.user_id, row.id) for row in rows]


def insert_refresh_token(
    connection: Connection, token_hash: bytes, session_id: str, now: datetime
) -> None:
    """Stores the hash of a refresh token."""
    connection.execute(
        insert(refresh_tokens).values(token_hash=token_hash, session_id=session_id, created_at=now)
    )


def use_refresh_token(connection: Connection, token_hash: bytes, now: datetime) -> str | None:
    """Takes a refresh token back; returns its session's ID, or None when it was used or unknown."""
    row = connection.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_at.is_(None))
        .values(used_at=now)
        .returning(refresh_tokens.c.session_id)
    ).first()
    return row.session_id if row else None


def session_of_used_token(connection: Connection, token_hash: bytes) -> str | None:
    """Returns the ID of the session that a used refresh token was of, or None."""
    row = connection.execute(
        select(refresh_tokens.c.session_id).where(refresh_tokens.c.token_hash == token_hash)
    ).first()
    return row.session_id if row else None


def spend_ticket(connection: Connection, ticket_id: str, expires_at: datetime) -> bool:
    """Marks a stream ticket as used. Returns False when it was used before."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    spent = connection.execute(
        dialect_insert(spent_tickets)
        .values(id=ticket_id, expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(spent_tickets.c.id)
    ).first()
    return spent is not None


def purge(connection: Connection, *, tickets_before: datetime, sessions_before: datetime) -> None:
    """Forgets tickets, sessions and unknown addresses that ended before these times."""
    connection.execute(delete(spent_tickets).where(spent_tickets.c.expires_at < tickets_before))
    is_old = unknown_sign_ins.c.failed_at < tickets_before
    connection.execute(delete(unknown_sign_ins).where(is_old))
    over = select(sessions.c.id).where(
        or_(sessions.c.expires_at < sessions_before, sessions.c.revoked_at < sessions_before)
    )
    connection.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(over)))
    connection.execute(delete(sessions).where(sessions.c.id.in_(over)))


def _is_open(user_id: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now
    )


def _session(row: Row[tuple[object, ...]] | None) -> Session | None:
    if row is None:
        return None
    return Session(
        id=row.id,
        user_id=row.user_id,
        device=row.device,
        ip=row.ip,
        user_agent=row.user_agent,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
