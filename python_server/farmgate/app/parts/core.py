"""The matching core's part in the process."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from farmgate.app.parts.base import Part
from farmgate.app.settings import Settings, SettingsError
from farmgate.errors import DomainError
from farmgate.health.facade import Check
from farmgate.ports.leading import LEADING, Mirror
from farmgate.ports.matching import JournalFailure, Matching


def open_matching(settings: Settings) -> Matching:
    """Returns the core over the journal of these settings.

    Raises:
        SettingsError: The journal is damaged or held by another process, or its database is none
            that servers can share.
    """
    if settings.shares_journal and not journal_address(settings).startswith("postgresql:"):
        raise SettingsError(["FARMGATE_JOURNAL=postgres needs a PostgreSQL database."])
    try:
        if settings.shares_journal:
            return Matching.share(
                settings.journal_dir,
                journal_address(settings),
                address=settings.advertised_address or f"{settings.host}:{settings.grpc_port}",
                lease_ms=settings.journal_lease_ms,
                snapshot_interval_commands=settings.snapshot_interval_commands,
            )
        return Matching.open(
            settings.journal_dir, snapshot_interval_commands=settings.snapshot_interval_commands
        )
    except JournalFailure as error:
        raise SettingsError([str(error)]) from error


def journal_address(settings: Settings) -> str:
    """Returns the address of the database of a shared journal, as libpq reads it."""
    given = settings.journal_url.get_secret_value() or settings.database_address
    return re.sub(r"^postgresql\+\w+:", "postgresql:", given)


def followed(settings: Settings) -> tuple[Path, list[Mirror]]:
    """Returns the folder in which other processes follow the journal, and what fills it."""
    if not settings.shares_journal:
        return settings.journal_dir, []
    folder = settings.data_dir / "copy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder, [Mirror(folder, journal_address(settings))]


def part(matching: Matching) -> Part:
    """Returns the core itself, which starts before all that use it."""
    return Part(
        components=[matching],
        checks=[Check("matching core", is_required=True, probe=_core_probe(matching))],
        may_work=lambda: matching.leadership.is_leading,
        farewells=[matching.leadership.hand_over],
    )


def _core_probe(matching: Matching) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        figures = matching.statistics()
        if figures["stopped"]:
            raise DomainError("ENGINE_STOPPED")
        standing = matching.leadership.standing
        if standing.role != LEADING:
            raise DomainError("NOT_LEADER", leader=standing.leader or "unknown")
        return f"sequence {figures['durable_sequence']}, epoch {standing.epoch}"

    return probe
