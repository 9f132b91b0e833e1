"""Use cases of ending a contract before anything was delivered."""

import json
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from farmgate.blockchain.facade import ChainOperations, cancellation
from farmgate.contracts import matters, money, payments
from farmgate.contracts.steps import Actor, Steps, View, other
from farmgate.contracts.timetable import require_choice
from farmgate.contracts.values import (
    ACTIVE,
    BOTH,
    CANCELLED,
    DISPUTE,
    DRAFT,
    PENDING,
    SIGNED,
    Contract,
)
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
_NO_HASH: Final = bytes(32)


class Ending:
    """Declines, withdraws and cancels.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        operations: Asks the chain.
    """

    def __init__(self, database: Database, steps: Steps, operations: ChainOperations) -> None:
        self._database = database
        self._steps = steps
        self._operations = operations

    async def decline(
        self, actor: Actor, contract_id: str, note: str, expected: int,
        effect: Effect[View, M],
    ) -> M:  # fmt: skip
        """Declines what the other party wrote.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT or PERMISSION_DENIED.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "decline", (PENDING,), expected
            )
            if party == contract.creator:
                raise DomainError("PERMISSION_DENIED")
            changed = self._end(connection, contract, actor, "DECLINED", "contract.declined", note)
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract_id}",
            )

        await self._database.write(write)
        return effect.reply

    async def cancel(
        self, actor: Actor, contract_id: str, reason: str, note: str, expected: int,
        effect: Effect[View, M],
    ) -> M:  # fmt: skip
        """Withdraws a draft or an offer, or agrees with the other party to cancel.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, CANCEL_AFTER_DELIVERY,
                PERMISSION_DENIED, OPEN_DISPUTE, RESOURCE_STATE or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(
                connection, contract_id, actor, "cancel", (DRAFT, PENDING, SIGNED, ACTIVE), expected
            )
            changed = self._cancelled(connection, contract, actor, party, reason, note)
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract_id}",
                reason=note,
            )

        await self._database.write(write)
        return effect.reply

    def expire(self, connection: Connection, contract: Contract, actor: Actor) -> None:
        """Ends a contract that nobody signed in time."""
        self._end(connection, contract, actor, "EXPIRED", "contract.expired", "")

    def end(
        self, connection: Connection, contract: Contract, actor: Actor, reason: str,
        note: str = "", **changes: Any,
    ) -> Contract:  # fmt: skip
        """Cancels a contract of which nothing was delivered."""
        return self._end(connection, contract, actor, reason, "contract.cancelled", note, **changes)

    def _cancelled(
        self, connection: Connection, contract: Contract, actor: Actor, party: int, reason: str,
        note: str,
    ) -> Contract:  # fmt: skip
        if contract.state in {DRAFT, PENDING}:
            if party != contract.creator and not actor.reaches_all:
                raise DomainError("PERMISSION_DENIED")
            if reason != "WITHDRAWN":
                raise invalid("reason", "must be WITHDRAWN before both have signed")
            return self.end(connection, contract, actor, reason, note)
        if contract.delivered > 0:
            raise DomainError("CANCEL_AFTER_DELIVERY")
        if not party:
            # An admin, when the chain refused what both had signed.
            if contract.state != SIGNED or contract.chain_status != "FAILED":
                raise DomainError(
                    "CONTRACT_STATE", state=contract.state, action="voiding",
                    allowed="Signed with the chain's refusal",
                )  # fmt: skip
            return self.end(connection, contract, actor, "CHAIN_FAILURE", note)
        matters.refuse_while(connection, contract, "cancelling", {DISPUTE})
        if contract.state == ACTIVE and reason == "FORCE_MAJEURE":
            require_choice(connection, contract, party, self._steps.clock.now())
            return self.end(connection, contract, actor, reason, note)
        allowed = {"MUTUAL"} if contract.state == SIGNED else {"MUTUAL", "WASHOUT"}
        if reason not in allowed:
            raise invalid("reason", f"must be {' or '.join(sorted(allowed))}")
        agreed = contract.cancel_agreed | party
        if agreed == BOTH:
            return self.end(connection, contract, actor, reason, note)
        return self._steps.step(
            connection, contract, "contract.cancel_proposed", actor,
            detail={"reason": reason, "note": note}, tells=(other(party),), cancel_agreed=agreed,
        )  # fmt: skip

    def _end(
        self, connection: Connection, contract: Contract, actor: Actor, reason: str, type_: str,
        note: str, **changes: Any,
    ) -> Contract:  # fmt: skip
        assert contract.delivered == 0, "What was delivered is settled, never cancelled."
        matters.clear(connection, contract)
        ended = self._steps.step(
            connection, contract, type_, actor, detail={"reason": reason, "note": note},
            state=CANCELLED, cancel_reason=reason, cancelled_at=self._steps.clock.now(), **changes,
        )  # fmt: skip
        if ended.signed_at is not None:
            self._release(connection, ended)
        return ended

    def _release(self, connection: Connection, contract: Contract) -> None:
        """Gives deposits back and tells the chain that the contract is over."""
        money.return_deposits(connection, self._steps, contract)
        payments.ask_rulings(connection, self._steps, contract)
        # What waits for the chain goes there before it, and then this after it.
        if contract.chain_status in {"PENDING", "CONFIRMED"} and self._operations.is_enabled:
            domain = self._operations.signing_domain(connection, contract.id)
            outcome = json.loads(contract.outcome or "{}")
            evidence = bytes.fromhex(outcome.get("evidence_hash", "")) or _NO_HASH
            payload = cancellation(
                domain, contract.id, reason=contract.cancel_reason, evidence_hash=evidence
            )
            self._operations.request(
                connection, payload, reference=contract.id, user_ids=contract.party_ids
            )
