"""A13: a notice of force majeure comes a day too late."""

from datetime import timedelta

from scenarios.deal import LOADS, Deal, terms
from scenarios.server import World


def test_notice_on_the_eighth_day_suspends_nothing(deal: Deal, world: World) -> None:
    """FWD-013: scenario A13; on the seventh day it would have."""
    today = world.clock.now().date()
    name = deal.active(terms=terms(force_majeure={"is_enabled": True})).contract_id
    notice = {
        "contract_id": name, "event": "FORCE_MAJEURE_EVENT_ICE", "text": "The river is frozen.",
    }  # fmt: skip
    eighth = str(today - timedelta(days=8))
    late = deal.refused("seller", "NotifyForceMajeure", **notice, occurred_on=eighth)
    assert (late.reason, late.code, late.metadata) == (
        "FM_NOTICE_LATE", "FAILED_PRECONDITION", {"days": "7"},
    )  # fmt: skip
    assert not deal.get(name).is_suspended
    assert not deal.call("buyer", "ListForceMajeureNotices", contract_id=name).notices
    assert "fm.notified" not in deal.history(name)
    # Both go on: a load is brought and taken.
    deal.accept(deal.deliver(name, LOADS[0]).delivery_id)

    seventh = str(today - timedelta(days=7))
    made = deal.call("seller", "NotifyForceMajeure", **notice, occurred_on=seventh).notice
    assert deal.get(name).is_suspended
    schedule = {"expected_date": str(today), "expected_quantity": "950"}
    waiting = deal.refused("seller", "ScheduleDelivery", contract_id=name, **schedule)
    assert waiting.reason == "FM_SUSPENDED"
    deal.call("seller", "EndForceMajeure", contract_id=name, notice_id=made.notice_id)
    deal.accept(deal.deliver(name, LOADS[1]).delivery_id)
