"""Pricing over gRPC: fixing at the market, firm offers, and what the deadline fixes."""

from datetime import timedelta
from typing import Any

from farmgate.api.contracts.v1 import contract_terms_pb2, contract_types_pb2, pricing_pb2
from service.contracts.conftest import CHI, LOADS, Deal

FUTURES, BASIS, ALL = (
    pricing_pb2.FIXATION_LEG_FUTURES, pricing_pb2.FIXATION_LEG_BASIS, pricing_pb2.FIXATION_LEG_ALL,
)  # fmt: skip
AUTO = pricing_pb2.FIXATION_METHOD_DEADLINE_AUTO
FORWARD = "CORN-U26"


def priced(kind: int, **stated: Any) -> contract_terms_pb2.ContractTerms:
    found = contract_terms_pb2.ContractTerms()
    found.price.type = kind  # type: ignore[assignment] # A number of the enum.
    found.price.fixed_price = ""
    found.price.pricing_deadline = "2026-06-20"
    for name, value in stated.items():
        setattr(found.price, name, value)
    return found


async def fixed_at_the_market(deal: Deal, name: str) -> None:
    fix = {"contract_id": name, "leg": FUTURES, "quantity": "1000"}
    await deal.guarded("FixPrice", **fix)
    await deal.guarded("ListFixations", contract_id=name)
    assert await deal.no("buyer", "FixPrice", **fix) == "PERMISSION_DENIED"
    for change, reason in (
        ({"leg": ALL}, "INVALID_ARGUMENT"),
        ({"quantity": "0"}, "INVALID_ARGUMENT"),
        ({"target_price": "4.80"}, "INVALID_ARGUMENT"),
        ({"quantity": "1901"}, "FIXATION_EXCEEDS_BALANCE"),
    ):
        assert await deal.no("seller", "FixPrice", **fix | change) == reason, change
    one = (await deal.do("seller", "FixPrice", **fix)).fixation
    assert (one.value, one.method) == ("4.75", pricing_pb2.FIXATION_METHOD_AT_MARKET)


async def checked_offer(deal: Deal, offer: dict[str, Any]) -> None:
    """Makes an offer and takes it back, after all that is refused."""
    await deal.guarded("CreateFirmOffer", **offer)
    await deal.guarded("ListFirmOffers", contract_id=offer["contract_id"])
    assert await deal.no("buyer", "CreateFirmOffer", **offer) == "PERMISSION_DENIED"
    for change, reason in (
        ({"leg": ALL}, "INVALID_ARGUMENT"),
        ({"quantity": "0"}, "INVALID_ARGUMENT"),
        ({"quantity": "901"}, "FIXATION_EXCEEDS_BALANCE"),
        ({"expire_time": deal.clock.now()}, "INVALID_ARGUMENT"),
        ({"expire_time": deal.clock.now() + timedelta(days=400)}, "INVALID_ARGUMENT"),
    ):
        assert await deal.no("seller", "CreateFirmOffer", **offer | change) == reason, change
    made = (await deal.do("seller", "CreateFirmOffer", **offer)).firm_offer
    assert await deal.no("seller", "CreateFirmOffer", **offer) == "FIXATION_EXCEEDS_BALANCE"
    of = {"contract_id": offer["contract_id"], "firm_offer_id": made.firm_offer_id}
    await deal.guarded("CancelFirmOffer", **of)
    assert await deal.no("buyer", "CancelFirmOffer", **of) == "PERMISSION_DENIED"
    missing = of | {"firm_offer_id": "0" * 26}
    assert await deal.no("seller", "CancelFirmOffer", **missing) == "NOT_FOUND"
    gone = (await deal.do("seller", "CancelFirmOffer", **of)).firm_offer
    assert gone.status == pricing_pb2.FIRM_OFFER_STATUS_CANCELLED
    assert await deal.no("seller", "CancelFirmOffer", **of) == "RESOURCE_STATE"


