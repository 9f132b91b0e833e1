"""Defaults and washouts over gRPC, and what they cost."""

from datetime import UTC

import grpc

from farmgate.api.contracts.v1 import contract_terms_pb2, contract_types_pb2, remedies_pb2
from farmgate.api.contracts.v1.dispute_types_pb2 import Evidence
from service.contracts.conftest import LOADS, Deal

SELLER, BUYER = contract_terms_pb2.PARTY_SELLER, contract_terms_pb2.PARTY_BUYER
EXTEND, BUY_IN, AT_MARKET = (
    remedies_pb2.REMEDY_EXTEND, remedies_pb2.REMEDY_BUY_IN, remedies_pb2.REMEDY_CANCEL_AT_MARKET,
)  # fmt: skip
SHORT = contract_types_pb2.DELIVERY_STATUS_CLOSED_SHORT
SELLER_DEFAULT = contract_types_pb2.CANCELLATION_REASON_SELLER_DEFAULT
PROOF = [Evidence(sha256="cd" * 32)]


async def test_a_seller_who_delivers_a_part_owes_the_rest_at_the_market(deal: Deal) -> None:
    """CON-057, CON-058: scenario A10, 3,132.50 bushels at 28.75 cents are 900.59."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    stated = contract_terms_pb2.ContractTerms(quantity="5000")
    stated.default_policy.admin_fee_bps = "10"
    name = (await deal.active(terms=stated)).contract_id
    await deal.also("stranger", "farmer.jan")
    for load in LOADS:
        await deal.taken(name, *load)
    declare = {"contract_id": name, "defaulting_party": SELLER, "text": "There is no more corn."}
    await deal.guarded("DeclareDefault", **declare)
    # The other party waits for the end of the window and the grace.
    assert await deal.no("buyer", "DeclareDefault", **declare) == "RESOURCE_STATE"
    stale = await deal.no("seller", "DeclareDefault", **declare, expected_version=9)
    assert stale == "VERSION_CONFLICT"
    made = await deal.do("seller", "DeclareDefault", **declare)
    assert made.choose_by.ToDatetime().weekday() < 5
    assert await deal.no("seller", "DeclareDefault", **declare) == "RESOURCE_STATE"
    choose = {"contract_id": name, "remedy": AT_MARKET}
    await deal.guarded("ChooseRemedy", **choose)
    assert await deal.no("seller", "ChooseRemedy", **choose) == "PERMISSION_DENIED"
    for change in (
        {"remedy": EXTEND, "new_delivery_end": "2026-07-01"},
        {"remedy": EXTEND},
        {"remedy": BUY_IN, "buy_in_price": "4.90"},
        {"remedy": BUY_IN, "evidence": PROOF},
    ):
        assert await deal.no("buyer", "ChooseRemedy", **choose | change) == "INVALID_ARGUMENT"
    await deal.do("buyer", "ChooseRemedy", **choose)
    assert await deal.no("buyer", "ChooseRemedy", **choose) == "RESOURCE_STATE"
    # The close of the next business day, 2 June: 1,960 quarter cents are 4.90.
    await deal.settled_at("2026-06-02", 1_960)
    await deal.later(days=2)
    closed = await deal.until(name, lambda one: one.cancellation.reason == SELLER_DEFAULT)
    assert closed.state == contract_types_pb2.CONTRACT_STATE_ACTIVE
    end = closed.cancellation
    # The fee is a thousandth of 3,132.50 at 4.6125.
    assert (end.liable_party, end.quantity, end.reference_price, end.reference_date) == (
        SELLER, "3132.5", "4.9", "2026-06-02",
    )  # fmt: skip
    assert end.liability_amount == "915.04"
    # What was delivered is stated by itself, and paid once nobody objects.
    await deal.later(days=8)
    final = await deal.reaches(name, "SETTLED")
    assert final.delivery_status == SHORT
    await deal.cash_is("seller", round((before[0] + 8441.67 - 915.04) * 10_000))
    await deal.cash_is("buyer", round((before[1] - 8441.67 + 900.59) * 10_000))


async def test_remedies_are_a_longer_window_or_what_was_bought_elsewhere(deal: Deal) -> None:
    """CON-057, CON-058."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    name = (await deal.active()).contract_id
    declare = {"contract_id": name, "defaulting_party": SELLER, "text": "It comes too late."}
    await deal.do("seller", "DeclareDefault", **declare)
    longer = {"contract_id": name, "remedy": EXTEND, "new_delivery_end": "2026-08-31"}
    await deal.do("buyer", "ChooseRemedy", **longer)
    proposal = (await deal.do("seller", "ListAmendments", contract_id=name)).amendments[0]
    assert proposal.proposed_by == BUYER
    of = {"contract_id": name, "amendment_id": proposal.amendment_id}
    assert await deal.no("seller", "DeclareDefault", **declare) == "OPEN_AMENDMENT"
    await deal.do("seller", "RejectAmendment", **of)
    await deal.do("seller", "DeclareDefault", **declare)
    bought = {
        "contract_id": name, "remedy": BUY_IN, "buy_in_price": "4.9125", "evidence": PROOF,
    }  # fmt: skip
    done = await deal.do("buyer", "ChooseRemedy", **bought)
    # 1,900 bushels at 30 cents, of which the deposit covers 438.1875.
    assert done.liability_amount == "570.00"
    assert done.contract.state == contract_types_pb2.CONTRACT_STATE_CANCELLED
    assert done.contract.cancellation.evidence_hash == "cd" * 32
    await deal.cash_is("seller", round((before[0] - 570) * 10_000))
    await deal.cash_is("buyer", round((before[1] + 570) * 10_000))


