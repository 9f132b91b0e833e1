"""The life of a forward at a fixed price, step by step: the same on every chain and each face."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from farmgate.api.contracts.v1 import contract_types_pb2 as types
from farmgate.blockchain.facade import keccak256
from farmgate.ports.unixfs import cid_of
from scenarios.deal import LOADS, UNITS, Deal, Load, terms

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


def settled(deal: Deal, name: str, before: dict[str, int], loads: Sequence[Load] = LOADS) -> None:
    """The loads are delivered and both are paid for.

    Args:
        deal: The parties.
        name: The contract, in force.
        before: What the parties had before they signed.
        loads: Those that are not accepted yet.
    """
    brought = [deal.deliver(name, load) for load in loads]
    assert [load.net_quantity for load in brought] == [UNITS[load[0]] for load in loads]
    for load in brought:
        deal.accept(load.delivery_id)
    statement = deal.state(name)
    assert (statement.gross, statement.adjustments, statement.net) == (
        "8613.85", "-172.18", "8441.67",
    )  # fmt: skip
    assert sum(Decimal(line.amount) for line in statement.lines) == Decimal("8441.67")
    for side in ("seller", "buyer"):
        deal.call(side, "SettleContract", contract_id=name)
    done = deal.reaches(name, types.CONTRACT_STATE_SETTLED)
    assert done.delivered_quantity == "1867.5"
    assert done.delivery_status == types.DELIVERY_STATUS_COMPLETE
    deal.until(lambda: deal.operations(name)["SETTLE"] == "CONFIRMED", "SETTLE on the chain")
    # The price of the loads changed hands, and the deposits came back.
    deal.until(lambda: deal.cash("seller") - before["seller"] == 84_416_700, "the seller's money")
    deal.until(lambda: before["buyer"] - deal.cash("buyer") == 84_416_700, "the buyer's money")


def proven(deal: Deal, name: str) -> None:
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
    rendered = {"contract_id": name, "format": "DOCUMENT_FORMAT_JSON"}
    assert deal.call("seller", "RenderDocument", **rendered).data == document
    assert deal.call("seller", "RenderDocument", contract_id=name).data.startswith(b"%PDF-")
    assert hashlib.sha256(document).hexdigest() == published.sha256
    history = deal.history(name)
    assert history[0] == "contract.drafted"
    assert "contract.settled" in history[-3:], "Deposits come back in their own time."
    assert {"contract.countered", "contract.chain_confirmed", "contract.active"} <= set(history)
