"""A9: a hedge to arrive: futures by a firm offer, rolled once, the basis at the deadline."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from farmgate.api.contracts.v1 import pricing_pb2
from scenarios.deal import Deal, signature, terms
from scenarios.server import World, exchange

NEAR, FAR, CASH = "CORN-N26", "CORN-U26", "CORN-US2Y-CHI"
QUANTITY = "1900"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An exchange of its own: weeks go by."""
    with exchange(tmp_path_factory.mktemp("exchange")) as made:
        Deal(made.faces["grpc"]).link_wallets()
        yield made


def fixations(deal: Deal, name: str, count: int) -> Any:
    """Waits until so many legs are fixed."""

    def found() -> Any:
        reply = deal.call("buyer", "ListFixations", contract_id=name)
        return reply if len(reply.fixations) == count else None

    return deal.until(found, f"{count} fixations")


def rolled(deal: Deal, name: str) -> None:
    """Both sign that the price follows a later month."""
    amendment = deal.call(
        "seller", "ProposeAmendment", contract_id=name, kind="AMENDMENT_KIND_ROLL",
        terms={"price": {"reference_series": FAR}}, update_mask="price.referenceSeries",
    ).amendment  # fmt: skip
    for side in ("seller", "buyer"):
        made = signature(side, json.loads(amendment.typed_data_json))
        deal.call(
            side, "SignAmendment", contract_id=name, amendment_id=amendment.amendment_id,
            digest=amendment.digest, signature=made,
        )  # fmt: skip
    deal.until(lambda: deal.operations(name).get("AMEND") == "CONFIRMED", "AMEND on the chain")
    contract = deal.get(name)
    assert (contract.version, contract.terms.price.reference_series) == (2, FAR)


def test_hedge_to_arrive_is_priced_leg_by_leg(deal: Deal, world: World) -> None:
    """FWD-009: scenario A9, 4.75 less 0.22 less 0.02."""
    today = world.clock.now().date()
    deadline = today + timedelta(days=19)
    world.settle(NEAR, today - timedelta(days=1), "4.7000")
    price = {
        "type": "PRICE_TYPE_HTA", "fixed_price": "", "reference_series": NEAR,
        "service_fee": "0.02", "pricing_deadline": str(deadline), "rolls_allowed": True,
    }  # fmt: skip
    window = {"start": str(today), "end": str(today + timedelta(days=60))}
    agreed = terms(price=price, delivery=window)
    name = deal.active(template_code="US-HTA", terms=agreed).contract_id

    expires = (world.clock.now() + timedelta(days=10)).isoformat()
    offer = deal.call(
        "seller", "CreateFirmOffer", contract_id=name, leg="FIXATION_LEG_FUTURES",
        quantity=QUANTITY, target_price="4.75", expire_time=expires,
    ).firm_offer  # fmt: skip
    assert offer.status == pricing_pb2.FIRM_OFFER_STATUS_WORKING
    assert not deal.call("buyer", "ListFixations", contract_id=name).fixations
    # The market jumps over the target: the offer is filled at its own price.
    world.settle(NEAR, today, "4.7600")
    futures = fixations(deal, name, 1).fixations[0]
    assert (futures.leg, futures.value, futures.quantity, futures.method) == (
        pricing_pb2.FIXATION_LEG_FUTURES, "4.75", QUANTITY, pricing_pb2.FIXATION_METHOD_FIRM_OFFER,
    )  # fmt: skip
    world.settle(FAR, today, "4.7800")
    rolled(deal, name)

    # On the day of the deadline the goods are 22 cents below the month that it was rolled to.
    world.settle(FAR, deadline, "4.8000")
    world.settle(CASH, deadline, "4.5800")
    world.clock.move(timedelta(days=20).total_seconds())
    deal.sign_in()
    both = fixations(deal, name, 2)
    basis = both.fixations[1]
    assert (basis.leg, basis.value, basis.quantity, basis.method) == (
        pricing_pb2.FIXATION_LEG_BASIS, "-0.22", QUANTITY,
        pricing_pb2.FIXATION_METHOD_DEADLINE_AUTO,
    )  # fmt: skip
    assert (futures.reference_series, basis.reference_series) == (NEAR, FAR)
    assert both.average_price == "4.51"
    assert deal.history(name).count("contract.price_fixed") == 2
    assert deal.call("buyer", "VerifyContract", contract_id=name).verification.is_good
