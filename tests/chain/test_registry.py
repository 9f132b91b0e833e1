"""The registry itself, on each chain: CHN-012 to CHN-016."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from sqlalchemy import Connection
from vyper.compiler import compile_code

from chains import BUYER, CHAIN_ID, GWEI, OPERATOR, SELLER, Exchange, exchange, receipt_of, sign
from farmgate.blockchain import registry, store
from farmgate.blockchain.facade import (
    ContractWallets,
    ForwardContract,
    Operation,
    Payload,
    SigningDomain,
    amendment,
    cancellation,
    digest,
    receipt_burn,
    registration,
    settlement,
)
from farmgate.errors import DomainError
from farmgate.ports.chain import Offer, Request, RevertedError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import compile_contracts  # noqa: E402 - Found by the line above.

STRANGER = Account.from_key("0x" + "44" * 32)
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# Says yes to every signature: what a wallet that is a contract may answer.
WALLET = """
# pragma version 0.4.3
answer: bytes4
@deploy
def __init__(_answer: bytes4):
    self.answer = _answer
@external
@view
def isValidSignature(hash: bytes32, signature: Bytes[1024]) -> bytes4:
    return self.answer
"""


@pytest.fixture(params=["embedded", "anvil"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Exchange]:
    with exchange(request.param, tmp_path) as made:
        if request.param == "embedded":
            made.deploy()
        yield made


def made_of(world: Exchange, payload: Payload) -> Operation:
    """Returns the operation of a payload; it is not kept."""

    def make(connection: Connection) -> Operation:
        made = world.operations._new(payload, world.ids.ulid(), 1)
        assert store.operation_by_id(connection, made.id) is None
        return made

    return world.database.run(make)


def refusal(world: Exchange, payload: Payload, sender: str = OPERATOR.address) -> str:
    """Returns why the registry refuses a call, or ""."""
    request = registry.request_of(made_of(world, payload))._replace(from_address=sender)
    try:
        world.chain.call(request)
    except RevertedError as error:
        return registry.error_of(error)
    return ""


def signed(
    domain: SigningDomain, contract: ForwardContract, seller: bytes = b"", buyer: bytes = b""
) -> Payload:
    return registration(
        domain,
        contract,
        seller_signature=seller or sign(SELLER, domain, contract),
        buyer_signature=buyer or sign(BUYER, domain, contract),
    )


def test_digest_on_the_chain_is_ours(world: Exchange) -> None:
    """CHN-012."""
    domain = world.domain()
    for given in ({}, {"version": 7, "commodity": "", "price": "कपास", "terms_hash": bytes(32)}):
        contract = world.contract(**given)
        payload = Payload(
            registration(domain, contract, seller_signature=b"", buyer_signature=b"").kind,
            domain.verifying_contract,
            "digest",
            (list(signed(domain, contract).arguments[0]),),
        )
        found = world.chain.call(registry.request_of(made_of(world, payload)))
        assert found == digest(domain, contract)


def test_signatures_are_judged_on_the_chain(world: Exchange) -> None:
    """CHN-013: somebody else's, replayed, malleated, of another version, chain or registry."""
    domain, contract = world.domain(), world.contract()
    assert refusal(world, signed(domain, contract)) == ""
    check = partial(signed, domain, contract)
    assert refusal(world, check(seller=sign(STRANGER, domain, contract))) == "SignatureInvalid(1)"
    assert refusal(world, check(buyer=sign(SELLER, domain, contract))) == "SignatureInvalid(2)"
    swapped = check(seller=sign(BUYER, domain, contract), buyer=sign(SELLER, domain, contract))
    assert refusal(world, swapped) == "SignatureInvalid(1)"
    others = (
        sign(SELLER, domain, world.contract(contract_id=contract.contract_id, version=2)),
        sign(SELLER, domain, world.contract()),
        sign(SELLER, SigningDomain(1, domain.verifying_contract), contract),
        sign(SELLER, SigningDomain(CHAIN_ID, STRANGER.address), contract),
        bytes(65),
        b"\x01",
        sign(SELLER, domain, contract) + b"\0",
    )
    for other in others:
        assert refusal(world, check(seller=other)) == "SignatureInvalid(1)"
    good = sign(BUYER, domain, contract)
    high = N - int.from_bytes(good[32:64], "big")
    other_form = good[:32] + high.to_bytes(32, "big") + bytes([55 - good[64]])
    assert refusal(world, check(buyer=other_form)) == "SignatureMalleable(2)"
    same = world.contract(buyer=SELLER.address)
    assert refusal(world, signed(domain, same, buyer=sign(SELLER, domain, same))) == "SameParty()"
    nobody = world.contract(seller="0x" + "0" * 40)
    assert refusal(world, signed(domain, nobody, seller=bytes(65))) == "SignatureInvalid(1)"


