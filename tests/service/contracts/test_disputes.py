"""Disputes over gRPC: opened, answered, withdrawn, ruled, and what they keep from happening."""

from typing import Any

from farmgate.api.contracts.v1 import dispute_types_pb2
from service.contracts.conftest import LOADS, Deal

TEXT = "The moisture was measured wrongly."
QUALITY = dispute_types_pb2.DISPUTE_SUBJECT_QUALITY
UPHELD = dispute_types_pb2.RULING_OUTCOME_UPHELD
PARTIAL = dispute_types_pb2.RULING_OUTCOME_PARTIAL
REJECTED = dispute_types_pb2.RULING_OUTCOME_REJECTED


async def opened_after_refusals(deal: Deal, claim: dict[str, Any]) -> Any:
    await deal.guarded("OpenDispute", **claim)
    for field in ("statement_id", "delivery_id"):
        assert await deal.no("buyer", "OpenDispute", **claim | {field: "0" * 26}) == "NOT_FOUND"
    assert await deal.no("admin", "OpenDispute", **claim) == "PERMISSION_DENIED"
    opened = (await deal.do("buyer", "OpenDispute", **claim)).dispute
    assert opened.answer_by.ToDatetime().weekday() < 5
    assert await deal.no("seller", "OpenDispute", **claim) == "OPEN_DISPUTE"
    return opened


async def nothing_ends(deal: Deal, issued: Any) -> None:
    """Nothing becomes final or ends while there is a dispute."""
    name = issued.contract_id
    accept = {
        "contract_id": name, "statement_id": issued.statement_id, "sha256": issued.sha256,
    }  # fmt: skip
    assert await deal.no("seller", "AcceptStatement", **accept) == "RESOURCE_STATE"
    for rpc in ("SettleContract", "DeclareDefault", "ProposeWashout"):
        given = {
            "DeclareDefault": {"defaulting_party": 1, "text": "It does not come."},
            "ProposeWashout": {"price": "4.70"},
        }.get(rpc, {})
        assert await deal.no("seller", rpc, contract_id=name, **given) == "OPEN_DISPUTE", rpc


async def test_a_ruling_corrects_the_statement_and_is_paid(deal: Deal) -> None:
    """CON-050, CON-051, CON-052: the sum is 8,441.67 less what the arbitrator gives the buyer."""
    before = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    name = (await deal.active()).contract_id
    for load in LOADS:
        await deal.taken(name, *load)
    issued = (await deal.do("seller", "IssueStatement", contract_id=name)).statement
    claim = {
        "contract_id": name, "subject": QUALITY, "claim_amount": "100.00", "text": TEXT,
        "statement_id": issued.statement_id,
        "evidence": [dispute_types_pb2.Evidence(sha256="ab" * 32)],
    }  # fmt: skip
    await deal.also("stranger", "farmer.jan")
    opened = await opened_after_refusals(deal, claim)
    found = (await deal.do("seller", "GetContract", contract_id=name)).contract
    assert found.is_disputed

    await nothing_ends(deal, issued)
    of = {"contract_id": name, "dispute_id": opened.dispute_id}
    rule = {**of, "outcome": PARTIAL, "amount": "60.00", "reason": "Half of it is shown."}
    arbiter = await deal.also("arbiter", "inspector.rou")
    named = {**of, "arbitrator_id": arbiter.tokens.user.user_id, "reason": "He knows the place."}
    assert await deal.no("admin", "RuleDispute", **rule) == "RESOURCE_STATE"
    assert await deal.no("admin", "AssignArbitrator", **named) == "RESOURCE_STATE"
    answer = {**of, "text": "It was measured twice."}
    await deal.guarded("AnswerDispute", **answer)
    assert await deal.no("buyer", "AnswerDispute", **answer) == "PERMISSION_DENIED"
    missing = answer | {"dispute_id": "0" * 26}
    assert await deal.no("seller", "AnswerDispute", **missing) == "NOT_FOUND"
    answered = (await deal.do("seller", "AnswerDispute", **answer)).dispute
    assert answered.state == dispute_types_pb2.DISPUTE_STATE_ANSWERED
    assert await deal.no("seller", "AnswerDispute", **answer) == "RESOURCE_STATE"

    assert await deal.no("", "AssignArbitrator", **named) == "UNAUTHENTICATED"
    assert await deal.no("seller", "AssignArbitrator", **named) == "PERMISSION_DENIED"
    own = named | {"arbitrator_id": deal.buyer.tokens.user.user_id}
    assert await deal.no("admin", "AssignArbitrator", **own) == "COUNTERPARTY_INELIGIBLE"
    assert await deal.no("arbiter", "RuleDispute", **rule) == "NOT_A_PARTY"
    await deal.do("admin", "AssignArbitrator", **named)
    seen = (await deal.do("arbiter", "ListDisputes", contract_id=name)).disputes
    assert [one.state for one in seen] == [dispute_types_pb2.DISPUTE_STATE_REVIEW]

    await deal.guarded("RuleDispute", **rule)
    assert await deal.no("buyer", "RuleDispute", **rule) == "PERMISSION_DENIED"
    for outcome, amount in ((PARTIAL, ""), (REJECTED, "1")):
        wrong = rule | {"outcome": outcome, "amount": amount}
        assert await deal.no("arbiter", "RuleDispute", **wrong) == "INVALID_ARGUMENT"
    ruled = (await deal.do("arbiter", "RuleDispute", **rule)).dispute
    assert (ruled.state, ruled.ruling.amount) == (dispute_types_pb2.DISPUTE_STATE_RESOLVED, "60.00")
    assert await deal.no("arbiter", "RuleDispute", **rule) == "RESOURCE_STATE"
    listed = (await deal.do("seller", "ListStatements", contract_id=name)).statements
    assert [one.net for one in listed] == ["8441.67", "8381.67"]
    assert listed[1].lines[-1].amount == "-60.00"

    await deal.do("seller", "SettleContract", contract_id=name)
    await deal.do("buyer", "SettleContract", contract_id=name)
    await deal.reaches(name, "SETTLED")
    await deal.cash_is("seller", round((before[0] + 8381.67) * 10_000))
    await deal.cash_is("buyer", round((before[1] - 8381.67) * 10_000))
    assert await deal.no("buyer", "OpenDispute", **claim) == "CONTRACT_STATE"


