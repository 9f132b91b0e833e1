"""Use cases of force majeure: notice, suspension, end, contest, and what time brings.

The order of things is GAFTA's: notice within seven days; until 21 days after the window both wait;
then the other party may end the contract until the end of the next business day; else it goes on
waiting for 14 days, and then it is void.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import dispute_types_pb2, force_majeure_pb2
from farmgate.contracts import matter_store, matters, store, terms
from farmgate.contracts.closing import Cause, Closing
from farmgate.contracts.disputes import Claim, Disputes
from farmgate.contracts.steps import SYSTEM, Actor, Steps, other
from farmgate.contracts.timetable import NOTICE_DAYS, SUSPEND_DAYS, state, timetable
from farmgate.contracts.values import ACTIVE, DISPUTE, FORCE_MAJEURE, Contract, Matter
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Message = force_majeure_pb2.ForceMajeureNotice


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, that nobody could have helped."""

    kind: int
    occurred_on: str
    text: str
    evidence: Sequence[dispute_types_pb2.Evidence]


class Suspensions:
    """Suspends contracts.

    Args:
        database: Where they are kept.
        steps: Makes steps.
        disputes: Takes contested notices up.
        closing: Ends what waited too long.
    """

    def __init__(
        self, database: Database, steps: Steps, disputes: Disputes, closing: Closing
    ) -> None:
        self._database = database
        self._steps = steps
        self._disputes = disputes
        self._closing = closing

    async def notify(
        self, actor: Actor, contract_id: str, event: Event, effect: Effect[Matter, M]
    ) -> M:
        """Suspends a contract by a notice.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, RESOURCE_STATE, FM_SUSPENDED, FM_NOTICE_LATE
                or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(connection, contract_id, actor, "suspend", (ACTIVE,))
            now = self._steps.clock.now()
            self._check(connection, contract, event, now)
            table = timetable(contract)
            message = Message(
                notice_id=self._steps.ids.ulid(),
                contract_id=contract_id,
                event=force_majeure_pb2.ForceMajeureEvent.ValueType(event.kind),
                notified_by=party,  # type: ignore[arg-type] # The number of a side.
                occurred_on=event.occurred_on,
                text=event.text,
                evidence=event.evidence,
                suspend_until=table.choose_from.date().isoformat(),
            )
            message.notify_time.FromDatetime(now)
            made = Matter(
                message.notice_id, contract_id, FORCE_MAJEURE, "SUSPENDED",
                message.SerializeToString(), due_at=table.void_at,
            )  # fmt: skip
            matter_store.put_matter(connection, made, is_new=True)
            detail = {"notice_id": made.id, "suspend_until": message.suspend_until}
            self._steps.step(
                connection, contract, "fm.notified", actor, detail=detail, tells=(other(party),)
            )
            effect.record(connection, made, resource=f"force_majeure/{made.id}")

        await self._database.write(write)
        return effect.reply

    async def page(self, actor: Actor, contract_id: str, *, after: str, limit: int) -> list[Matter]:
        """Returns notices, oldest first.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[Matter]:
            self._steps.found(connection, contract_id, actor)
            return matter_store.matters_of(
                connection, contract_id, FORCE_MAJEURE, after=after, limit=limit
            )

        return await self._database.read(read)

    async def end(
        self, actor: Actor, contract_id: str, notice_id: str, effect: Effect[Matter, M]
    ) -> M:
        """Ends the suspension, as who gave notice or as an admin.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, PERMISSION_DENIED or RESOURCE_STATE.
        """

        def write(connection: Connection) -> None:
            contract, found, message = self._own(connection, actor, contract_id, notice_id)
            party = contract.party(actor.user_id)
            if party != message.notified_by and (party or not actor.reaches_all):
                raise DomainError("PERMISSION_DENIED")
            matters.require(found, "ending", ("SUSPENDED",))
            message.end_time.FromDatetime(self._steps.clock.now())
            changed = matters.change(connection, found, "ENDED", message.SerializeToString())
            detail = {"notice_id": found.id}
            self._steps.step(connection, contract, "fm.ended", actor, detail=detail)
            effect.record(connection, changed, resource=f"force_majeure/{notice_id}")

        await self._database.write(write)
        return effect.reply

    async def contest(
        self, actor: Actor, contract_id: str, notice_id: str, text: str,
        effect: Effect[tuple[Matter, Matter], M],
    ) -> M:  # fmt: skip
        """Contests a notice, as the other party: a dispute is opened, the suspension stays.

        Raises:
            DomainError: NOT_A_PARTY, NOT_FOUND, PERMISSION_DENIED, RESOURCE_STATE or OPEN_DISPUTE.
        """

        def write(connection: Connection) -> None:
            contract, found, message = self._own(connection, actor, contract_id, notice_id)
            party = contract.party(actor.user_id)
            if party == message.notified_by:
                raise DomainError("PERMISSION_DENIED")
            matters.require(found, "contesting", ("SUSPENDED",))
            matters.refuse_while(connection, contract, "contesting", {DISPUTE})
            message.is_contested = True
            changed = matters.change(
                connection, found, "SUSPENDED", message.SerializeToString(), found.due_at
            )
            claim = Claim(dispute_types_pb2.DISPUTE_SUBJECT_OTHER, "", text, ())
            dispute = self._disputes.opened(connection, contract, actor, party, claim)
            effect.record(connection, (changed, dispute), resource=f"force_majeure/{notice_id}")

        await self._database.write(write)
        return effect.reply

    def end_due(self, connection: Connection, now: datetime) -> None:
        """Ends contracts that were suspended too long; an open dispute is waited for."""
        for one in matter_store.matters_due(connection, (FORCE_MAJEURE,), now):
            contract = store.contract(connection, one.contract_id)
            assert contract is not None, "Contracts are kept."
            if self._closing.is_possible(connection, contract):
                self._closing.close(connection, contract, SYSTEM, Cause("FORCE_MAJEURE"))

    def _check(
        self, connection: Connection, contract: Contract, event: Event, now: datetime
    ) -> None:
        agreed = contract.message().force_majeure
        if not agreed.is_enabled:
            raise state(contract, "without a clause of force majeure")
        occurred = terms.day("occurred_on", event.occurred_on)
        assert occurred is not None, "The API demands it."
        if occurred > now.date():
            raise invalid("occurred_on", "must not be in the future")
        matters.refuse_while(connection, contract, "another notice", {FORCE_MAJEURE})
        days = agreed.notice_days or NOTICE_DAYS
        if (now.date() - occurred).days > days:
            raise DomainError("FM_NOTICE_LATE", days=days)
        # What was known three weeks before the window is told by then.
        before = date.fromisoformat(contract.delivery_start) - timedelta(days=SUSPEND_DAYS)
        if occurred <= before < now.date():
            raise DomainError("FM_NOTICE_LATE", days=days)

    def _own(
        self, connection: Connection, actor: Actor, contract_id: str, notice_id: str
    ) -> tuple[Contract, Matter, Message]:
        contract = self._steps.found(connection, contract_id, actor)
        found = matters.found(connection, contract_id, FORCE_MAJEURE, notice_id)
        return contract, found, Message.FromString(found.document)
