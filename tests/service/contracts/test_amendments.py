"""Amendments over gRPC: proposed, signed by both wallets, rejected, expired, on the chain."""

import json
from typing import Any

from eth_account.messages import encode_typed_data

from farmgate.api.contracts.v1 import amendments_pb2, contract_terms_pb2, contract_types_pb2
from service.contracts.conftest import KEYS, LOADS, STRANGER_KEY, Deal

WINDOW = amendments_pb2.AMENDMENT_KIND_WINDOW
QUANTITY = amendments_pb2.AMENDMENT_KIND_QUANTITY
CONFIRMED = contract_types_pb2.CHAIN_STATUS_CONFIRMED


def longer(name: str, end: str = "2026-08-31") -> dict[str, Any]:
    stated = contract_terms_pb2.ContractTerms()
    stated.delivery.end = end
    return {
        "contract_id": name, "kind": WINDOW, "terms": stated,
        "update_mask": {"paths": ["delivery.end"]},
    }  # fmt: skip


def signature(key: Any, amendment: Any) -> dict[str, str]:
    message = encode_typed_data(full_message=json.loads(amendment.typed_data_json))
    signed = key.sign_message(message).signature.hex().removeprefix("0x")
    return {
        "contract_id": amendment.contract_id, "amendment_id": amendment.amendment_id,
        "digest": amendment.digest, "signature": f"0x{signed}",
    }  # fmt: skip


async def nothing_wrong_is_proposed(deal: Deal, wanted: dict[str, Any]) -> None:
    name = wanted["contract_id"]
    stated = contract_terms_pb2.ContractTerms
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"terms": stated(quantity="1800"), "update_mask": {"paths": ["quantity"]}},
         "INVALID_ARGUMENT"),
        (longer(name, "2026-05-01"), "INVALID_ARGUMENT"),
        (longer(name, "2026-07-31"), "INVALID_ARGUMENT"),
        ({"update_mask": {"paths": ["nonsense"]}}, "INVALID_ARGUMENT"),
        ({"new_party_user_id": "0" * 26}, "INVALID_ARGUMENT"),
        ({"sign_by": deal.clock.now()}, "INVALID_ARGUMENT"),
        ({"kind": amendments_pb2.AMENDMENT_KIND_ROLL, "terms": stated(),
          "update_mask": {"paths": ["price.reference_series"]}}, "RESOURCE_STATE"),
        ({"kind": QUANTITY, "terms": stated(quantity="200000"),
          "update_mask": {"paths": ["quantity"]}}, "KYC_LIMIT_EXCEEDED"),
        ({"kind": QUANTITY, "terms": stated(), "update_mask": {"paths": ["quantity"]}},
         "CONTRACT_INCOMPLETE"),
    )  # fmt: skip
    for change, reason in wrong:
        assert await deal.no("seller", "ProposeAmendment", **wanted | change) == reason, change


async def test_both_sign_a_longer_window_and_the_chain_confirms_it(deal: Deal) -> None:
    """CON-053, CON-054."""
    contract = await deal.active()
    name = contract.contract_id
    await deal.also("stranger", "farmer.jan")
    wanted = longer(name)
    await deal.guarded("ProposeAmendment", **wanted)
    assert await deal.no("admin", "ProposeAmendment", **wanted) == "PERMISSION_DENIED"
    stale = await deal.no("seller", "ProposeAmendment", **wanted, expected_version=7)
    assert stale == "VERSION_CONFLICT"
    await nothing_wrong_is_proposed(deal, wanted)
    made = (await deal.do("seller", "ProposeAmendment", **wanted)).amendment
    assert json.loads(made.patch_json) == [
        {"op": "replace", "path": "/delivery/end", "value": "2026-08-31"},
        {"op": "replace", "path": "/version", "value": 2},
    ]
    assert await deal.no("buyer", "ProposeAmendment", **wanted) == "OPEN_AMENDMENT"
    settle = {"contract_id": name, "price": "4.70"}
    assert await deal.no("buyer", "ProposeWashout", **settle) == "OPEN_AMENDMENT"

    by_seller = signature(KEYS["seller"], made)
    await deal.guarded("SignAmendment", **by_seller)
    await deal.guarded("ListAmendments", contract_id=name)
    for change, reason in (
        ({"digest": "0x" + "00" * 32}, "DIGEST_MISMATCH"),
        ({"signature": "0x" + "zz" * 65}, "SIGNATURE_INVALID"),
        ({"signature": signature(STRANGER_KEY, made)["signature"]}, "SIGNER_WALLET_MISMATCH"),
        ({"amendment_id": "0" * 26}, "NOT_FOUND"),
    ):
        assert await deal.no("seller", "SignAmendment", **by_seller | change) == reason
    once = (await deal.do("seller", "SignAmendment", **by_seller)).amendment
    assert once.state == amendments_pb2.AMENDMENT_STATE_PROPOSED
    assert await deal.no("seller", "SignAmendment", **by_seller) == "ALREADY_SIGNED"
    twice = (await deal.do("buyer", "SignAmendment", **signature(KEYS["buyer"], made))).amendment
    assert twice.state == amendments_pb2.AMENDMENT_STATE_SIGNED
    assert await deal.no("buyer", "SignAmendment", **signature(KEYS["buyer"], made)) == (
        "RESOURCE_STATE"
    )
    found = await deal.until(name, lambda one: one.version == 2 and one.chain.status == CONFIRMED)
    assert found.terms.delivery.end == "2026-08-31"
    assert found.terms_hash != contract.terms_hash
    assert len(found.signatures) == 2
    proof = (await deal.do("buyer", "VerifyContract", contract_id=name)).verification
    assert proof.is_good, proof


