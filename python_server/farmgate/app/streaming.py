"""Builds the process that does nothing but streams.

A busy loop of sending starves the calls of a process that also answers them; so streams have
processes of their own, several on one port, each following the journal.
"""

from collections.abc import Awaitable, Callable, Sequence

from farmgate.app import process
from farmgate.app.application import Application, assemble
from farmgate.app.foundation import open_base
from farmgate.app.parts import auth, core, notifications, users
from farmgate.app.parts.base import Base, Part
from farmgate.app.settings import Settings, SettingsError
from farmgate.health.facade import Check
from farmgate.market.stream_service import MarketEventServicer, MarketStreamServicer
from farmgate.ports.clock import SystemClock
from farmgate.ports.watching import JournalFailure, Watching
from farmgate.trading.accounts import Readable
from farmgate.trading.stream_service import OrderEventServicer, OrderStreamServicer


class _Watched:
    """Starts to follow, and says in words what is wrong with the journal."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self.stop = watching.stop

    async def start(self) -> None:
        """Follows the journal."""
        try:
            await self._watching.start()
        except JournalFailure as error:
            raise SettingsError([str(error)]) from error


def run(settings: Settings) -> None:
    """Serves streams until asked to go."""
    process.observe(settings)
    process.run_application(build(settings))


def build(settings: Settings) -> Application:
    """Returns the process, on the port of streams, which it may share."""
    mine = settings.model_copy(update={"grpc_port": settings.stream_port, "reuse_port": True})
    base = open_base(mine, SystemClock())
    return assemble(base, parts(base))


def parts(base: Base) -> Sequence[Part]:
    """Returns the streams and who may open them."""
    folder, mirrors = core.followed(base.settings)
    watching = Watching(folder)
    readable = Readable(watching, users.open_users(base).members)
    market_and_orders = Part(
        servicers=[
            MarketStreamServicer(watching),
            MarketEventServicer(watching),
            OrderStreamServicer(watching, readable),
            OrderEventServicer(watching),
        ],
        components=[*mirrors, _Watched(watching)],
        checks=[Check("journal", is_required=True, probe=_probe(watching))],
    )
    return [market_and_orders, auth.listening(base), notifications.streams(base)]


def _probe(watching: Watching) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        return f"sequence {watching.applied_sequence()}"

    return probe
