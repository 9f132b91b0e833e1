"""Ends contracts before all was delivered: what is owed for it, and how the rest goes on.

A contract of which nothing was delivered is cancelled. One of which something was is closed short:
what was delivered is stated and paid as ever, and with it the contract is settled.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.contracts import matters, money, statements
from farmgate.contracts.ending import Ending
from farmgate.contracts.prices import is_priced
from farmgate.contracts.rules import Liability
from farmgate.contracts.settlement import Settlement
from farmgate.contracts.steps import Actor, Steps
from farmgate.contracts.values import ACTIVE, BOTH, CASH_MINOR, DISPUTE, SELLER, Contract

_NOTHING: Final = Liability(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a contract ends, and what is owed for it.

    Attributes:
        reason: Name of a `CancellationReason`.
        liable: Side that owes; 0 for nobody.
        owed: What it owes the other side and the exchange; less than nothing is owed to it.
        takes_deposit: Whether it is taken of the deposit first.
        price: Price that it was computed with; empty for none.
        day: Day of that price.
        evidence_hash: Hash of the evidence, 32 bytes.
    """

    reason: str
    liable: int = 0
    owed: Liability = _NOTHING
    takes_deposit: bool = False
    price: str = ""
    day: str = ""
    evidence_hash: bytes = bytes(32)


class Closing:
    """Ends contracts short of what was agreed.

    Args:
        steps: Makes steps.
        ending: Cancels.
        settlement: Draws up what is still to be paid.
    """

    def __init__(self, steps: Steps, ending: Ending, settlement: Settlement) -> None:
        self._steps = steps
        self._ending = ending
        self._settlement = settlement

    @staticmethod
    def is_possible(connection: Connection, contract: Contract) -> bool:
        """Returns whether nothing keeps a contract in force: no dispute, no price that is open."""
        is_disputed = matters.is_open(connection, contract, DISPUTE)
        is_open = contract.delivered > 0 and not is_priced(contract)
        return contract.state == ACTIVE and not is_disputed and not is_open

    def close(
        self, connection: Connection, contract: Contract, actor: Actor, cause: Cause
    ) -> Contract:
        """Ends a contract; as `is_possible` says, nothing keeps it."""
        left = max(Decimal(0), Decimal(contract.quantity) - contract.delivered)
        outcome = {
            "reason": cause.reason, "liable_party": cause.liable, "reference_price": cause.price,
            "reference_date": cause.day, "quantity": f"{left:f}",
            "liability_amount": f"{cause.owed.total:.2f}",
            "evidence_hash": cause.evidence_hash.hex(),
        }  # fmt: skip
        matters.clear(connection, contract)
        held = self._charge(connection, contract, cause)
        changes: dict[str, Any] = {"outcome": json.dumps(outcome, sort_keys=True), **held}
        if contract.delivered == 0:
            return self._ending.end(connection, contract, actor, cause.reason, **changes)
        changed = self._steps.step(
            connection, contract, "contract.closing_short", actor,
            detail={"reason": cause.reason, "liability": outcome["liability_amount"]},
            is_closed_short=True, settle_agreed=BOTH, cancel_reason=cause.reason,
            cancelled_at=self._steps.clock.now(), **changes,
        )  # fmt: skip
        if statements.open_loads(connection, changed):
            self._settlement.issued(connection, changed, actor)
        return changed

    def _charge(self, connection: Connection, contract: Contract, cause: Cause) -> dict[str, int]:
        """Asks for what is owed: of the deposit, and what is more of the account.

        Returns:
            What is held in deposit afterwards, by the name of the column.
        """
        if not cause.liable or cause.owed == _NOTHING:
            return {}
        seller, buyer = money.accounts(connection, self._steps, contract)
        is_seller = cause.liable == SELLER
        source, target = (seller, buyer) if is_seller else (buyer, seller)
        name = "seller_held_minor" if is_seller else "buyer_held_minor"
        held = int(getattr(contract, name)) if cause.takes_deposit else 0
        difference = int(cause.owed.difference * CASH_MINOR)
        fee = int(cause.owed.fee * CASH_MINOR)
        # What goes the other way is owed to who is liable for the fee only.
        gain, owed = max(0, -difference), max(0, difference)
        taken = min(held, owed)
        fee_taken = min(held - taken, fee)
        for kind, from_, to, amount in (
            (money.FORFEIT, money.ESCROW, target, taken),
            (money.FORFEIT_FEE, money.ESCROW, money.FEES, fee_taken),
            (money.LIABILITY, source, target, owed - taken),
            (money.LIABILITY, target, source, gain),
            (money.LIABILITY_FEE, source, money.FEES, fee - fee_taken),
        ):
            money.ask(
                connection, self._steps, contract, kind, source=from_, target=to,
                amount_minor=amount,
            )  # fmt: skip
        return {name: held - taken - fee_taken} if held else {}
