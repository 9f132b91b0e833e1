"""The ledger's audit in the process."""

from typing import Final

from farmgate.app.parts.base import Base, Part
from farmgate.jobs.periodic import Periodic
from farmgate.ports.matching import Matching
from farmgate.trading.facade import History
from farmgate.trading.ledger_audit import LedgerAudit, LedgerFigures

_AUDIT_S: Final = 60.0


def part(base: Base, matching: Matching, history: History) -> Part:
    """Returns the audit of each minute.

    Args:
        base: What it builds on.
        matching: The core, where balances are.
        history: What the projector wrote.
    """
    figures = LedgerFigures(base.metrics)
    audit = LedgerAudit(base.database, history, matching.audit, base.clock, figures)
    return Part(components=[Periodic("ledger audit", _AUDIT_S, audit.run)])
