"""A forward contract from draft to settlement, over gRPC, on the embedded chain."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from farmgate.api.contracts.v1 import (
    contract_events_pb2,
    contract_terms_pb2,
    contract_types_pb2,
    contracts_pb2,
    deliveries_pb2,
    delivery_types_pb2,
    negotiation_pb2,
    settlements_pb2,
    signing_pb2,
    templates_pb2,
    weighing_pb2,
)
from farmgate.api.users.v1 import wallets_pb2, wallets_pb2_grpc
from farmgate.ports.clock import FakeClock
from service.contracts.conftest import LOADS, Deal
from support import move_outside, refused


async def settled(deal: Deal, contract_id: str, **given: Any) -> Any:
    issue = settlements_pb2.IssueStatementRequest(contract_id=contract_id)
    statement = (
        await deal.settlement.IssueStatement(issue, metadata=deal.seller.metadata)
    ).statement
    for who in (deal.seller, deal.buyer):
        accept = settlements_pb2.AcceptStatementRequest(
            contract_id=contract_id, statement_id=statement.statement_id, sha256=statement.sha256
        )
        await deal.settlement.AcceptStatement(accept, metadata=who.metadata)
    settle = contracts_pb2.SettleContractRequest(contract_id=contract_id, **given)
    first = await deal.contracts.SettleContract(settle, metadata=deal.seller.metadata)
    assert first.waiting_for == contract_terms_pb2.PARTY_BUYER
    await deal.contracts.SettleContract(settle, metadata=deal.buyer.metadata)
    return statement


async def test_a_fixed_price_contract_is_signed_delivered_and_settled(deal: Deal) -> None:
    """CON-001, CON-010, CON-020, CON-030, CON-040: scenario A8."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    contract = await deal.active()
    name = contract.contract_id
    assert contract.chain.status == contract_types_pb2.CHAIN_STATUS_CONFIRMED
    assert float(contract.buyer_deposit_held) == pytest.approx(876.375)
    assert float(contract.seller_deposit_held) == pytest.approx(438.1875)
    held = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    assert before[0] - held[0] == pytest.approx(438.1875)
    assert before[1] - held[1] == pytest.approx(876.375)

    first = await deal.load(name, *LOADS[0])
    assert (first.net_quantity, first.grade_result) == (
        "923.21", delivery_types_pb2.GRADE_RESULT_DISCOUNT,
    )  # fmt: skip
    await deal.do("buyer", "AcceptDelivery", delivery_id=first.delivery_id)
    second = await deal.load(name, *LOADS[1])
    await deal.do("buyer", "AcceptDelivery", delivery_id=second.delivery_id)
    preview = settlements_pb2.PreviewSettlementRequest(contract_id=name)
    shown = await deal.settlement.PreviewSettlement(preview, metadata=deal.buyer.metadata)
    assert shown.statement.net == "8441.67"
    statement = await settled(deal, name)
    assert (statement.net, statement.gross, statement.adjustments) == (
        "8441.67", "8613.85", "-172.18",
    )  # fmt: skip
    final = await deal.reaches(name, "SETTLED")
    assert final.delivered_quantity == "1867.5"
    assert final.delivery_status == contract_types_pb2.DELIVERY_STATUS_COMPLETE
    async with asyncio.timeout(20):
        while True:
            after = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
            if after[0] - before[0] == pytest.approx(8441.67):
                break
            await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        while before[1] - await deal.cash(deal.buyer) != pytest.approx(8441.67):
            await asyncio.sleep(0.05)
    verify = signing_pb2.VerifyContractRequest(contract_id=name)
    proof = (await deal.signing.VerifyContract(verify, metadata=deal.seller.metadata)).verification
    assert proof.is_good, proof
    assert [check.name for check in proof.checks] == [
        "terms_hash", "terms_cid", "seller_signature", "buyer_signature", "chain",
    ]  # fmt: skip
    by_hash = await deal.signing.VerifyContractByHash(
        signing_pb2.VerifyContractByHashRequest(terms_hash=final.terms_hash)
    )
    assert by_hash.verification.is_good
    history = await deal.events.GetContractHistory(
        contract_events_pb2.GetContractHistoryRequest(contract_id=name),
        metadata=deal.buyer.metadata,
    )
    types = [event.type for event in history.events]
    assert types[:3] == ["contract.drafted", "contract.signature_required",
                         "contract.signed_by_counterparty"]  # fmt: skip
    # Both deposits come back after it, in their own time.
    assert "contract.settled" in types[-3:]
    assert {"contract.signed", "contract.chain_confirmed", "contract.active"} <= set(types)


