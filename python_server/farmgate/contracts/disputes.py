"""Use cases of disputes: opening, answering, withdrawing, ruling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import dispute_types_pb2, force_majeure_pb2
from farmgate.contracts import matter_store, matters, store
from farmgate.contracts.rules import business_days
from farmgate.contracts.settlement import Settlement
from farmgate.contracts.steps import SYSTEM, Actor, Steps, other
from farmgate.contracts.values import (
    ACTIVE,
    BOTH,
    DISPUTE,
    FORCE_MAJEURE,
    Contract,
    Matter,
    Statement,
)
from farmgate.db import configuration
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Message = dispute_types_pb2.Dispute
Evidence = Sequence[dispute_types_pb2.Evidence]
EVIDENCE_MAX: Final = 20
_ANSWER_DAYS: Final = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """What a party claims."""

    subject: int
    amount: str
    text: str
    evidence: Evidence
    statement_id: str = ""
    delivery_id: str = ""


class Disputes:
    """Carries disputes.

    Args:
        database: Where they are kept.
        steps: Makes steps.
        settlement: Corrects statements.
    """

    def __init__(self, database: Database, steps: Steps, settlement: Settlement) -> None:
        self._database = database
        self._steps = steps
        self._settlement = settlement

    async def open(
        self, actor: Actor, contract_id: str, claim: Claim, effect: Effect[Matter, M]
    ) -> M:
        """Opens a dispute.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, OPEN_DISPUTE, NOT_FOUND, RESOURCE_STATE or
                DISPUTE_WINDOW_CLOSED.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(connection, contract_id, actor, "dispute", (ACTIVE,))
            made = self.opened(connection, contract, actor, party, claim)
            effect.record(connection, made, resource=f"dispute/{made.id}")

        await self._database.write(write)
        return effect.reply

    def opened(
        self, connection: Connection, contract: Contract, actor: Actor, party: int, claim: Claim
    ) -> Matter:
        """Opens a dispute in the caller's transaction; as `open`."""
        matters.refuse_while(connection, contract, "a dispute", {DISPUTE})
        now = self._steps.clock.now()
        if claim.delivery_id:
            load = store.delivery(connection, claim.delivery_id)
            if load is None or load.contract_id != contract.id:
                raise DomainError("NOT_FOUND", resource="delivery", id=claim.delivery_id)
        if claim.statement_id:
            statement = self._disputable(connection, contract, claim.statement_id, now)
            store.put_statement(connection, replace(statement, state="DISPUTED"))
        answer_by = business_days(now, _ANSWER_DAYS)
        message = Message(
            dispute_id=self._steps.ids.ulid(),
            contract_id=contract.id,
            subject=dispute_types_pb2.DisputeSubject.ValueType(claim.subject),
            opened_by=party,  # type: ignore[arg-type] # The number of a side.
            claim_amount=claim.amount,
            text=claim.text,
            evidence=claim.evidence,
            statement_id=claim.statement_id,
            delivery_id=claim.delivery_id,
        )
        message.answer_by.FromDatetime(answer_by)
        message.open_time.FromDatetime(now)
        made = Matter(
            message.dispute_id, contract.id, DISPUTE, "OPEN", message.SerializeToString(),
            due_at=answer_by,
        )  # fmt: skip
        matter_store.put_matter(connection, made, is_new=True)
        detail = {"dispute_id": made.id, "answer_by": answer_by.isoformat()}
        self._steps.step(
            connection, contract, "dispute.opened", actor, detail=detail, tells=(other(party),)
        )
        return made

    async def page(self, actor: Actor, contract_id: str, *, after: str, limit: int) -> list[Matter]:
        """Returns disputes, oldest first; a named arbitrator sees the own ones.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[Matter]:
            found = matter_store.matters_of(
                connection, contract_id, DISPUTE, after=after, limit=limit
            )
            named = [one for one in found if _arbitrator(one) == actor.user_id]
            if named:
                return named
            self._steps.found(connection, contract_id, actor)
            return found

        return await self._database.read(read)

    async def answer(
        self, actor: Actor, contract_id: str, dispute_id: str, text: str, evidence: Evidence,
        effect: Effect[Matter, M],
    ) -> M:  # fmt: skip
        """Answers, as the other party.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, PERMISSION_DENIED, RESOURCE_STATE or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, found, message = self._own(connection, actor, contract_id, dispute_id)
            if contract.party(actor.user_id) == message.opened_by:
                raise DomainError("PERMISSION_DENIED")
            matters.require(found, "answering", ("OPEN",))
            if len(message.evidence) + len(evidence) > EVIDENCE_MAX:
                raise invalid("evidence", f"may be {EVIDENCE_MAX} pieces in all")
            message.answer = text
            message.evidence.extend(evidence)
            changed = matters.change(connection, found, "ANSWERED", message.SerializeToString())
            self._told(connection, contract, actor, "dispute.answered", found)
            effect.record(connection, changed, resource=f"dispute/{dispute_id}")

        await self._database.write(write)
        return effect.reply

    async def withdraw(
        self, actor: Actor, contract_id: str, dispute_id: str, effect: Effect[Matter, M]
    ) -> M:
        """Takes a dispute back, as who opened it.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, PERMISSION_DENIED or RESOURCE_STATE.
        """

        def write(connection: Connection) -> None:
            contract, found, message = self._own(connection, actor, contract_id, dispute_id)
            if contract.party(actor.user_id) != message.opened_by:
                raise DomainError("PERMISSION_DENIED")
            matters.require(found, "withdrawing", ("OPEN", "ANSWERED", "REVIEW"))
            self._settlement.undisputed(connection, contract, message.statement_id)
            changed = matters.change(connection, found, "WITHDRAWN")
            self._told(connection, contract, actor, "dispute.withdrawn", found)
            effect.record(connection, changed, resource=f"dispute/{dispute_id}")

        await self._database.write(write)
        return effect.reply

    async def assign(
        self, actor: Actor, contract_id: str, dispute_id: str, arbitrator_id: str, reason: str,
        effect: Effect[Matter, M],
    ) -> M:  # fmt: skip
        """Names an arbitrator, who is no party, once it was answered or the time for it is over.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, RESOURCE_STATE or COUNTERPARTY_INELIGIBLE.
        """

        def write(connection: Connection) -> None:
            contract, found, message = self._own(connection, actor, contract_id, dispute_id)
            self._check_heard(found)
            user = self._steps.users.by_id(connection, arbitrator_id)
            if user is None or user.status != "ACTIVE" or contract.party(arbitrator_id):
                raise DomainError("COUNTERPARTY_INELIGIBLE")
            message.arbitrator_id = arbitrator_id
            changed = matters.change(connection, found, "REVIEW", message.SerializeToString())
            self._told(connection, contract, actor, "dispute.in_review", found)
            effect.record(connection, changed, resource=f"dispute/{dispute_id}", reason=reason)

        await self._database.write(write)
        return effect.reply

    async def rule(
        self, actor: Actor, contract_id: str, dispute_id: str, outcome: int, amount: str,
        reason: str, effect: Effect[Matter, M],
    ) -> M:  # fmt: skip
        """Rules, as the named arbitrator or as an admin who is no party.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, PERMISSION_DENIED, RESOURCE_STATE or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, found, message = self._ruled(connection, actor, contract_id, dispute_id)
            awarded = _awarded(outcome, amount, message.claim_amount)
            now = self._steps.clock.now()
            message.ruling.outcome = dispute_types_pb2.RulingOutcome.ValueType(outcome)
            message.ruling.amount = f"{awarded:f}"
            message.ruling.text = reason
            message.ruling.ruled_by = actor.user_id
            message.ruling.rule_time.FromDatetime(now)
            changed = matters.change(connection, found, "RESOLVED", message.SerializeToString())
            self._settlement.corrected(
                connection, contract, message.statement_id, awarded,
                to=int(message.opened_by), note=f"ruling {dispute_id}",
            )  # fmt: skip
            if outcome == dispute_types_pb2.RULING_OUTCOME_UPHELD:
                self._end_contested(connection, contract)
            # The statement was a step of its own.
            fresh = self._steps.found(connection, contract_id, SYSTEM)
            self._told(connection, fresh, actor, "dispute.ruled", found)
            effect.record(connection, changed, resource=f"dispute/{dispute_id}", reason=reason)

        await self._database.write(write)
        return effect.reply

    def _end_contested(self, connection: Connection, contract: Contract) -> None:
        """Ends the suspension that a ruling does not let stand."""
        for one in matter_store.open_matters(connection, contract.id):
            if one.kind == FORCE_MAJEURE and is_contested(one):
                matters.change(connection, one, "ENDED")

    def _own(
        self, connection: Connection, actor: Actor, contract_id: str, dispute_id: str
    ) -> tuple[Contract, Matter, Message]:
        contract = self._steps.found(connection, contract_id, actor)
        found = matters.found(connection, contract_id, DISPUTE, dispute_id)
        return contract, found, Message.FromString(found.document)

    def _ruled(
        self, connection: Connection, actor: Actor, contract_id: str, dispute_id: str
    ) -> tuple[Contract, Matter, Message]:
        one = matter_store.matter(connection, dispute_id)
        is_named = one is not None and _arbitrator(one) == actor.user_id
        reach = replace(actor, reaches_all=actor.reaches_all or is_named)
        contract, found, message = self._own(connection, reach, contract_id, dispute_id)
        if contract.party(actor.user_id) or not reach.reaches_all:
            raise DomainError("PERMISSION_DENIED")
        self._check_heard(found)
        return contract, found, message

    def _check_heard(self, found: Matter) -> None:
        """Refuses to decide before the other party could answer."""
        is_late = found.due_at is not None and found.due_at <= self._steps.clock.now()
        states = ("OPEN", "ANSWERED", "REVIEW") if is_late else ("ANSWERED", "REVIEW")
        matters.require(found, "deciding before the answer or its time", states)

    def _disputable(
        self, connection: Connection, contract: Contract, statement_id: str, now: datetime
    ) -> Statement:
        found = store.statement(connection, statement_id)
        if found is None or found.contract_id != contract.id:
            raise DomainError("NOT_FOUND", resource="statement", id=statement_id)
        days = configuration.current(connection, now).integer("contracts.dispute_days")
        if now > business_days(found.issued_at, days):
            raise DomainError("DISPUTE_WINDOW_CLOSED")
        # What is being paid is not disputed any more.
        disputable = {"ISSUED"} if contract.settle_agreed == BOTH else {"ISSUED", "FINAL"}
        if found.state not in disputable:
            raise DomainError(
                "RESOURCE_STATE", resource="statement", id=statement_id,
                state=found.state.lower(), action="disputing",
            )  # fmt: skip
        return found

    def _told(
        self, connection: Connection, contract: Contract, actor: Actor, type_: str, found: Matter
    ) -> None:
        detail = {"dispute_id": found.id}
        self._steps.step(connection, contract, type_, actor, detail=detail)


def is_contested(notice: Matter) -> bool:
    """Returns whether the other party contests a notice of force majeure."""
    return force_majeure_pb2.ForceMajeureNotice.FromString(notice.document).is_contested


def _arbitrator(one: Matter) -> str:
    return Message.FromString(one.document).arbitrator_id


def _awarded(outcome: int, amount: str, claimed: str) -> Decimal:
    """Returns what a ruling gives to who opened the dispute.

    Raises:
        DomainError: INVALID_ARGUMENT when amount and outcome do not fit.
    """
    given = Decimal(amount or "0")
    if outcome == dispute_types_pb2.RULING_OUTCOME_REJECTED:
        if given:
            raise invalid("amount", "must be empty when the claim is rejected")
        return given
    if outcome == dispute_types_pb2.RULING_OUTCOME_UPHELD:
        return given or Decimal(claimed or "0")
    if given <= 0:
        raise invalid("amount", "must be more than 0 when the claim is upheld in part")
    return given
