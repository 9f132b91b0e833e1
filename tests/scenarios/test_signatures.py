"""Signatures that are none: FWD-020 to FWD-022."""

import json
import uuid
from typing import Any

import pytest
from eth_account import Account

from farmgate.api.contracts.v1 import contract_types_pb2 as types
from farmgate.app.seeding.ground import PASSWORD
from scenarios.deal import Deal, signature
from scenarios.faces import reason_of

# Order of secp256k1's group: with s goes N - s.
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
OTHER_REGISTRY = "0x" + "ab" * 20
MISMATCH, INVALID = "SIGNER_WALLET_MISMATCH", "SIGNATURE_INVALID"


def changed(typed: dict[str, Any], part: str, **values: Any) -> str:
    """Returns the seller's signature over typed data that is not quite what was asked."""
    return signature("seller", typed | {part: typed[part] | values})


def malleated(good: str) -> str:
    """Returns the other signature that recovers to the same wallet."""
    raw = bytes.fromhex(good[2:])
    high = N - int.from_bytes(raw[32:64], "big")
    return "0x" + (raw[:32] + high.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()


def with_v(good: str, v: int) -> str:
    """Returns a signature with another last byte."""
    return good[:-2] + f"{v:02x}"


def test_signature_of_anything_else_is_refused(deal: Deal) -> None:
    """FWD-020: malleated, of another chain, registry, version, contract, text or wallet."""
    other = deal.signing("seller", deal.submitted().contract_id)
    name = deal.submitted().contract_id
    typed = json.loads(deal.payload("seller", name).typed_data_json)
    good = deal.signing("seller", name)
    stranger = Account.from_key("0x" + "44" * 32)
    by_stranger = "0x" + bytes(stranger.unsafe_sign_hash(good["digest"]).signature).hex()
    cases = {
        "malleated": (malleated(good["signature"]), INVALID),
        "v of an old form": (with_v(good["signature"], 0), INVALID),
        "v of nothing": (with_v(good["signature"], 29), INVALID),
        "of nobody": ("0x" + "00" * 65, INVALID),
        "too long": (good["signature"] + "00", INVALID),
        "no hexadecimal": ("0x" + "zz" * 65, INVALID),
        "of another chain": (changed(typed, "domain", chainId=1), MISMATCH),
        "of another registry": (
            changed(typed, "domain", verifyingContract=OTHER_REGISTRY), MISMATCH,
        ),
        "of another exchange": (changed(typed, "domain", name="Somebody Forward"), MISMATCH),
        "of another version": (changed(typed, "message", version=2), MISMATCH),
        "of another price": (changed(typed, "message", price="9.9 USD/bu FIXED"), MISMATCH),
        "of another contract": (other["signature"], MISMATCH),
        "of the other party": (signature("buyer", typed), MISMATCH),
        "of a stranger": (by_stranger, MISMATCH),
    }  # fmt: skip
    for what, (made, reason) in cases.items():
        refusal = deal.refused("seller", "SignContract", **{**good, "signature": made})
        assert (what, refusal.reason) == (what, reason)
        assert refusal.code in {"INVALID_ARGUMENT", "FAILED_PRECONDITION"}
    digest = deal.refused("seller", "SignContract", **{**good, "digest": other["digest"]})
    assert (digest.reason, digest.metadata["expected"]) == ("DIGEST_MISMATCH", good["digest"])
    version = deal.refused("seller", "SignContract", **{**good, "contract_version": 2})
    assert (version.reason, version.metadata) == (
        "VERSION_CONFLICT", {"actual": "1", "expected": "2"},
    )  # fmt: skip
    # None of them counted, and the right one does.
    assert not deal.get(name).signatures
    assert len(deal.call("seller", "SignContract", **good).contract.signatures) == 1


def test_signature_counts_once_and_for_one_version(deal: Deal) -> None:
    """FWD-021: again it is refused, and after a counter-offer it is void for good."""
    name = deal.submitted().contract_id
    first = deal.signing("seller", name)
    key = uuid.uuid4().hex
    once = deal.call("seller", "SignContract", key, **first)
    # The same call again, as after a lost answer, gets the same answer.
    assert deal.call("seller", "SignContract", key, **first) == once
    assert deal.refused("seller", "SignContract", **first).reason == "ALREADY_SIGNED"
    counter = {"price": {"fixed_price": "4.5500"}}
    deal.call(
        "buyer", "CounterContract", contract_id=name, terms=counter,
        update_mask="price.fixedPrice",
    )  # fmt: skip
    draft = deal.refused("seller", "SignContract", **first)
    assert (draft.reason, draft.metadata["state"]) == ("CONTRACT_STATE", "Draft")
    deal.call("buyer", "SubmitContract", contract_id=name)
    second = deal.signing("seller", name)
    for given, reason in (
        ({}, "VERSION_CONFLICT"),
        ({"contract_version": 2}, "DIGEST_MISMATCH"),
        ({"contract_version": 2, "digest": second["digest"]}, MISMATCH),
    ):
        refusal = deal.refused("seller", "SignContract", **{**first, **given})
        assert refusal.reason == reason
    deal.call("seller", "SignContract", **second)
    signed = deal.sign("buyer", name)
    assert signed.state == types.CONTRACT_STATE_SIGNED
    late = deal.refused("seller", "SignContract", **second)
    assert (late.reason, late.metadata["state"]) == ("CONTRACT_STATE", "Signed")


def test_signature_is_taken_from_its_party_only(deal: Deal) -> None:
    """FWD-022: nobody else hands it in, whoever made it; who may is asked before what is said."""
    name = deal.submitted().contract_id
    good = deal.signing("seller", name)
    bad = {**good, "signature": "0x" + "00" * 65}
    stranger = deal.face.call("Login", email="farmer.jan@farmgate.example", password=PASSWORD)
    for given in (good, bad):
        assert reason_of(deal.face, "SignContract", **given) == "UNAUTHENTICATED"
        assert deal.refused("inspector", "SignContract", **given).reason == "PERMISSION_DENIED"
        refusal = reason_of(deal.face, "SignContract", stranger.access_token, **given)
        assert refusal == "NOT_A_PARTY"
    # The buyer hands in what the seller signed.
    assert deal.refused("buyer", "SignContract", **good).reason == MISMATCH
    missing = {**good, "contract_id": "0" * 26}
    assert deal.refused("seller", "SignContract", **missing).reason == "NOT_A_PARTY"
    assert not deal.get(name).signatures


@pytest.mark.parametrize(
    "given",
    [{"digest": "0x12"}, {"signature": "0x12"}, {"contract_version": 0}, {"contract_id": "x"}],
)
def test_what_is_no_request_to_sign_is_invalid(deal: Deal, given: dict[str, Any]) -> None:
    """FWD-022."""
    good = {
        "contract_id": "0" * 26, "contract_version": 1, "digest": "0x" + "00" * 32,
        "signature": "0x" + "00" * 65,
    }  # fmt: skip
    assert deal.refused("seller", "SignContract", **{**good, **given}).code == "INVALID_ARGUMENT"