async def test_terms_are_negotiated_until_both_sign_the_same(deal: Deal) -> None:
    """CON-002, CON-003, CON-004."""
    contract = await deal.submitted()
    name = contract.contract_id
    assert contract.terms.tolerance_pct == "2"
    assert "sign" in contract.allowed_actions
    await deal.sign(name, "seller")
    counter = negotiation_pb2.CounterContractRequest(contract_id=name)
    counter.terms.price.fixed_price = "4.5500"
    counter.update_mask.paths.append("price.fixed_price")
    own = await refused(deal.talks.CounterContract(counter, metadata=deal.seller.metadata))
    assert own.reason == "PERMISSION_DENIED"
    countered = await deal.talks.CounterContract(counter, metadata=deal.buyer.metadata)
    assert countered.contract.state == contract_types_pb2.CONTRACT_STATE_DRAFT
    assert countered.contract.version == 2
    assert not countered.contract.signatures
    assert countered.contract.terms.quantity == "1900"
    again = await deal.submit(name, deal.buyer)
    assert again.terms_hash != contract.terms_hash
    twice = await refused(deal.sign(name, "seller", contract_version=1))
    assert twice.reason == "VERSION_CONFLICT"
    await deal.sign(name, "seller")
    assert (await refused(deal.sign(name, "seller"))).reason == "ALREADY_SIGNED"
    decline = negotiation_pb2.DeclineContractRequest(contract_id=name, note="too low")
    done = await deal.talks.DeclineContract(decline, metadata=deal.seller.metadata)
    assert done.contract.state == contract_types_pb2.CONTRACT_STATE_CANCELLED
    assert done.contract.cancellation.reason == contract_types_pb2.CANCELLATION_REASON_DECLINED
    refusal = await refused(deal.sign(name, "buyer"))
    assert (refusal.reason, refusal.metadata["state"]) == ("CONTRACT_STATE", "Cancelled")


async def test_signatures_of_others_are_refused(deal: Deal) -> None:
    """CON-011."""
    name = (await deal.submitted()).contract_id
    payload = await deal.signing.GetSigningPayload(
        signing_pb2.GetSigningPayloadRequest(contract_id=name), metadata=deal.seller.metadata
    )
    assert json.loads(payload.typed_data_json)["message"]["price"] == "4.6125 USD/bu FIXED"
    wrong = await refused(deal.sign(name, "seller", signature="0x" + "11" * 65))
    assert wrong.reason in {"SIGNATURE_INVALID", "SIGNER_WALLET_MISMATCH"}
    digest = await refused(deal.sign(name, "seller", digest="0x" + "00" * 32))
    assert digest.reason == "DIGEST_MISMATCH"
    stranger = signing_pb2.GetSigningPayloadRequest(contract_id=name)
    other = await deal.api.log_in("farmer.jan@farmgate.example", "Demo-Pass-2026!")
    refusal = await refused(
        deal.signing.GetSigningPayload(
            stranger, metadata=(("authorization", f"Bearer {other.access_token}"),)
        )
    )
    assert refusal.reason == "NOT_A_PARTY"


async def test_nobody_signs_after_the_time(deal: Deal, clock: FakeClock) -> None:
    """CON-012."""
    name = (await deal.submitted()).contract_id
    clock.move(72 * 3_600 + 1)
    await deal.sign_in()
    refusal = await refused(deal.sign(name, "seller"))
    assert refusal.reason in {"SIGN_DEADLINE_PASSED", "CONTRACT_STATE"}
    ended = await deal.reaches(name, "CANCELLED")
    assert ended.cancellation.reason == contract_types_pb2.CANCELLATION_REASON_EXPIRED


