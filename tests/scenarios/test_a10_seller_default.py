"""A10: a seller delivers 1,867.50 of 5,000 bushels and no more."""

from farmgate.api.contracts.v1 import contract_terms_pb2
from farmgate.api.contracts.v1 import contract_types_pb2 as types
from scenarios.deal import LOADS, Deal, terms
from scenarios.server import World

# 3,132.50 bu at the difference of 4.9000 and 4.6125, and a thousandth of their value as a fee.
DIFFERENCE, FEE = 9_005_900, 144_500
LOADS_PAID = 84_416_700


def test_seller_in_default_pays_the_difference(deal: Deal, world: World) -> None:
    """FWD-010: scenario A10."""
    issued = world.issued()
    before = {side: deal.cash(side) for side in ("seller", "buyer")}
    agreed = terms(quantity="5000", default_policy={"admin_fee_bps": "10"})
    name = deal.active(terms=agreed).contract_id
    deposit = before["seller"] - deal.cash("seller")
    assert deposit == 11_531_250 > DIFFERENCE + FEE
    for load in LOADS:
        deal.accept(deal.deliver(name, load).delivery_id)
    short = deal.refused("seller", "SettleContract", contract_id=name)
    assert short.reason in {"RESOURCE_STATE", "INVALID_ARGUMENT"}
    cancel = deal.refused(
        "seller", "CancelContract", contract_id=name, reason="CANCELLATION_REASON_MUTUAL"
    )
    assert cancel.reason == "CANCEL_AFTER_DELIVERY"

    declared = {"contract_id": name, "defaulting_party": "PARTY_SELLER", "text": "No more corn."}
    deal.call("seller", "DeclareDefault", **declared)
    evidence = [{"sha256": "cd" * 32}]
    chosen = {"contract_id": name, "remedy": "REMEDY_BUY_IN", "evidence": evidence}
    own = deal.refused("seller", "ChooseRemedy", **chosen, buy_in_price="4.6125")
    assert own.reason == "PERMISSION_DENIED"
    done = deal.call("buyer", "ChooseRemedy", **chosen, buy_in_price="4.9000")
    assert done.liability_amount == "915.04"
    end = done.contract.cancellation
    assert (end.reason, end.liable_party, end.quantity, end.reference_price) == (
        types.CANCELLATION_REASON_SELLER_DEFAULT, contract_terms_pb2.PARTY_SELLER, "3132.5",
        "4.9000",
    )  # fmt: skip

    # What was delivered is stated by itself, and paid once both accept it.
    (statement,) = deal.statements(name)
    assert statement.net == "8441.67"
    deal.agree(name, statement)
    final = deal.reaches(name, types.CONTRACT_STATE_SETTLED)
    assert final.delivery_status == types.DELIVERY_STATUS_CLOSED_SHORT
    assert (final.delivered_quantity, final.balance_quantity) == ("1867.5", "3132.5")
    # Of the deposit the liability is gone, and no more.
    seller, buyer = before["seller"] + LOADS_PAID - DIFFERENCE - FEE, before["buyer"] - LOADS_PAID
    deal.until(lambda: deal.cash("seller") == seller, "the seller's money")
    deal.until(lambda: deal.cash("buyer") == buyer + DIFFERENCE, "the buyer's money")
    assert world.issued() == issued
    deal.until(lambda: deal.operations(name)["SETTLE"] == "CONFIRMED", "SETTLE on the chain")
    assert deal.call("buyer", "VerifyContract", contract_id=name).verification.is_good
