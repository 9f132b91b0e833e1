"""Use cases of firm offers: a target at which a quantity is fixed by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import pricing_pb2
from farmgate.contracts import matter_store, matters, store
from farmgate.contracts.prices import check_pricer, fixed_of
from farmgate.contracts.steps import Actor, Steps
from farmgate.contracts.values import ACTIVE, FIRM_OFFER, SELLER, Contract, Matter
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Message = pricing_pb2.FirmOffer
_LIVES_AT_MOST: Final = timedelta(days=366)
_OFFERS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered."""

    leg: int
    quantity: str
    target: str
    expires: datetime


class FirmOffers:
    """Keeps firm offers.

    Args:
        database: Where they are kept.
        steps: Makes steps.
    """

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    async def create(
        self, actor: Actor, contract_id: str, offer: Offer, effect: Effect[Matter, M]
    ) -> M:
        """Offers a quantity at a target.

        Raises:
            DomainError: NOT_A_PARTY, PERMISSION_DENIED, CONTRACT_STATE, ALREADY_PRICED,
                PRICING_DEADLINE_PASSED, FIXATION_EXCEEDS_BALANCE, RESOURCE_STATE or
                INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, party = self._steps.own(connection, contract_id, actor, "offer", (ACTIVE,))
            now = self._steps.clock.now()
            check_pricer(contract, party, offer.leg, now.date())
            self._check(connection, contract, offer, now)
            message = Message(
                firm_offer_id=self._steps.ids.ulid(),
                contract_id=contract_id,
                leg=pricing_pb2.FixationLeg.ValueType(offer.leg),
                quantity=offer.quantity,
                target_price=offer.target,
            )
            message.expire_time.FromDatetime(offer.expires)
            made = Matter(
                message.firm_offer_id, contract_id, FIRM_OFFER, "WORKING",
                message.SerializeToString(), due_at=offer.expires,
            )  # fmt: skip
            matter_store.put_matter(connection, made, is_new=True)
            detail = {"firm_offer_id": made.id, "target": offer.target}
            self._steps.step(
                connection, contract, "contract.firm_offer_made", actor, detail=detail, tells=()
            )
            effect.record(connection, made, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    async def page(
        self, actor: Actor, contract_id: str, *, state: str, after: str, limit: int
    ) -> list[Matter]:
        """Returns firm offers, oldest first; those of one state when it is stated.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[Matter]:
            self._steps.found(connection, contract_id, actor)
            return matter_store.matters_of(
                connection, contract_id, FIRM_OFFER, after=after, limit=limit, state=state
            )

        return await self._database.read(read)

    async def cancel(
        self, actor: Actor, contract_id: str, offer_id: str, effect: Effect[Matter, M]
    ) -> M:
        """Takes a firm offer back.

        Raises:
            DomainError: NOT_A_PARTY, PERMISSION_DENIED, NOT_FOUND or RESOURCE_STATE.
        """

        def write(connection: Connection) -> None:
            contract = self._steps.found(connection, contract_id, actor)
            if contract.party(actor.user_id) != (contract.message().price.pricer or SELLER):
                raise DomainError("PERMISSION_DENIED")
            found = matters.found(connection, contract_id, FIRM_OFFER, offer_id)
            matters.require(found, "cancelling", ("WORKING",))
            changed = matters.change(connection, found, "CANCELLED")
            detail = {"firm_offer_id": offer_id}
            self._steps.step(
                connection, contract, "contract.firm_offer_cancelled", actor, detail=detail,
                tells=(),
            )  # fmt: skip
            effect.record(connection, changed, resource=f"contract/{contract_id}")

        await self._database.write(write)
        return effect.reply

    def _check(
        self, connection: Connection, contract: Contract, offer: Offer, now: datetime
    ) -> None:
        if not now < offer.expires <= now + _LIVES_AT_MOST:
            raise invalid("expire_time", "must be in the future, within a year")
        if Decimal(offer.quantity) <= 0:
            raise invalid("quantity", "must be more than 0")
        working = [
            one for one in matter_store.open_matters(connection, contract.id)
            if one.kind == FIRM_OFFER
        ]  # fmt: skip
        if len(working) >= _OFFERS_MAX:
            raise DomainError(
                "RESOURCE_STATE", resource="contract", id=contract.label,
                state=f"with {_OFFERS_MAX} firm offers", action="another one",
            )  # fmt: skip
        offered = sum(
            (Decimal(offer_of(one).quantity) for one in working if offer_of(one).leg == offer.leg),
            start=Decimal(0),
        )
        done = fixed_of(store.fixations_of(connection, contract.id), offer.leg)
        balance = Decimal(contract.quantity) - done - offered
        if Decimal(offer.quantity) > balance:
            raise DomainError("FIXATION_EXCEEDS_BALANCE", balance=f"{balance:f}")


def offer_of(one: Matter) -> Message:
    """Returns a firm offer as a message, without what changes."""
    return Message.FromString(one.document)


def is_reached(pricer: int, target: Decimal, value: Decimal) -> bool:
    """Returns whether the market is at a target or better for who prices."""
    return value >= target if pricer == SELLER else value <= target