async def test_legs_are_fixed_at_the_market_and_by_firm_offers(deal: Deal) -> None:
    """CON-041, CON-045, CON-046: an HTA of 4.75 in futures, -0.22 in basis and 2 cents of fee."""
    stated = priced(
        contract_terms_pb2.PRICE_TYPE_HTA, reference_series=FORWARD, service_fee="0.02",
        futures_price="",
    )  # fmt: skip
    await deal.settled_at("2026-05-29", 1_900, FORWARD)
    await deal.settled_at("2026-05-29", 1_812, CHI)
    name = (await deal.active(template_code="US-HTA", terms=stated)).contract_id
    await deal.also("stranger", "farmer.jan")
    await fixed_at_the_market(deal, name)
    found = (await deal.do("seller", "GetContract", contract_id=name)).contract
    assert found.pricing_status == contract_types_pb2.PRICING_STATUS_UNPRICED

    expires = deal.clock.now() + timedelta(days=10)
    offer = {
        "contract_id": name, "leg": FUTURES, "quantity": "900", "target_price": "4.76",
        "expire_time": expires,
    }  # fmt: skip
    await checked_offer(deal, offer)
    offer["target_price"] = "4.75"
    filled = (await deal.do("seller", "CreateFirmOffer", **offer)).firm_offer.firm_offer_id

    async def status() -> Any:
        wanted = {"contract_id": name, "status": pricing_pb2.FIRM_OFFER_STATUS_FILLED}
        return (await deal.do("seller", "ListFirmOffers", **wanted)).firm_offers

    reached = await deal.comes(status, bool)
    assert [one.firm_offer_id for one in reached] == [filled]
    # The deadline fixes the basis: the cash price of its day less the futures' of that day.
    await deal.taken(name, *LOADS[0])
    assert await deal.no("seller", "IssueStatement", contract_id=name) == "NOT_PRICED"
    await deal.settled_at("2026-06-20", 1_900, FORWARD)
    await deal.settled_at("2026-06-20", 1_812, CHI)
    await deal.later(days=20)

    async def fixations() -> Any:
        return await deal.do("buyer", "ListFixations", contract_id=name)

    done = await deal.comes(fixations, lambda one: len(one.fixations) == 3)
    assert done.average_price == "4.51"
    last = done.fixations[-1]
    assert (last.leg, last.value, last.quantity, last.method) == (BASIS, "-0.22", "1900", AUTO)
    late = await deal.no("seller", "FixPrice", contract_id=name, leg=BASIS, quantity="1")
    assert late == "PRICING_DEADLINE_PASSED"
    assert await deal.no("seller", "CreateFirmOffer", **offer) == "PRICING_DEADLINE_PASSED"
    found = (await deal.do("seller", "GetContract", contract_id=name)).contract
    assert found.pricing_status == contract_types_pb2.PRICING_STATUS_PRICED
    issued = (await deal.do("seller", "IssueStatement", contract_id=name)).statement
    # 923.21 bushels at 4.51.
    assert issued.gross == "4163.68"


async def test_a_price_is_waited_for_and_fixed_even_while_there_is_a_dispute(deal: Deal) -> None:
    """CON-045, CON-046: the floor holds, and a fixed price is fixed already."""
    name = (await deal.active()).contract_id
    fix = {"contract_id": name, "leg": FUTURES, "quantity": "1000"}
    assert await deal.no("seller", "FixPrice", **fix) == "ALREADY_PRICED"
    stated = priced(
        contract_terms_pb2.PRICE_TYPE_MIN_PRICE, reference_series=FORWARD, floor="4.60",
        service_fee="0.05",
    )  # fmt: skip
    name = (await deal.active(template_code="US-MIN-PRICE", terms=stated)).contract_id
    fix = {"contract_id": name, "leg": ALL, "quantity": "1900"}
    assert await deal.no("seller", "FixPrice", **fix) == "NO_LIQUIDITY"
    await deal.taken(name, *LOADS[0])
    await deal.do(
        "buyer", "OpenDispute", contract_id=name, subject=1, text="It is not what was agreed."
    )
    await deal.later(days=20)
    assert await deal.no("seller", "FixPrice", **fix) == "PRICING_DEADLINE_PASSED"
    found = await deal.do("seller", "ListFixations", contract_id=name)
    assert not found.fixations
    # The day itself had no price; the day after it shows that there will be none of it.
    await deal.settled_at("2026-06-19", 1_800, FORWARD)
    await deal.settled_at("2026-06-21", 1_860, FORWARD)

    async def mean() -> str:
        return str((await deal.do("seller", "ListFixations", contract_id=name)).average_price)

    assert await deal.comes(mean, bool) == "4.55"
    unpriced = contract_terms_pb2.ContractTerms()
    unpriced.CopyFrom(stated)
    unpriced.price.ClearField("floor")
    unpriced.price.type = contract_terms_pb2.PRICE_TYPE_BASIS
    unpriced.price.basis, unpriced.price.reference_series = "-0.20", "NOBODY-KNOWS"
    unpriced.delivery.location_code = "DEL"
    drafted = await deal.draft(template_code="US-BASIS", terms=unpriced)
    refusal = await deal.no("seller", "SubmitContract", contract_id=drafted.contract_id)
    assert refusal == "NO_LIQUIDITY"
