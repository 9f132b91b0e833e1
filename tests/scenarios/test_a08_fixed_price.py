"""A8: a forward at a fixed price from its draft to its settlement and proof."""

import hashlib
from decimal import Decimal

from farmgate.api.contracts.v1 import contract_types_pb2 as types
from farmgate.blockchain.facade import keccak256
from farmgate.ports.unixfs import cid_of
from scenarios.deal import LOADS, Deal, terms, until

CHECKS = ["terms_hash", "terms_cid", "seller_signature", "buyer_signature", "chain"]


def countered(deal: Deal) -> str:
    """The seller asks for more; the buyer counters at 4.6125 and opens that; returns its ID."""
    first = deal.submitted(terms=terms(price={"fixed_price": "4.7000"}))
    name = first.contract_id
    deal.sign("seller", name)
    counter = {"price": {"fixed_price": "4.6125"}}
    second = deal.call(
        "buyer", "CounterContract", contract_id=name, terms=counter,
        update_mask="price.fixedPrice",
    ).contract  # fmt: skip
    assert (second.state, second.version) == (types.CONTRACT_STATE_DRAFT, 2)
    assert not second.signatures, "What was signed before is void."
    opened = deal.call("buyer", "SubmitContract", contract_id=name).contract
    assert opened.terms_hash != first.terms_hash
    return name


def in_force(deal: Deal) -> str:
    """Both sign what was countered; returns the contract once it is in force."""
    name = countered(deal)
    assert deal.sign("seller", name).state == types.CONTRACT_STATE_PENDING_SIGNATURE
    signed = deal.sign("buyer", name)
    assert signed.state == types.CONTRACT_STATE_SIGNED
    active = deal.reaches(name, types.CONTRACT_STATE_ACTIVE)
    assert active.chain.status == types.CHAIN_STATUS_CONFIRMED
    assert deal.operations(name)["REGISTER"] == "CONFIRMED"
    return name


def test_forward_at_a_fixed_price_is_settled_and_proven(deal: Deal) -> None:
    """FWD-008, CON-001, CON-020, CON-040: scenario A8."""
    before = {side: deal.cash(side) for side in ("seller", "buyer")}
    name = in_force(deal)
    # 10 % and 5 % of 1,900 bu at 4.6125 are held.
    assert before["buyer"] - deal.cash("buyer") == 8_763_750
    assert before["seller"] - deal.cash("seller") == 4_381_875

    loads = [deal.deliver(name, load) for load in LOADS]
    assert [load.net_quantity for load in loads] == ["923.21", "944.29"]
    for load in loads:
        deal.accept(load.delivery_id)
    statement = deal.state(name)
    assert (statement.gross, statement.adjustments, statement.net) == (
        "8613.85", "-172.18", "8441.67",
    )  # fmt: skip
    assert sum(Decimal(line.amount) for line in statement.lines) == Decimal("8441.67")
    for side in ("seller", "buyer"):
        deal.call(side, "SettleContract", contract_id=name)
    settled = deal.reaches(name, types.CONTRACT_STATE_SETTLED)
    assert settled.delivered_quantity == "1867.5"
    assert settled.delivery_status == types.DELIVERY_STATUS_COMPLETE
    until(lambda: deal.operations(name)["SETTLE"] == "CONFIRMED", "SETTLE on the chain")
    # The price of the loads changed hands, and the deposits came back.
    until(lambda: deal.cash("seller") - before["seller"] == 84_416_700, "the seller's money")
    until(lambda: before["buyer"] - deal.cash("buyer") == 84_416_700, "the buyer's money")

    check_proof(deal, name)


def check_proof(deal: Deal, name: str) -> None:
    """Everything that was agreed is proven to the parties, and by its hash to anybody."""
    contract = deal.get(name)
    proof = deal.call("buyer", "VerifyContract", contract_id=name).verification
    assert proof.is_good, proof
    assert [check.name for check in proof.checks if check.is_good] == CHECKS
    public = deal.face.call("VerifyContractByHash", terms_hash=contract.terms_hash).verification
    assert public.is_good
    assert public.contract_id == name
    # The document itself, fetched by the identifier that was signed, is what was hashed.
    published = deal.call("seller", "PublishContractToIpfs", contract_id=name)
    document = deal.call("buyer", "GetFromIpfs", cid=published.cid).data
    assert f"0x{keccak256(document).hex()}" == contract.terms_hash == proof.terms_hash
    assert cid_of(document) == contract.terms_cid == proof.terms_cid
    assert hashlib.sha256(document).hexdigest() == published.sha256
    history = deal.history(name)
    assert history[0] == "contract.drafted"
    assert history[-1] == "contract.settled"
    assert {"contract.countered", "contract.chain_confirmed", "contract.active"} <= set(history)
