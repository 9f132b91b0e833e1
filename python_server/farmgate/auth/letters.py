"""Letters: who reads the mailbox of an address proves it with the token in one.

The token is the letter's ID and a keyed hash over it: it is made when the letter is sent, and what
the database holds is of no use to a thief. A request is answered alike, and at the same cost,
whether or not the address is known; what becomes of it is decided behind the caller's back.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final, Literal, TypeVar

from sqlalchemy import Connection

from farmgate.auth import letter_store
from farmgate.auth.letter_store import Letter
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.ids import ULID_LENGTH, Ids
from farmgate.ports.mail import Mailer
from farmgate.telemetry.logs import logger
from farmgate.users.facade import User, Users

M = TypeVar("M", bound=Serializable)

VERIFY: Final = "VERIFY_EMAIL"
RESET: Final = "RESET_PASSWORD"
_TTL: Final = {VERIFY: timedelta(hours=24), RESET: timedelta(minutes=30)}
_PATHS: Final = {VERIFY: "verify-email", RESET: "reset-password"}
_TITLES: Final = {VERIFY: "Verify your e-mail address", RESET: "Choose a new password"}
_PREFIX: Final = "fgm_"
# Whoever asks again and again fills nobody's mailbox.
_PER_HOUR_MAX: Final = 5
_BATCH: Final = 20
_RETRY_S: Final = 5
_RETRY_MAX_S: Final = 600
# Longer than a mail server takes; a process that dies in between leaves the letter to the next.
_CLAIM: Final = timedelta(seconds=60)
_ELSEWHERE: Final = "elsewhere"
_log = logger(__name__)


class Letters:
    """Takes requests for letters, sends them, and takes their tokens back.

    Args:
        database: Where requests wait.
        users: Who has which address.
        mailer: Sends.
        clock: Tells the time.
        ids: Names letters.
        key: Key of the tokens.
        sender: Address the letters come from.
        pages: Address of the web pages that links lead to.
    """

    def __init__(
        self, database: Database, users: Users, mailer: Mailer, clock: Clock, ids: Ids, *,
        key: bytes, sender: str, pages: str,
    ) -> None:  # fmt: skip
        self._database = database
        self._users = users
        self._mailer = mailer
        self._clock = clock
        self._ids = ids
        self._key = key
        self._sender = sender
        self._pages = pages.rstrip("/")

    async def request(self, purpose: str, email: str, effect: Effect[None, M]) -> M:
        """Takes a request for a letter; tells nothing of whether the address is known."""

        def ask(transaction: Connection) -> None:
            self.ask(transaction, purpose, email, self._clock.now())
            effect.record(transaction, None)

        await self._database.write(ask)
        return effect.reply

    def ask(self, transaction: Connection, purpose: str, email: str, now: datetime) -> None:
        """Stores a request in the caller's transaction."""
        letter_store.add(
            transaction, self._ids.ulid(), purpose, email, now=now, expires_at=now + _TTL[purpose]
        )

    def letter_id(self, purpose: str, token: str) -> str:
        """Returns the ID of the letter that a token was made for.

        Raises:
            DomainError: MAIL_TOKEN_INVALID when no token of ours looks so.
        """
        letter_id = token.removeprefix(_PREFIX)[:ULID_LENGTH]
        if not hmac.compare_digest(self._token(purpose, letter_id).encode(), token.encode()):
            raise DomainError("MAIL_TOKEN_INVALID")
        return letter_id

    def redeem(self, transaction: Connection, purpose: str, token: str, now: datetime) -> User:
        """Returns whose letter a token is of, and uses it and its like up.

        Raises:
            DomainError: MAIL_TOKEN_INVALID.
        """
        letter_id = self.letter_id(purpose, token)
        user_id = letter_store.use(transaction, letter_id, purpose, now)
        user = self._users.by_id(transaction, user_id) if user_id else None
        if user is None or user.status == "CLOSED":
            raise DomainError("MAIL_TOKEN_INVALID")
        letter_store.use_others(transaction, user.id, purpose, now)
        return user

    async def send(self) -> None:
        """Sends what is due."""
        while True:
            now = self._clock.now()
            due = await self._database.read(
                lambda tx: letter_store.due(tx, self._clock.now(), _BATCH)
            )
            for letter in due:
                await self._send(letter, now)
            if len(due) < _BATCH:
                return

    async def _send(self, letter: Letter, now: datetime) -> None:
        user = await self._database.write(lambda tx: self._addressee(tx, letter, now))
        if user is _ELSEWHERE:
            return
        attempts = letter.attempts + 1
        state, due_at = ("SENT", None) if user else ("DROPPED", None)
        if isinstance(user, User):
            try:
                await self._mailer.send(self._written(letter, user, now))
            except DomainError as error:
                wait_s = min(_RETRY_S * 2**attempts, _RETRY_MAX_S)
                due_at = now + timedelta(seconds=wait_s)
                is_hopeless = error.reason != "DEPENDENCY_DOWN" or due_at >= letter.expires_at
                state, due_at = ("DROPPED", None) if is_hopeless else ("PENDING", due_at)
                _log.info("letter not sent", letter=letter.id, reason=error.reason)
        await self._database.write(
            lambda tx: letter_store.note(tx, letter.id, state, attempts=attempts, due_at=due_at)
        )

    def _addressee(
        self, transaction: Connection, letter: Letter, now: datetime
    ) -> User | Literal["elsewhere"] | None:
        """Returns who gets the letter; None when nobody should, or that it is sent elsewhere."""
        user = self._users.by_email(transaction, letter.email)
        wanted = {"PENDING_EMAIL"} if letter.purpose == VERIFY else {"PENDING_EMAIL", "ACTIVE"}
        if user is None or user.status not in wanted or letter.expires_at <= now:
            return None
        others = letter_store.others_since(transaction, letter, now - timedelta(hours=1))
        if others >= _PER_HOUR_MAX:
            return None
        until = now + _CLAIM
        is_mine = letter_store.claim(transaction, letter.id, user.id, now=now, until=until)
        return user if is_mine else _ELSEWHERE

    def _written(self, letter: Letter, user: User, now: datetime) -> EmailMessage:
        token = self._token(letter.purpose, letter.id)
        minutes = int((letter.expires_at - now).total_seconds() // 60)
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = user.email
        message["Subject"] = _TITLES[letter.purpose]
        message["Message-ID"] = f"<{letter.id}@{self._sender.rpartition('@')[2]}>"
        message["Date"] = now
        # In the fragment: it reaches no server's log and no Referer header.
        link = f"{self._pages}/{_PATHS[letter.purpose]}#token={token}"
        message.set_content(
            f"Hello {user.display_name},\n\n{_TITLES[letter.purpose]}:\n\n{link}\n\n"
            f"The link is good once, for {minutes} minutes. If you did not ask for it, do "
            "nothing.\n",
            # Lines stay whole: a link that is broken up does not work.
            cte="8bit",
        )
        return message

    def _token(self, purpose: str, letter_id: str) -> str:
        mac = hmac.digest(self._key, f"{purpose}:{letter_id}".encode(), hashlib.sha256)
        return _PREFIX + letter_id + urlsafe_b64encode(mac).rstrip(b"=").decode()
