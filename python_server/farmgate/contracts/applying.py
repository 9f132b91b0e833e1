"""Makes loads count for a contract, and what is above the tolerance."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import contract_terms_pb2, delivery_types_pb2
from farmgate.contracts import matters, store
from farmgate.contracts.prices import Prices
from farmgate.contracts.rules import least, most
from farmgate.contracts.steps import SYSTEM, Actor, Steps
from farmgate.contracts.values import ACTIVE, BOTH, DEFAULT, WASHOUT, Contract, Delivery
from farmgate.errors import DomainError

Message = delivery_types_pb2.Delivery
_AT_SPOT = contract_terms_pb2.OVERFILL_POLICY_SPOT_PRICE
_AT_CONTRACT = contract_terms_pb2.OVERFILL_POLICY_CONTRACT_PRICE
_NEXT = contract_terms_pb2.OVERFILL_POLICY_NEXT_CONTRACT


class Applying:
    """Makes loads count.

    Args:
        steps: Makes steps.
        market: Says what the goods are worth, for what is above the tolerance.
    """

    def __init__(self, steps: Steps, market: Prices) -> None:
        self._steps = steps
        self._market = market

    def accept_due(self, connection: Connection, now: datetime) -> None:
        """Accepts loads within what must be taken that nobody decided in time."""
        for delivery in store.deliveries_due(connection, now):
            contract = store.contract(connection, delivery.contract_id)
            assert contract is not None, "Contracts are kept."
            if contract.state != ACTIVE:
                continue
            try:
                self.apply(connection, contract, delivery, SYSTEM)
            except DomainError:
                # It waits for a person: the tolerance has no room for it.
                waiting = replace(delivery, accept_by=None, version=delivery.version + 1)
                store.put_delivery(connection, waiting)

    def apply(
        self, connection: Connection, contract: Contract, delivery: Delivery, actor: Actor
    ) -> Delivery:
        """Makes a load count.

        Raises:
            DomainError: DELIVERY_EXCEEDS_TOLERANCE, NO_LIQUIDITY when what is above it has no
                price, or RESOURCE_STATE when the contract is being settled.
        """
        check_deliverable(contract)
        message = Message.FromString(delivery.document)
        stated = contract.message()
        applied, overfill = self._divided(contract, Decimal(message.net_quantity))
        message.applied_quantity = _plain(applied)
        message.overfill_quantity = _plain(overfill)
        if overfill and stated.overfill_policy == _AT_SPOT:
            day = message.weigh_out_time.ToDatetime().date()
            # Before that day is settled, what the goods trade at is the best known price of it.
            spot = self._market.cash(connection, stated, day)
            spot = self._market.cash(connection, stated) if spot is None else spot
            if spot is None:
                raise DomainError("NO_LIQUIDITY")
            message.overfill_price = f"{spot:f}"
        changed = replace(
            delivery, state="APPLIED", document=message.SerializeToString(),
            applied_quantity=_plain(applied), accept_by=None, version=delivery.version + 1,
        )  # fmt: skip
        store.put_delivery(connection, changed)
        delivered = contract.delivered + applied
        if delivered >= least(Decimal(stated.quantity), Decimal(stated.tolerance_pct or "0")):
            # There is nothing left to be in default with, or to wash out.
            matters.end(connection, contract, {DEFAULT, WASHOUT})
        self._steps.step(
            connection, contract, "delivery.accepted", actor,
            detail={"ticket": delivery.ticket, "quantity": f"{_plain(applied)} {stated.unit}"},
            # Who agreed to settle agreed to less than there is now.
            delivered_quantity=_plain(delivered), settle_agreed=0,
        )  # fmt: skip
        return changed

    @staticmethod
    def _divided(contract: Contract, units: Decimal) -> tuple[Decimal, Decimal]:
        """Returns how much of a load counts, and how much is above the tolerance."""
        stated = contract.message()
        largest = most(Decimal(stated.quantity), Decimal(stated.tolerance_pct or "0"))
        room = max(largest - contract.delivered, Decimal(0))
        if units <= room or stated.overfill_policy == _AT_CONTRACT:
            return units, Decimal(0)
        takes_part = stated.overfill_policy == _NEXT and room > 0
        if stated.overfill_policy != _AT_SPOT and not takes_part:
            raise DomainError("DELIVERY_EXCEEDS_TOLERANCE", maximum=_plain(room))
        return room, units - room


def check_deliverable(contract: Contract) -> None:
    """Refuses loads on a contract whose last statement is agreed.

    Raises:
        DomainError: RESOURCE_STATE.
    """
    if contract.settle_agreed == BOTH:
        raise DomainError(
            "RESOURCE_STATE", resource="contract", id=contract.label, state="being settled",
            action="delivering",
        )  # fmt: skip


def averaged(message: Message, second: Sequence[delivery_types_pb2.QualityReading]) -> None:
    """Notes the mean of both gradings; what only one of them measured stands as it is."""
    found = {one.parameter: one for one in message.first_quality}
    del message.quality[:]
    for one in second:
        before = found.pop(one.parameter, None)
        added = message.quality.add()
        added.CopyFrom(one)
        if before is not None:
            added.value = _plain((Decimal(before.value) + Decimal(one.value)) / 2)
    message.quality.extend(found.values())


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"
