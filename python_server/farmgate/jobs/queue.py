"""Enqueues jobs inside the transaction of the change that wants them."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from farmgate.jobs import store
from farmgate.jobs.kinds import Kind, Payload
from farmgate.jobs.store import State
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

_PAYLOAD_LENGTH_MAX: Final = 64 * 1024


class JobQueue:
    """Writes rows that a worker takes up; nothing is lost and nothing is sent on a rollback.

    Args:
        clock: Tells the time.
        ids: Names jobs.
    """

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    def enqueue(
        self, connection: Connection, kind: Kind, payload: Payload, *, key: str | None = None,
        at: datetime | None = None,
    ) -> str:  # fmt: skip
        """Enqueues a job in the caller's transaction; returns its ID.

        Args:
            connection: The transaction.
            kind: The kind of job.
            payload: What it works on: plain JSON values and no secrets, for operators read it.
            key: What makes it the same job as another one: it is enqueued once. None when it never
                is.
            at: The earliest time it may run; at once when None.
        """
        now = self._clock.now()
        text = store.payload_text(payload)
        assert len(text) <= _PAYLOAD_LENGTH_MAX, "A payload names what is large, and holds it not."
        values = {
            "id": self._ids.ulid(), "kind": kind.name, "queue": kind.queue.name,
            "state": State.QUEUED, "priority": kind.priority, "payload": text, "attempts": 0,
            "max_attempts": kind.max_attempts, "generation": 0, "is_handed": False, "worker": "",
            "last_error": "", "run_at": at or now, "created_at": now,
        }  # fmt: skip
        return store.add(connection, values, key and f"{kind.name}/{key}")
