"""Repeats of a changing call get the first reply, for 24 hours."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import Connection

from farmgate.db import audit, replies
from farmgate.db.effects import Trace
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.rpc.call import Call
from farmgate.rpc.methods import role_names

_KEY_LENGTH_MAX: Final = 255
_LENGTH_BYTES: Final = 4
_ROLE_NAMES: Final = role_names()
# Replies of a streamed call that are kept; longer ones belong to methods that keep their own.
REPLY_BYTES_MAX: Final = 1024 * 1024


class RequestHash:
    """HMAC-SHA-256 over the messages of a request.

    Keyed, because a request may hold a password, and a bare hash of it could be guessed at.
    """

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod=hashlib.sha256)

    def add(self, message: bytes) -> None:
        """Takes in the next message."""
        self._mac.update(len(message).to_bytes(_LENGTH_BYTES, "big"))
        self._mac.update(message)

    def digest(self) -> bytes:
        """Returns the hash of the messages so far."""
        return self._mac.digest()


class Idempotency:
    """Claims, fills and releases the slots of calls, and writes their audit rows.

    Args:
        database: Where replies are kept.
        clock: Tells the time.
        ids: Names attempts.
        key: Secret of the installation.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids, *, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._key = key

    def trace(self, call: Call) -> RequestHash:
        """Gives a changing call its trace; returns the hash to feed with the request."""
        principal = call.caller_or_none
        entry = audit.Entry(
            at=self._clock.now(),
            actor=principal.user_id if principal else "",
            role=_ROLE_NAMES[principal.role] if principal else "PUBLIC",
            action=call.method.full_name,
            resource="",
            request_id=call.request_id,
            ip=call.ip,
        )
        request_hash = RequestHash(self._key)
        call.trace = Trace(entry, request_hash=request_hash.digest)
        return request_hash

    async def claim(self, call: Call, request_hash: bytes) -> replies.Kept | None:
        """Claims the slot of a call with a key. Returns the kept reply when there is one.

        Args:
            call: The call.
            request_hash: Hash of the request; empty when it is a stream not read yet.

        Raises:
            DomainError: INVALID_ARGUMENT, IDEMPOTENCY_KEY_REUSED or IDEMPOTENCY_IN_PROGRESS.
        """
        key = call.idempotency_key
        if key is None or not call.method.rule.keeps_replies:
            return None
        if not (1 <= len(key) <= _KEY_LENGTH_MAX and key.isascii() and key.isprintable()):
            raise invalid("idempotency-key", "must be 1 to 255 printable ASCII characters")
        assert call.trace is not None, "A changing call has a trace."
        principal = call.caller_or_none
        slot = replies.Slot(
            caller=principal.user_id if principal else "public",
            method=call.method.full_name,
            key=key,
            holder=self._ids.ulid(),
        )
        now = self._clock.now()
        kept = await self._database.write(lambda tx: replies.claim(tx, slot, request_hash, now))
        if kept is None:
            call.trace.slot = slot
            return None
        if kept.request_hash and request_hash and kept.request_hash != request_hash:
            raise DomainError("IDEMPOTENCY_KEY_REUSED", key=key)
        if kept.reply is None:
            raise DomainError("IDEMPOTENCY_IN_PROGRESS", key=key)
        return kept

    async def complete(self, call: Call, reply: bytes) -> None:
        """Records a call whose logic recorded nothing in a transaction of its own."""
        trace = call.trace
        if trace is None or trace.is_recorded:
            return

        def record(transaction: Connection) -> None:
            trace.record(transaction, reply)

        await self._database.write(record)

    async def release(self, call: Call) -> None:
        """Gives the slot of a refused call back."""
        trace = call.trace
        if trace and trace.slot:
            slot = trace.slot
            await self._database.write(lambda tx: replies.release(tx, slot))

    async def purge(self) -> int:
        """Forgets replies older than the retention; returns how many."""
        now = self._clock.now()
        return await self._database.write(lambda tx: replies.purge(tx, now))


def join(messages: list[bytes]) -> bytes:
    """Returns the messages of a streamed reply as one value."""
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in messages)


async def split(joined: bytes) -> AsyncIterator[bytes]:
    """Returns the messages of a streamed reply."""
    position = 0
    while position < len(joined):
        end = position + _LENGTH_BYTES
        size = int.from_bytes(joined[position:end], "big")
        yield joined[end : end + size]
        position = end + size