async def test_nobody_chooses_and_the_buyer_is_in_default(deal: Deal) -> None:
    """CON-058: the market fell by 20 cents, so the buyer owes them, of the deposit."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    name = (await deal.active()).contract_id
    await deal.later(days=66)
    declare = {"contract_id": name, "defaulting_party": BUYER, "text": "He does not take it."}
    made = await deal.do("seller", "DeclareDefault", **declare)
    # Nobody chooses in two business days: it is the close of the next one.
    chosen = made.choose_by.ToDatetime(tzinfo=UTC)
    assert chosen.date().isoformat() == "2026-08-10"
    await deal.settled_at("2026-08-11", 1_765)
    await deal.later(days=6)
    ended = await deal.reaches(name, "CANCELLED")
    assert ended.cancellation.reason == contract_types_pb2.CANCELLATION_REASON_BUYER_DEFAULT
    assert (ended.cancellation.reference_price, ended.cancellation.liability_amount) == (
        "4.4125", "380.00",
    )  # fmt: skip
    await deal.cash_is("seller", round((before[0] + 380) * 10_000))
    await deal.cash_is("buyer", round((before[1] - 380) * 10_000))


async def test_both_wash_a_contract_out(deal: Deal) -> None:
    """CON-059: who gains of the price is paid by the other, and deposits go back."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    name = (await deal.active()).contract_id
    await deal.also("stranger", "farmer.jan")
    propose = {"contract_id": name, "price": "4.5125"}
    await deal.guarded("ProposeWashout", **propose)
    assert await deal.no("seller", "ProposeWashout", **propose | {"price": "0"}) == (
        "INVALID_ARGUMENT"
    )
    stale = await deal.no("seller", "ProposeWashout", **propose, expected_version=4)
    assert stale == "VERSION_CONFLICT"
    made = (await deal.do("seller", "ProposeWashout", **propose)).washout
    assert (made.quantity, made.amount, made.paying_party) == ("1900", "190.00", BUYER)
    assert await deal.no("buyer", "ProposeWashout", **propose) == "RESOURCE_STATE"
    accept = {"contract_id": name, "washout_id": made.washout_id}
    await deal.guarded("AcceptWashout", **accept)
    assert await deal.no("seller", "AcceptWashout", **accept) == "PERMISSION_DENIED"
    missing = accept | {"washout_id": "0" * 26}
    assert await deal.no("buyer", "AcceptWashout", **missing) == "NOT_FOUND"
    # A load comes in between: it is over another quantity then.
    await deal.taken(name, *LOADS[0])
    assert await deal.no("buyer", "AcceptWashout", **accept) == "RESOURCE_STATE"
    await deal.later(hours=73)

    async def again() -> str:
        # The first one is over once its time is.
        try:
            reply = await deal.do("seller", "ProposeWashout", **propose)
        except grpc.aio.AioRpcError:
            return ""
        return str(reply.washout.washout_id)

    found = await deal.comes(again, bool)
    done = await deal.do("buyer", "AcceptWashout", contract_id=name, washout_id=found)
    assert done.washout.is_accepted
    assert done.contract.state == contract_types_pb2.CONTRACT_STATE_ACTIVE
    await deal.later(days=8)
    final = await deal.reaches(name, "SETTLED")
    assert final.delivery_status == SHORT
    assert final.cancellation.reason == contract_types_pb2.CANCELLATION_REASON_WASHOUT
    # 976.79 bushels at 10 cents, beside what was delivered.
    await deal.cash_is("seller", round((before[0] + 4086.13 + 97.68) * 10_000))
    await deal.cash_is("buyer", round((before[1] - 4086.13 - 97.68) * 10_000))
