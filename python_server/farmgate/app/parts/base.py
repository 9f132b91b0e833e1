"""What modules build on, and what they bring."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from farmgate.app.lifecycle import Component
from farmgate.app.secrets import Secrets
from farmgate.app.settings import Settings
from farmgate.auth.facade import Tokens
from farmgate.db.engine import Database
from farmgate.health.facade import Check
from farmgate.jobs.kinds import Job, Schedule
from farmgate.jobs.queue import JobQueue
from farmgate.ports.bus import Bus
from farmgate.ports.cache import Caches
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.rpc.access import Grants
from farmgate.rpc.paging import Pager
from farmgate.rpc.registry import Servicer
from farmgate.users.facade import Users


@dataclass(frozen=True, slots=True)
class Base:
    """What every module may build on."""

    settings: Settings
    secrets: Secrets
    clock: Clock
    ids: Ids
    database: Database
    pager: Pager
    metrics: CollectorRegistry
    users: Users
    tokens: Tokens
    grants: Grants
    jobs: JobQueue
    bus: Bus
    caches: Caches


@dataclass(frozen=True, slots=True)
class Part:
    """What a module brings.

    Attributes:
        servicers: Answer RPCs.
        components: Start in this order, after those of earlier parts and before the server.
        checks: What its health depends on.
        jobs: What it does in the background; a worker does those that need no core.
        schedules: When it does so by itself.
        may_work: Tells whether jobs that need the core may be begun here now.
        farewells: What is done first when the process is told to go, while it still answers.
    """

    servicers: Sequence[Servicer] = ()
    components: Sequence[Component] = ()
    checks: Sequence[Check] = ()
    jobs: Sequence[Job] = ()
    schedules: Sequence[Schedule] = ()
    may_work: Callable[[], bool] = lambda: True
    farewells: Sequence[Callable[[], Awaitable[None]]] = ()
