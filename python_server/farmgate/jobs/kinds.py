"""What a module declares of its background work: queues, kinds of jobs, schedules.

A kind and a schedule are constants, so that whoever enqueues needs nothing else. What a kind does
is bound to it where the process is wired; docs/architecture.md tells how to add one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

PRIORITY_MAX: Final = 9
_PRIORITY_DEFAULT: Final = 5

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs that share a limit and can be paused together.

    Attributes:
        name: Stable name.
        concurrency: Jobs of it that run at once in a process.
        needs_core: Whether its jobs use the matching core and so run in the process that holds it.
    """

    name: str
    concurrency: int = 4
    needs_core: bool = False


DEFAULT: Final = Queue("default", concurrency=8)
MAIL: Final = Queue("mail", concurrency=32)
PRICES: Final = Queue("prices", concurrency=2)
CONTRACTS: Final = Queue("contracts", concurrency=2, needs_core=True)
CHAIN: Final = Queue("chain", concurrency=2)
FORECASTS: Final = Queue("forecasts", concurrency=1)
REPORTS: Final = Queue("reports", concurrency=2)
PROOFS: Final = Queue("proofs", concurrency=1, needs_core=True)
ACCOUNTS: Final = Queue("accounts", concurrency=1, needs_core=True)
QUEUES: Final = {
    one.name: one
    for one in (DEFAULT, MAIL, PRICES, CONTRACTS, CHAIN, FORECASTS, REPORTS, PROOFS, ACCOUNTS)
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job.

    Attributes:
        name: Stable name, such as "prices.ingest".
        queue: Where its jobs wait.
        max_attempts: How often a job is tried, a crash of the process included.
        backoff_s: Seconds before the second attempt; each further wait is twice as long.
        backoff_max_s: The longest wait.
        priority: 0 to 9; within a queue 9 goes first.
        timeout_s: Seconds an attempt may take.
    """

    name: str
    queue: Queue = DEFAULT
    max_attempts: int = 5
    backoff_s: float = 5.0
    backoff_max_s: float = 3_600.0
    priority: int = _PRIORITY_DEFAULT
    timeout_s: float = 300.0

    def __post_init__(self) -> None:
        """Checks what is declared."""
        assert self.queue.name in QUEUES, "Queues are listed, so that they can be paused."
        assert 0 <= self.priority <= PRIORITY_MAX
        assert self.max_attempts >= 1

    def wait_s(self, attempts: int) -> float:
        """Returns how long a job waits after so many failed attempts."""
        # The exponent is bounded before the power is taken: attempts may be any number.
        doublings = min(max(attempts - 1, 0), 32)
        return min(self.backoff_s * float(1 << doublings), self.backoff_max_s)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job that is enqueued again and again.

    Attributes:
        name: Stable name.
        cron: When, in UTC: minute, hour, day, month, weekday; six fields begin with seconds.
        kind: The kind of job.
        payload: What it works on, besides "scheduled_at".
        catches_up: Whether times that passed while no worker ran are made up for.
    """

    name: str
    cron: str
    kind: Kind
    payload: Payload = field(default_factory=dict)
    catches_up: bool = False


class GiveUpError(Exception):
    """The job can't succeed however often it is tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job.

    Attributes:
        job_id: The job; the same in each attempt, so it serves as an idempotency key outside.
        kind: Its kind.
        payload: What it works on.
        attempt: Number of the attempt, from 1.
        enqueued_at: When it was enqueued.
        once: Does work in a transaction unless an earlier attempt did, and returns whether it did:
            `await run.once(step, work)`.
    """

    job_id: str
    kind: str
    payload: Payload
    attempt: int
    enqueued_at: datetime
    once: Callable[[str, Callable[[Connection], object]], Awaitable[bool]]


Work = Callable[[Run], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Job:
    """A kind, bound to what it does."""

    kind: Kind
    work: Work