async def test_disputes_are_withdrawn_rejected_or_come_too_late(deal: Deal) -> None:
    """CON-050, CON-051."""
    name = (await deal.active()).contract_id
    await deal.taken(name, *LOADS[0])
    issued = (await deal.do("seller", "IssueStatement", contract_id=name)).statement
    claim = {"contract_id": name, "subject": QUALITY, "text": TEXT, "claim_amount": "50.00"}
    about = claim | {"statement_id": issued.statement_id}
    await deal.also("stranger", "farmer.jan")
    opened = (await deal.do("buyer", "OpenDispute", **about)).dispute
    of = {"contract_id": name, "dispute_id": opened.dispute_id}
    await deal.guarded("WithdrawDispute", **of)
    await deal.guarded("ListDisputes", contract_id=name)
    assert await deal.no("seller", "WithdrawDispute", **of) == "PERMISSION_DENIED"
    gone = (await deal.do("buyer", "WithdrawDispute", **of)).dispute
    assert gone.state == dispute_types_pb2.DISPUTE_STATE_WITHDRAWN
    assert await deal.no("buyer", "WithdrawDispute", **of) == "RESOURCE_STATE"
    state = (await deal.do("buyer", "ListStatements", contract_id=name)).statements[0].state
    assert state == issued.state

    # Who does not answer in time is ruled without it; a claim that is rejected changes nothing.
    again = (await deal.do("buyer", "OpenDispute", **about)).dispute
    await deal.later(days=7)
    reject = {
        "contract_id": name, "dispute_id": again.dispute_id, "outcome": REJECTED,
        "reason": "There is nothing in it.",
    }  # fmt: skip
    await deal.do("admin", "RuleDispute", **reject)
    found = (await deal.do("buyer", "ListStatements", contract_id=name)).statements
    assert [(one.net, one.is_buyer_agreed) for one in found] == [(issued.net, True)]
    page = await deal.do("seller", "ListDisputes", contract_id=name, page_size=1)
    rest = await deal.do(
        "seller", "ListDisputes", contract_id=name, page_size=1, page_token=page.next_page_token
    )
    assert [one.dispute_id for one in (*page.disputes, *rest.disputes)] == [
        opened.dispute_id, again.dispute_id,
    ]  # fmt: skip

    await deal.later(days=8)
    assert await deal.no("buyer", "OpenDispute", **about) == "DISPUTE_WINDOW_CLOSED"
    free = (await deal.do("seller", "OpenDispute", **claim)).dispute
    await deal.do(
        "buyer", "AnswerDispute", contract_id=name, dispute_id=free.dispute_id, text="So it is."
    )
    uphold = {"contract_id": name, "dispute_id": free.dispute_id, "outcome": UPHELD,
              "reason": "Both agree."}  # fmt: skip
    ruled = (await deal.do("admin", "RuleDispute", **uphold)).dispute
    # Upheld without an amount is all that was claimed: a statement of its own for the seller.
    assert ruled.ruling.amount == "50.00"
    found = (await deal.do("buyer", "ListStatements", contract_id=name)).statements
    assert found[-1].net == "50.00"
