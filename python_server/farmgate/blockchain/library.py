"""Content of the exchange and of its users: who keeps what, who may read it, under which key.

Bytes are kept in the content store before the row that tells of them is written; bytes without a
row are swept. Content that is not public is kept encrypted, each under a key of its own that the
row holds wrapped: without the row the bytes are noise.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Row

from farmgate.blockchain import content_store
from farmgate.errors import DomainError
from farmgate.ports.clock import Clock
from farmgate.ports.content import Content, PinState, cid_of
from farmgate.ports.ids import Ids

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_KEY_PURPOSE: Final = b"farmgate content keys 1"

Parties = Callable[[Connection, str, str], bool]


class Visibility(StrEnum):
    """Who may read content."""

    PUBLIC = "PUBLIC"
    PARTIES = "PARTIES"
    PRIVATE = "PRIVATE"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Content whose bytes are kept and whose row is not written yet."""

    cid: str
    kept_cid: str
    sha256: str
    size_bytes: int
    media_type: str
    visibility: Visibility
    wrapped_key: bytes | None
    pin_state: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Content and what is known of it."""

    cid: str
    kept_cid: str
    sha256: str
    size_bytes: int
    media_type: str
    visibility: Visibility
    owner_id: str
    contract_id: str
    wrapped_key: bytes | None
    pin_state: str
    created_at: datetime


class Library:
    """Keeps content and gives it to who may read it.

    Args:
        content: The store of bytes.
        clock: Tells the time.
        ids: Names rows.
        key: Secret of the installation, of which the wrapping key is derived.
        has_network: Whether there is a content network that should hold content too.
    """

    def __init__(
        self, content: Content, clock: Clock, ids: Ids, *, key: bytes, has_network: bool
    ) -> None:
        self._content = content
        self._clock = clock
        self._ids = ids
        self._has_network = has_network
        derived = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=_KEY_PURPOSE).derive(key)
        self._wrap = AESGCM(derived)
        self._parties: list[Parties] = [content_store.concerns]

    def know_parties(self, parties: Parties) -> None:
        """Asks this too whether a user is a party of a contract."""
        self._parties.append(parties)

    def is_party(self, connection: Connection, contract_id: str, user_id: str) -> bool:
        """Returns whether a user is a party of a contract."""
        return any(parties(connection, contract_id, user_id) for parties in self._parties)

    def prepare(self, data: bytes, *, media_type: str, visibility: Visibility) -> Prepared:
        """Keeps bytes, durably; call it in a thread and before the transaction of `record`."""
        cid = cid_of(data)
        wrapped = None
        kept = data
        if visibility is not Visibility.PUBLIC:
            key = secrets.token_bytes(_KEY_BYTES)
            kept = _sealed(AESGCM(key), data, cid)
            wrapped = _sealed(self._wrap, key, cid)
        kept_cid = self._content.put(kept)
        return Prepared(
            cid=cid,
            kept_cid=kept_cid,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            media_type=media_type,
            visibility=visibility,
            wrapped_key=wrapped,
            pin_state=self._content.pin_state(kept_cid),
        )

    def prepare_for_parties(self, data: bytes, *, media_type: str) -> Prepared:
        """Keeps bytes that the parties of a contract may read."""
        return self.prepare(data, media_type=media_type, visibility=Visibility.PARTIES)

    def record(
        self, connection: Connection, prepared: Prepared, *, owner_id: str = "",
        contract_id: str = "",
    ) -> Stored:  # fmt: skip
        """Writes the row of content; the same content of the same owner again changes nothing.

        Args:
            connection: The transaction.
            prepared: The content.
            owner_id: Whose it is; empty for the exchange itself.
            contract_id: Contract it belongs to; needed for content of parties.
        """
        assert contract_id or prepared.visibility is not Visibility.PARTIES
        there = content_store.object_of(
            connection,
            owner_id=owner_id,
            cid=prepared.cid,
            visibility=prepared.visibility,
            contract_id=contract_id,
        )
        if there is not None:
            return _stored(there)
        stored = Stored(
            cid=prepared.cid,
            kept_cid=prepared.kept_cid,
            sha256=prepared.sha256,
            size_bytes=prepared.size_bytes,
            media_type=prepared.media_type,
            visibility=prepared.visibility,
            owner_id=owner_id,
            contract_id=contract_id,
            wrapped_key=prepared.wrapped_key,
            pin_state=prepared.pin_state,
            created_at=self._clock.now(),
        )
        is_due = self._has_network and prepared.visibility is not Visibility.PRIVATE
        values = {name: getattr(stored, name) for name in Stored.__slots__}
        content_store.insert_object(connection, id=self._ids.ulid(), is_pin_due=is_due, **values)
        return stored

    def readable(
        self, connection: Connection, cid: str, user_id: str, *, reads_all: bool
    ) -> Stored:
        """Returns what is known of content, for who may read it.

        Raises:
            DomainError: IPFS_NOT_FOUND; to who may not read it, content that is not public does
                not exist.
        """
        for row in content_store.objects(connection, cid):
            may_read = (
                reads_all
                or row.visibility == Visibility.PUBLIC
                or row.owner_id == user_id
                or (
                    row.visibility == Visibility.PARTIES
                    and self.is_party(connection, row.contract_id, user_id)
                )
            )
            if may_read:
                return _stored(row)
        raise DomainError("IPFS_NOT_FOUND", cid=cid)

    def open(self, stored: Stored) -> bytes:
        """Returns the bytes of content, checked; call it in a thread.

        Raises:
            DomainError: IPFS_NOT_FOUND, CID_MISMATCH or IPFS_UNREACHABLE.
        """
        data = self._content.get(stored.kept_cid)
        if stored.wrapped_key is not None:
            try:
                key = _unsealed(self._wrap, stored.wrapped_key, stored.cid)
                data = _unsealed(AESGCM(key), data, stored.cid)
            except InvalidTag as error:
                raise DomainError("CID_MISMATCH") from error
        return data

    def pin(self, kept_cid: str) -> PinState:
        """Makes the network hold content; for a job, as it may take seconds.

        Raises:
            DomainError: IPFS_UNREACHABLE, CID_MISMATCH or IPFS_NOT_FOUND.
        """
        return self._content.pin(kept_cid)

    def due(self, connection: Connection, *, limit: int) -> list[str]:
        """Returns the kept identifiers that the network should hold and does not yet."""
        return content_store.due_pins(connection, limit=limit)

    def note_pin(self, connection: Connection, kept_cid: str, pinned: PinState | None) -> None:
        """Notes where content is kept; None for what can't ever be pinned."""
        state = pinned or self._content.pin_state(kept_cid)
        content_store.set_pinned(connection, kept_cid, state, is_due=False)

    def probe(self) -> str:
        """Returns what is worth telling of the store; call it in a thread."""
        return self._content.probe()


def _sealed(cipher: AESGCM, data: bytes, name: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, name.encode())


def _unsealed(cipher: AESGCM, data: bytes, name: str) -> bytes:
    return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], name.encode())


def _stored(row: Row[Any]) -> Stored:
    values = {name: getattr(row, name) for name in Stored.__slots__}
    return Stored(**{**values, "visibility": Visibility(row.visibility)})
