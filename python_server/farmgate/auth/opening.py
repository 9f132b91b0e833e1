"""Opens sessions and makes their tokens, in the caller's transaction."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.auth import rules, store
from farmgate.auth.store import Session
from farmgate.auth.tokens import Rights, Subject, Tokens, new_refresh_token, refresh_token_hash
from farmgate.auth.values import Client, Policy, SignedIn
from farmgate.db.effects import Effect, Serializable
from farmgate.db.outbox import Announcement, announce
from farmgate.ports.ids import Ids
from farmgate.users.facade import User, Users

M = TypeVar("M", bound=Serializable)

_USER_AGENT_LENGTH_MAX: Final = 256
# More can't be open: each sign-in ends those above the limit, which is far lower.
_OPEN_SESSIONS_MAX: Final = 1_000


class Opening:
    """Opens sessions and renews their tokens."""

    def __init__(self, users: Users, tokens: Tokens, ids: Ids, policy: Policy) -> None:
        self._users = users
        self._tokens = tokens
        self._ids = ids
        self._policy = policy

    def session(self, user: User, client: Client, now: datetime) -> Session:
        """Returns a new session, not stored yet."""
        return Session(
            id=self._ids.ulid(),
            user_id=user.id,
            device=rules.device(client.user_agent),
            ip=client.ip,
            user_agent=client.user_agent[:_USER_AGENT_LENGTH_MAX],
            created_at=now,
            last_used_at=now,
            expires_at=now + timedelta(seconds=self._policy.refresh_ttl_s),
            revoked_at=None,
        )

    def open(
        self, transaction: Connection, user: User, session: Session, effect: Effect[SignedIn, M]
    ) -> list[str]:
        """Stores a session and records its tokens; returns the sessions that made room."""
        now = session.created_at
        ended = self._make_room(transaction, user.id, now)
        if store.is_first_from(transaction, session):
            announce(transaction, _new_login(session))
        store.insert_session(transaction, session)
        self._users.signed_in(transaction, user.id, now)
        result = self.tokens(transaction, replace(user, last_login_at=now), session, now)
        effect.record(
            transaction, result, resource=f"session/{session.id}", actor=user.id, role=user.role
        )
        return ended

    def tokens(
        self, transaction: Connection, user: User, session: Session, now: datetime
    ) -> SignedIn:
        """Stores a new refresh token and returns it with an access token."""
        refresh_token = new_refresh_token()
        store.insert_refresh_token(transaction, refresh_token_hash(refresh_token), session.id, now)
        subject = Subject(
            user_id=user.id,
            session_id=session.id,
            session_version=user.session_version,
        )
        rights = Rights(
            role=user.role,
            kyc_level=user.kyc_level,
            account_id=user.account_id,
            account_number=user.account_number,
        )
        return SignedIn(
            access_token=self._tokens.access(subject, rights, self._ids.ulid()),
            expires_in_s=self._tokens.access_ttl_s,
            refresh_token=refresh_token,
            refresh_expires_in_s=int((session.expires_at - now).total_seconds()),
            user=user,
        )

    def _make_room(self, transaction: Connection, user_id: str, now: datetime) -> list[str]:
        """Ends the oldest sessions above the limit, one place left; returns their IDs."""
        held = store.open_sessions(transaction, user_id, now, before=None, limit=_OPEN_SESSIONS_MAX)
        ended = [session.id for session in held[self._policy.sessions_max - 1 :]]
        for session_id in ended:
            store.revoke_session(transaction, session_id, "SESSION_LIMIT", now)
        return ended


def _new_login(session: Session) -> Announcement:
    return Announcement(
        "auth.new_login", session.created_at, user_id=session.user_id, about=session.id,
        data={"device": session.device, "ip": session.ip},
    )  # fmt: skip