async def test_both_cancel_what_both_signed_and_get_their_deposits_back(deal: Deal) -> None:
    """CON-021, CON-022."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    name = (await deal.active()).contract_id
    request = contracts_pb2.CancelContractRequest(
        contract_id=name, reason=contract_types_pb2.CANCELLATION_REASON_MUTUAL
    )
    one = await deal.contracts.CancelContract(request, metadata=deal.seller.metadata)
    assert not one.is_cancelled
    both = await deal.contracts.CancelContract(request, metadata=deal.buyer.metadata)
    assert both.is_cancelled
    async with asyncio.timeout(20):
        while [await deal.cash(who) for who in (deal.seller, deal.buyer)] != before:
            await asyncio.sleep(0.05)


async def test_a_missing_deposit_ends_the_contract(deal: Deal, clock: FakeClock) -> None:
    """CON-023."""
    terms = contract_terms_pb2.ContractTerms(quantity="100000")
    terms.deposit.seller_pct = "100"
    terms.price.fixed_price = "4.9"
    await move_outside(deal.api, deal.seller, "USD", -900_000 * 10_000)
    contract = await deal.submitted(terms=terms)
    await deal.sign(contract.contract_id, "seller")
    await deal.sign(contract.contract_id, "buyer")
    clock.move(73 * 3_600)
    await deal.sign_in()
    ended = await deal.reaches(contract.contract_id, "CANCELLED")
    reason = contract_types_pb2.CANCELLATION_REASON_DEPOSIT_DEFAULT
    assert ended.cancellation.reason == reason


async def test_loads_are_weighed_by_nobody_who_gains_from_it(deal: Deal, clock: FakeClock) -> None:
    """CON-031, CON-032, CON-033."""
    name = (await deal.active()).contract_id
    early = deliveries_pb2.ScheduleDeliveryRequest(
        contract_id=name, expected_date="2026-05-31", expected_quantity="950"
    )
    refusal = await refused(deal.deliveries.ScheduleDelivery(early, metadata=deal.seller.metadata))
    assert refusal.reason == "OUTSIDE_DELIVERY_WINDOW"
    bad = ("79540", "26120", {"TEST_WEIGHT": "48.9"})
    load = await deal.load(name, *bad)
    assert load.grade_result == delivery_types_pb2.GRADE_RESULT_REJECTABLE
    weigh = weighing_pb2.WeighInRequest(
        delivery_id=load.delivery_id, gross_weight="1", weight_unit="lb"
    )
    denied = await refused(deal.weighing.WeighIn(weigh, metadata=deal.seller.metadata))
    assert denied.reason == "PERMISSION_DENIED"
    refusal = await refused(deal.do("buyer", "AcceptDelivery", delivery_id=load.delivery_id))
    assert (refusal.reason, refusal.metadata["parameter"]) == ("QUALITY_REJECTED", "TEST_WEIGHT")
    reject = deliveries_pb2.RejectDeliveryRequest(delivery_id=load.delivery_id, note="too light")
    gone = await deal.deliveries.RejectDelivery(reject, metadata=deal.buyer.metadata)
    assert gone.delivery.state == delivery_types_pb2.DELIVERY_STATE_REJECTED
    good = await deal.load(name, *LOADS[1])
    fine = deliveries_pb2.RejectDeliveryRequest(delivery_id=good.delivery_id, note="no")
    refusal = await refused(deal.deliveries.RejectDelivery(fine, metadata=deal.buyer.metadata))
    assert refusal.reason == "RESOURCE_STATE"
    clock.move(48 * 3_600)
    await deal.sign_in()
    get = deliveries_pb2.GetDeliveryRequest(delivery_id=good.delivery_id)
    async with asyncio.timeout(20):
        while True:
            found = await deal.deliveries.GetDelivery(get, metadata=deal.seller.metadata)
            if found.delivery.state == delivery_types_pb2.DELIVERY_STATE_APPLIED:
                break
            await asyncio.sleep(0.05)
    await deal.do(
        "buyer", "AcceptDelivery", delivery_id=(await deal.load(name, *LOADS[1])).delivery_id
    )
    too_much = await deal.load(name, *LOADS[1])
    refusal = await refused(deal.do("buyer", "AcceptDelivery", delivery_id=too_much.delivery_id))
    assert refusal.reason == "DELIVERY_EXCEEDS_TOLERANCE"
    assert refusal.metadata["maximum"] == "49.42"


async def test_drafts_that_can_not_be_are_refused(deal: Deal) -> None:
    """CON-005."""
    stated = contract_terms_pb2.ContractTerms
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"counterparty_user_id": "0" * 26}, "COUNTERPARTY_INELIGIBLE"),
        ({"template_code": "NOPE"}, "TEMPLATE_UNKNOWN"),
        ({"terms": stated(commodity_code="GOLD")}, "NOT_FOUND"),
        ({"terms": stated(quantity="0")}, "INVALID_ARGUMENT"),
        ({"terms": stated(tolerance_pct="11")}, "INVALID_ARGUMENT"),
        ({"terms": stated(effective_date="2026-06-02")}, "INVALID_ARGUMENT"),
        ({"copy_of_contract_id": "0" * 26}, "NOT_A_PARTY"),
    )
    for change, reason in cases:
        assert (await refused(deal.draft(**change))).reason == reason, change


async def test_incomplete_and_too_large_contracts_are_not_opened(deal: Deal) -> None:
    """CON-006, CON-007."""
    request = contracts_pb2.CreateContractRequest(
        own_party=contract_terms_pb2.PARTY_SELLER,
        counterparty_user_id=deal.buyer.tokens.user.user_id,
    )
    empty = await deal.contracts.CreateContract(request, metadata=deal.seller.metadata)
    refusal = await refused(deal.submit(empty.contract.contract_id))
    assert refusal.reason == "CONTRACT_INCOMPLETE"
    assert "delivery.start" in refusal.metadata["fields"]
    request.counterparty_user_id = deal.seller.tokens.user.user_id
    same = await refused(deal.contracts.CreateContract(request, metadata=deal.seller.metadata))
    assert same.reason == "SAME_PARTY"
    huge = await deal.draft(terms=contract_terms_pb2.ContractTerms(quantity="200000"))
    limit = await refused(deal.submit(huge.contract_id))
    assert limit.reason == "KYC_LIMIT_EXCEEDED"


async def test_an_open_contract_binds_the_wallet_and_is_listed_to_its_parties(deal: Deal) -> None:
    """CON-008, CON-009."""
    contract = await deal.submitted()
    stub: Any = wallets_pb2_grpc.WalletLinkServiceStub(deal.api.channel)
    refusal = await refused(
        stub.UnlinkWallet(wallets_pb2.UnlinkWalletRequest(), metadata=deal.seller.metadata)
    )
    assert refusal.reason == "WALLET_LOCKED_BY_CONTRACT"
    for who, count in ((deal.seller, 1), (deal.buyer, 1), (deal.admin, 1)):
        reply = await deal.contracts.ListContracts(
            contracts_pb2.ListContractsRequest(commodity_code="CORN"), metadata=who.metadata
        )
        assert len(reply.contracts) == count
    stream = deal.events.WatchContracts(
        contract_events_pb2.WatchContractsRequest(after_event_id="0" * 26),
        metadata=deal.buyer.metadata,
        timeout=20,
    )
    types = []
    async for step in stream:
        types.append(step.event.type)
        if len(types) == 2:
            break
    stream.cancel()
    assert types == ["contract.drafted", "contract.signature_required"]
    published = await deal.signing.PublishContractToIpfs(
        signing_pb2.PublishContractToIpfsRequest(contract_id=contract.contract_id),
        metadata=deal.buyer.metadata,
    )
    assert published.cid == contract.terms_cid


async def test_templates_are_read(deal: Deal) -> None:
    """CON-004."""
    listed = await deal.templates.ListTemplates(
        templates_pb2.ListTemplatesRequest(), metadata=deal.seller.metadata
    )
    assert {"US-CASH-FWD", "US-HTA", "US-BASIS"} <= {one.code for one in listed.templates}
    call = deal.templates.GetTemplate(
        templates_pb2.GetTemplateRequest(code="NOPE"), metadata=deal.seller.metadata
    )
    refusal = await refused(call)
    assert (refusal.reason, refusal.code) == ("TEMPLATE_UNKNOWN", grpc.StatusCode.NOT_FOUND)
