"""Force majeure over gRPC: notice, suspension, contest, end, and what time brings."""

from farmgate.api.contracts.v1 import contract_types_pb2, force_majeure_pb2
from service.contracts.conftest import LOADS, Deal

ICE = force_majeure_pb2.FORCE_MAJEURE_EVENT_ICE
FM = contract_types_pb2.CANCELLATION_REASON_FORCE_MAJEURE
NOTICE = {"event": ICE, "occurred_on": "2026-06-01", "text": "The river is frozen."}


async def test_a_notice_suspends_until_it_ends_and_the_window_grows(deal: Deal) -> None:
    """CON-060, CON-061: scenario A13, and a suspension of ten days."""
    name = (await deal.active()).contract_id
    notice = {"contract_id": name, **NOTICE}
    await deal.also("stranger", "farmer.jan")
    await deal.guarded("NotifyForceMajeure", **notice)
    await deal.later(days=8)
    late = await deal.no("seller", "NotifyForceMajeure", **notice)
    assert late == "FM_NOTICE_LATE"
    found = (await deal.do("seller", "GetContract", contract_id=name)).contract
    assert not found.is_suspended
    future = notice | {"occurred_on": "2026-06-10"}
    assert await deal.no("seller", "NotifyForceMajeure", **future) == "INVALID_ARGUMENT"
    notice["occurred_on"] = "2026-06-08"
    made = (await deal.do("seller", "NotifyForceMajeure", **notice)).notice
    # The window ends on 31 July; both wait until 21 days later.
    assert made.suspend_until == "2026-08-22"
    assert await deal.no("buyer", "NotifyForceMajeure", **notice) == "FM_SUSPENDED"
    load = {"contract_id": name, "expected_date": "2026-06-10", "expected_quantity": "900"}
    assert await deal.no("seller", "ScheduleDelivery", **load) == "FM_SUSPENDED"
    declare = {"contract_id": name, "defaulting_party": 1, "text": "It does not come."}
    assert await deal.no("seller", "DeclareDefault", **declare) == "FM_SUSPENDED"

    of = {"contract_id": name, "notice_id": made.notice_id}
    await deal.guarded("EndForceMajeure", **of)
    await deal.guarded("ContestForceMajeure", **of, text="It is not frozen.")
    await deal.guarded("ListForceMajeureNotices", contract_id=name)
    assert await deal.no("buyer", "EndForceMajeure", **of) == "PERMISSION_DENIED"
    missing = of | {"notice_id": "0" * 26}
    assert await deal.no("seller", "EndForceMajeure", **missing) == "NOT_FOUND"
    await deal.later(days=10)
    ended = (await deal.do("seller", "EndForceMajeure", **of)).notice
    assert ended.HasField("end_time")
    assert await deal.no("seller", "EndForceMajeure", **of) == "RESOURCE_STATE"
    # Five days of grace, and the ten days that both waited.
    load["expected_date"] = "2026-08-15"
    await deal.do("seller", "ScheduleDelivery", **load)
    load["expected_date"] = "2026-08-16"
    assert await deal.no("seller", "ScheduleDelivery", **load) == "OUTSIDE_DELIVERY_WINDOW"
    listed = (await deal.do("buyer", "ListForceMajeureNotices", contract_id=name)).notices
    assert [one.notice_id for one in listed] == [made.notice_id]


async def test_a_contested_notice_is_ruled_and_what_waits_too_long_is_void(deal: Deal) -> None:
    """CON-060, CON-062."""
    money = [await deal.cash(who) for who in (deal.seller, deal.buyer)]
    name = (await deal.active()).contract_id
    notice = {"contract_id": name, **NOTICE}
    made = (await deal.do("seller", "NotifyForceMajeure", **notice)).notice
    contest = {"contract_id": name, "notice_id": made.notice_id, "text": "It is not frozen."}
    assert await deal.no("seller", "ContestForceMajeure", **contest) == "PERMISSION_DENIED"
    both = await deal.do("buyer", "ContestForceMajeure", **contest)
    assert both.notice.is_contested
    assert await deal.no("buyer", "ContestForceMajeure", **contest) == "OPEN_DISPUTE"
    of = {"contract_id": name, "dispute_id": both.dispute.dispute_id}
    await deal.do("seller", "AnswerDispute", **of, text="It was, for a day.")
    await deal.do("admin", "RuleDispute", **of, outcome=1, reason="The river flows.")
    found = (await deal.do("buyer", "GetContract", contract_id=name)).contract
    assert not found.is_suspended

    await deal.do("seller", "NotifyForceMajeure", **notice)
    # The other party may end it from 22 August, until the next business day is over.
    cancel = {"contract_id": name, "reason": FM}
    assert await deal.no("buyer", "CancelContract", **cancel) == "RESOURCE_STATE"
    await deal.later(days=81, hours=13)
    assert await deal.no("seller", "CancelContract", **cancel) == "PERMISSION_DENIED"
    # Nobody ends it: 14 days later it is void, and the deposits go back.
    await deal.later(days=14)
    ended = await deal.until(
        name, lambda one: one.state == contract_types_pb2.CONTRACT_STATE_CANCELLED
    )
    assert ended.cancellation.reason == FM
    assert not ended.is_suspended
    await deal.cash_is("seller", round(money[0] * 10_000))
    await deal.cash_is("buyer", round(money[1] * 10_000))
    # What went back is not shown as held.
    await deal.until(name, lambda one: float(one.buyer_deposit_held) == 0)
    assert await deal.no("seller", "NotifyForceMajeure", **notice) == "CONTRACT_STATE"


async def test_who_waited_long_enough_ends_what_was_delivered_in_part(deal: Deal) -> None:
    """CON-062."""
    name = (await deal.active()).contract_id
    await deal.taken(name, *LOADS[0])
    await deal.do("seller", "NotifyForceMajeure", contract_id=name, **NOTICE)
    await deal.later(days=82)
    assert await deal.no("buyer", "CancelContract", contract_id=name, reason=FM) == (
        "CANCEL_AFTER_DELIVERY"
    )
    issued = (await deal.do("buyer", "IssueStatement", contract_id=name)).statement
    for who in ("seller", "buyer"):
        await deal.do(
            who, "AcceptStatement", contract_id=name, statement_id=issued.statement_id,
            sha256=issued.sha256,
        )  # fmt: skip
    settle = {"contract_id": name, "closing_reason": FM}
    assert await deal.no("seller", "SettleContract", **settle) == "PERMISSION_DENIED"
    await deal.do("buyer", "SettleContract", **settle)
    final = await deal.reaches(name, "SETTLED")
    assert final.delivery_status == contract_types_pb2.DELIVERY_STATUS_CLOSED_SHORT
    assert not final.is_suspended
