"""The ledger audited each minute while it is in use: balances in the core, movements in history."""

import asyncio
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Connection

from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce
from farmgate.ports.clock import Clock
from farmgate.ports.matching import AssetAudit
from farmgate.telemetry.logs import logger
from farmgate.trading import store
from farmgate.trading.history import History

# Commands whose movements are added up by one query, and queries of one time.
_SPAN: Final = 50_000
_SPANS_MAX: Final = 40
_log = logger(__name__)

# Tells what the core's ledger says of each asset, and the sequence it says it at.
Audits = Callable[[], tuple[list[AssetAudit], int]]


class LedgerFigures:
    """What Prometheus learns of it.

    Args:
        registry: Where figures are collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.faults = Gauge(
            "farmgate_ledger_faults", "Assets or commands of which the ledger is wrong.",
            ["check"], registry=registry,
        )  # fmt: skip
        self.at = Gauge(
            "farmgate_ledger_audit_time_seconds", "When it was audited last.", registry=registry
        )
        self.took = Gauge("farmgate_ledger_audit_seconds", "How long that took.", registry=registry)
        self.sequence = Gauge(
            "farmgate_ledger_audit_sequence", "The sequence that was audited.", registry=registry
        )


class LedgerAudit:
    """Audits the ledger, and tells admins when it is wrong.

    Args:
        database: Where admins are told.
        history: The movements.
        audits: The core's own audit.
        clock: Tells the time.
        figures: Hear the outcome.
    """

    def __init__(
        self, database: Database, history: History, audits: Audits, clock: Clock,
        figures: LedgerFigures,
    ) -> None:  # fmt: skip
        self._database = database
        self._history = history
        self._audits = audits
        self._clock = clock
        self._figures = figures
        self._checked = 0
        self._odd_commands = 0

    async def run(self) -> None:
        """Audits once: all balances, and the movements since the last time."""
        begun = self._clock.monotonic()
        found, sequence = await asyncio.to_thread(self._audits)
        wrong = [one for one in found if not one.is_right]
        odd = await self._odd()
        self._odd_commands += len(odd)
        self._figures.faults.labels("core").set(len(wrong))
        self._figures.faults.labels("history").set(self._odd_commands)
        self._figures.at.set(self._clock.epoch())
        self._figures.took.set(self._clock.monotonic() - begun)
        self._figures.sequence.set(sequence)
        told = {one.asset: _words(one) for one in wrong}
        if odd:
            first, count = odd[0][0], len(odd)
            told["history"] = f"the movements of {count} commands, first {first}, do not add up"
        for about, words in told.items():
            _log.error("ledger is wrong", about=about, words=words, sequence=sequence)
        if told:
            await self._database.write(lambda tx: self._tell(tx, told))

    def _tell(self, connection: Connection, told: dict[str, str]) -> None:
        now = self._clock.now()
        for about, words in told.items():
            announce(
                connection,
                Announcement(
                    "admin.ledger_imbalance", now, role="ADMIN", about=f"{about}/{now:%Y%m%d%H}",
                    data={"about": about, "words": words},
                ),
            )  # fmt: skip

    async def _odd(self) -> list[tuple[int, int]]:
        """Returns commands and assets whose movements do not add up to what came from outside."""
        odd: list[tuple[int, int]] = []
        for _ in range(_SPANS_MAX):
            after = self._checked
            (reached, found), _ = await self._history.read(
                lambda tx, a=after: (  # type: ignore[misc] # mypy does not see defaults.
                    min(store.watermark(tx), a + _SPAN),
                    store.unbalanced(tx, after=a, through=a + _SPAN),
                ),
                expected=0,
            )
            odd += found
            self._checked = max(reached, after)
            if reached < after + _SPAN:
                break
        return odd


def _words(one: AssetAudit) -> str:
    if one.issued != one.total:
        return f"accounts have {one.total}, while {one.issued} came in"
    if one.held != one.explained:
        return f"{one.held} is held, while orders and positions explain {one.explained}"
    return f"{one.wrong_accounts} accounts break a rule of balances"
