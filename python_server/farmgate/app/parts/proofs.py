"""The proofs' part in the process."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.blockchain import Opened as Chain
from farmgate.app.parts.users import Opened as People
from farmgate.blockchain.facade import Kind, State, Visibility, anchoring
from farmgate.db.engine import Database
from farmgate.jobs.kinds import PROOFS, Job, Schedule
from farmgate.jobs.kinds import Kind as JobKind
from farmgate.jobs.periodic import Periodic
from farmgate.ports.matching import Matching
from farmgate.trading.accounts import Readable
from farmgate.trading.facade import History
from farmgate.trading.proof_days import Days
from farmgate.trading.proof_keys import ProofKeys
from farmgate.trading.proof_service import ProofServicer
from farmgate.trading.proofs import Proofs

_MARKS_S: Final = 5.0
_NO_ROOT: Final = "00" * 32

CLOSE_DAYS: Final = JobKind(
    "proofs.close_days", queue=PROOFS, max_attempts=8, backoff_s=15, timeout_s=3_600
)
# A few minutes past each hour: a day is closed soon after it, and what failed is taken up again.
SCHEDULE: Final = Schedule("proofs.close_days", "4 * * * *", CLOSE_DAYS)


class ChainAnchors:
    """Brings roots to the chain, each naming the one before it there.

    Args:
        chain: The chain and the content.
    """

    def __init__(self, chain: Chain) -> None:
        self._operations = chain.operations
        self._library = chain.library

    @property
    def is_enabled(self) -> bool:
        """Returns whether there is a chain."""
        return self._operations.is_enabled

    def publish(self, manifest: bytes) -> Callable[[Connection], str]:
        """Keeps a manifest; what is returned notes it and gives its identifier."""
        prepared = self._library.prepare(
            manifest, media_type="application/json", visibility=Visibility.PUBLIC
        )
        return lambda connection: self._library.record(connection, prepared).cid

    def request(self, connection: Connection, day: Any, before: Any) -> str:
        """Has a day's root noted; returns the root that it names as the one before.

        Raises:
            DomainError: DEPENDENCY_DOWN while there is no registry.
        """
        domain = self._operations.signing_domain(connection)
        previous = _NO_ROOT
        if before is not None:
            sent = self._operations.operation(connection, Kind.ANCHOR, before.date)
            # A registry that was deployed since knows no root yet.
            if sent is not None and sent.to_address == domain.verifying_contract:
                previous = before.previous_root if sent.state is State.FAILED else before.root
        payload = anchoring(
            domain,
            int(day.date.replace("-", "")),
            sequences=(day.first_sequence, day.last_sequence),
            root=bytes.fromhex(day.root),
            previous_root=bytes.fromhex(previous),
            cid=day.cid,
        )
        self._operations.request(connection, payload, reference=day.date)
        return previous

    def transaction_hash(self, connection: Connection, date: str) -> str:
        """Returns the transaction that carries a day's root, "" for none yet."""
        if not self.is_enabled:
            return ""
        sent = self._operations.operation(connection, Kind.ANCHOR, date)
        return sent.transaction_hash if sent is not None else ""


def part(
    base: Base, matching: Matching, history: History, history_database: Database, people: People,
    chain: Chain,
) -> Part:  # fmt: skip
    """Returns receipts and proofs, and what closes days.

    Args:
        base: What it builds on.
        matching: The core.
        history: What the projector wrote.
        history_database: Where that is.
        people: Who manages whom.
        chain: Where roots are anchored.
    """
    settings, keys, anchors = base.settings, ProofKeys.of(base.secrets.key), ChainAnchors(chain)
    days = Days(
        base.database, history_database, base.clock, settings.journal_dir,
        settings.data_dir / "proofs", keys, anchors,
    )  # fmt: skip
    proofs = Proofs(
        matching, Readable(matching, people.members), history, base.database, base.clock,
        settings.journal_dir, keys, days, anchors,
    )  # fmt: skip
    return Part(
        servicers=[ProofServicer(proofs)],
        components=[Periodic("journal marks", _MARKS_S, proofs.mark)],
        jobs=[Job(CLOSE_DAYS, days.run)],
    )
