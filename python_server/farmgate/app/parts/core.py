"""The matching core's part in the process."""

from collections.abc import Awaitable, Callable

from farmgate.app.parts.base import Part
from farmgate.app.settings import Settings, SettingsError
from farmgate.errors import DomainError
from farmgate.health.facade import Check
from farmgate.ports.matching import JournalFailure, Matching


def open_matching(settings: Settings) -> Matching:
    """Returns the core over the journal of these settings.

    Raises:
        SettingsError: The journal is damaged or held by another process.
    """
    try:
        return Matching.open(
            settings.journal_dir, snapshot_interval_commands=settings.snapshot_interval_commands
        )
    except JournalFailure as error:
        raise SettingsError([str(error)]) from error


def part(matching: Matching) -> Part:
    """Returns the core itself, which starts before all that use it."""
    return Part(
        components=[matching],
        checks=[Check("matching core", is_required=True, probe=_core_probe(matching))],
    )


def _core_probe(matching: Matching) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        figures = matching.statistics()
        if figures["stopped"]:
            raise DomainError("ENGINE_STOPPED")
        return f"sequence {figures['durable_sequence']}"

    return probe