def test_only_the_operator_writes(world: Exchange) -> None:
    """CHN-014."""
    domain, contract = world.domain(), world.contract()
    if world.node:
        world.node.ask("anvil_setBalance", SELLER.address, hex(10**20))
    else:
        # The embedded chain asks a caller for the price of the gas.
        request = Request(OPERATOR.address, SELLER.address, b"", 10**20)
        nonce = world.chain.nonces(OPERATOR.address)[0]
        offer = Offer(nonce, 21_000, 10 * GWEI, GWEI)
        world.chain.send(world.chain.sign(request, offer, bytes(OPERATOR.key)).raw)
    calls = (
        signed(domain, contract),
        amendment(domain, contract, seller_signature=b"", buyer_signature=b""),
        settlement(
            domain, contract.contract_id, statement_hash=bytes(32), statement_cid="",
            is_short=False,
        ),
        cancellation(domain, contract.contract_id, reason="", evidence_hash=bytes(32)),
        receipt_burn(domain, contract.contract_id),
    )  # fmt: skip
    for payload in calls:
        assert refusal(world, payload, SELLER.address) == "NotOperator()"
    expected = ("", "NotRegistered()", "NotRegistered()", "NotRegistered()", "ReceiptUnknown()")
    assert tuple(refusal(world, payload) for payload in calls) == expected


def test_states_of_a_contract(world: Exchange) -> None:
    """CHN-015: once registered, once closed, and versions only rise."""
    domain, contract = world.domain(), world.contract(version=3)
    world.request(signed(domain, contract), reference=contract.contract_id)
    world.run()

    def amended(version: int, **given: Any) -> Payload:
        later = world.contract(contract_id=contract.contract_id, version=version, **given)
        return amendment(
            domain,
            later,
            seller_signature=sign(SELLER, domain, later),
            buyer_signature=sign(BUYER, domain, later),
        )

    known = f"AlreadyRegistered(0x{contract.terms_hash.hex()})"
    assert refusal(world, signed(domain, contract)) == known
    assert refusal(world, amended(3)) == known
    assert refusal(world, amended(3, terms_hash=bytes(32))) == "StaleVersion(3)"
    assert refusal(world, amended(2)) == "StaleVersion(3)"
    assert refusal(world, amended(4)) == ""
    end = cancellation(domain, contract.contract_id, reason="MUTUAL", evidence_hash=bytes(32))
    world.request(end, reference=contract.contract_id)
    world.run()
    assert world.announced(contract.contract_id) == ["Registered", "Cancelled"]
    assert refusal(world, end) == "AlreadyClosed(3)"
    assert refusal(world, amended(4)) == "AlreadyClosed(3)"
    assert refusal(world, signed(domain, contract)) == known


def test_wallet_that_is_a_contract_signs_by_itself(world: Exchange) -> None:
    """CHN-016: EIP-1271, and one that says anything else signs nothing."""
    compiled = compile_code(WALLET, output_formats=["bytecode"])
    domain = world.domain()
    for answer, expected in (("1626ba7e", ""), ("ffffffff", "SignatureInvalid(1)")):
        data = bytes.fromhex(compiled["bytecode"][2:]) + bytes.fromhex(answer).ljust(32, b"\0")
        request = Request(OPERATOR.address, "", data)
        nonce = world.chain.nonces(OPERATOR.address)[0]
        offer = Offer(nonce, world.chain.estimate(request) * 2, 10 * GWEI, GWEI)
        deployed = world.chain.sign(request, offer, bytes(OPERATOR.key))
        world.chain.send(deployed.raw)
        receipt = receipt_of(world.chain, deployed.hash)
        contract = world.contract(seller=receipt.contract_address)
        asked = ContractWallets(lambda: world.chain, OPERATOR.address, is_enabled=True)
        for signature in (b"anything", bytes(1024), bytes(65)):
            assert refusal(world, signed(domain, contract, seller=signature)) == expected
            found = judged(asked, digest(domain, contract), signature, contract.seller)
            assert found == ("" if not expected else "SIGNATURE_INVALID")
        for signature, wallet in ((b"", SELLER.address), (bytes(1_025), contract.seller)):
            assert judged(asked, bytes(32), signature, wallet) == "SIGNATURE_INVALID"
        # A registry is no wallet: it refuses to be asked.
        assert judged(asked, bytes(32), b"", domain.verifying_contract) == "SIGNATURE_INVALID"
    off = ContractWallets(lambda: world.chain, OPERATOR.address, is_enabled=False)
    assert judged(off, bytes(32), b"", SELLER.address) == "CHAIN_DISABLED"


def judged(wallets: ContractWallets, digested: bytes, signature: bytes, wallet: str) -> str:
    """Returns why a signature is refused, or ""."""
    try:
        wallets.check(digested, signature, wallet)
    except DomainError as error:
        return error.reason
    return ""


def test_artifact_is_what_the_source_gives() -> None:
    """CHN-012: compiled again and compared, byte for byte."""
    names = registry.names()
    assert names == {"ForwardRegistry"}
    for name in names:
        source = (compile_contracts.FOLDER / f"{name}.vy").read_text("utf-8")
        kept = (compile_contracts.FOLDER / f"{name}.json").read_text("utf-8")
        assert compile_contracts.text_of(source) == kept
        assert json.loads(kept)["compiler"] == "vyper 0.4.3"