async def test_proposals_are_rejected_and_expire(deal: Deal) -> None:
    """CON-055."""
    name = (await deal.active()).contract_id
    await deal.also("stranger", "farmer.jan")
    made = (await deal.do("seller", "ProposeAmendment", **longer(name))).amendment
    of = {"contract_id": name, "amendment_id": made.amendment_id}
    await deal.guarded("RejectAmendment", **of)
    gone = (await deal.do("buyer", "RejectAmendment", **of)).amendment
    assert gone.state == amendments_pb2.AMENDMENT_STATE_REJECTED
    assert await deal.no("buyer", "RejectAmendment", **of) == "RESOURCE_STATE"
    made = (await deal.do("buyer", "ProposeAmendment", **longer(name))).amendment
    await deal.do("buyer", "SignAmendment", **signature(KEYS["buyer"], made))
    await deal.later(hours=73)
    late = await deal.no("seller", "SignAmendment", **signature(KEYS["seller"], made))
    assert late in {"SIGN_DEADLINE_PASSED", "RESOURCE_STATE"}
    states = [amendments_pb2.AMENDMENT_STATE_REJECTED, amendments_pb2.AMENDMENT_STATE_EXPIRED]

    async def listed() -> list[Any]:
        first = await deal.do("seller", "ListAmendments", contract_id=name, page_size=1)
        rest = await deal.do(
            "seller", "ListAmendments", contract_id=name, page_size=1,
            page_token=first.next_page_token,
        )  # fmt: skip
        return [one.state for one in (*first.amendments, *rest.amendments)]

    await deal.comes(listed, lambda found: found == states)
    # What is delivered can not be taken out of the quantity again.
    await deal.taken(name, *LOADS[0])
    less = {
        "contract_id": name, "kind": QUANTITY, "update_mask": {"paths": ["quantity"]},
        "terms": contract_terms_pb2.ContractTerms(quantity="900"),
    }  # fmt: skip
    assert await deal.no("seller", "ProposeAmendment", **less) == "INVALID_ARGUMENT"
    await deal.do("seller", "IssueStatement", contract_id=name)
    assert await deal.no("seller", "ProposeAmendment", **longer(name)) == "RESOURCE_STATE"


async def test_somebody_takes_the_place_of_a_party(deal: Deal) -> None:
    """CON-056: who comes pays the deposit to who leaves, and the chain knows the new seller."""
    name = (await deal.active()).contract_id
    stranger = await deal.also("stranger", "farmer.jan")
    before = [await deal.cash(deal.seller), await deal.cash(stranger)]
    assign = {
        "contract_id": name, "kind": amendments_pb2.AMENDMENT_KIND_ASSIGNMENT,
        "terms": contract_terms_pb2.ContractTerms(), "update_mask": {},
    }  # fmt: skip
    jan = stranger.tokens.user.user_id
    for who, reason in (
        (jan, "CONTRACT_INCOMPLETE"),
        (deal.buyer.tokens.user.user_id, "SAME_PARTY"),
        (deal.inspector.tokens.user.user_id, "COUNTERPARTY_INELIGIBLE"),
    ):
        change = {**assign, "new_party_user_id": who}
        assert await deal.no("seller", "ProposeAmendment", **change) == reason
    await deal.link(stranger, STRANGER_KEY)
    change = {**assign, "new_party_user_id": jan}
    made = (await deal.do("seller", "ProposeAmendment", **change)).amendment
    # Who is to come sees the proposal, and signs it with who stays; who leaves does not.
    assert (await deal.do("stranger", "ListAmendments", contract_id=name)).amendments[0] == made
    assert await deal.no("seller", "SignAmendment", **signature(KEYS["seller"], made)) == (
        "PERMISSION_DENIED"
    )
    await deal.do("stranger", "SignAmendment", **signature(STRANGER_KEY, made))
    await deal.do("buyer", "SignAmendment", **signature(KEYS["buyer"], made))
    assert await deal.no("seller", "GetContract", contract_id=name) == "NOT_A_PARTY"
    found = (await deal.do("stranger", "GetContract", contract_id=name)).contract
    assert (found.seller.user_id, found.seller.wallet_address) == (jan, STRANGER_KEY.address)
    held = 438.1875
    await deal.cash_is("seller", round((before[0] + held) * 10_000))
    await deal.cash_is("stranger", round((before[1] - held) * 10_000))
    await deal.until(name, lambda one: one.chain.status == CONFIRMED)
    # The deposit goes back to who has the place now.
    cancel = {"contract_id": name, "reason": contract_types_pb2.CANCELLATION_REASON_MUTUAL}
    await deal.do("stranger", "CancelContract", **cancel)
    await deal.do("buyer", "CancelContract", **cancel)
    await deal.cash_is("stranger", round(before[1] * 10_000))
