"""What people are reminded of, on the real use cases with a clock that moves."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from farmgate.blockchain.facade import State
from farmgate.contracts import store
from farmgate.contracts.reminding import Reminding
from farmgate.contracts.values import BUYER, SELLER
from farmgate.db.outbox import outbox
from service.contracts.world import World, terms


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    stated = terms(
        basis="-0.20", type=2, reference_series="CORN-U26", pricing_deadline="2026-07-10"
    )  # type: ignore[arg-type] # A number of an enum.
    with closing(World(tmp_path, stated)) as made:
        made.draft()
        made.call(made.logic.negotiation.submit, made.actor("seller"), made.contract_id, 0)
        yield made


def at(world: World, *when: int) -> list[tuple[str, str]]:
    """Returns the types of what is told at a time, twice asked for, and who is told."""
    wait = (datetime(2026, *when, tzinfo=UTC) - world.clock.now()).total_seconds()  # type: ignore[misc, arg-type] # Month, day, hour.
    world.clock.move(wait)
    reminding = Reminding(world.database, world.logic.steps)  # type: ignore[arg-type] # It is one.
    names = {user_id: name for name, user_id in world.people.items()}
    before = {row.id for row in world.connection.execute(select(outbox))}
    for _ in range(2):
        reminding.remind(world.connection, world.contract_id)
    rows = world.connection.execute(select(outbox).order_by(outbox.c.id))
    return [
        (row.type, names[row.user_id]) for row in rows
        if row.id not in before and row.user_id in names
    ]  # fmt: skip


def test_who_has_not_signed_is_reminded_twice(world: World) -> None:
    """CON-082."""
    assert at(world, 6, 3, 11) == []
    told = [("contract.sign_reminder", "seller"), ("contract.sign_reminder", "buyer")]
    assert at(world, 6, 3, 13) == told
    world.sign(SELLER)
    assert at(world, 6, 4, 11) == [("contract.sign_reminder", "buyer")]
    assert at(world, 6, 4, 11, 30) == []


def test_window_price_and_payment_are_reminded_of(world: World) -> None:
    """CON-082."""
    world.sign(SELLER)
    world.sign(BUYER)
    world.tick()
    world.chain(State.CONFIRMED)
    world.tick()
    both = ("seller", "buyer")
    assert at(world, 6, 1, 13) == [("contract.delivery_window_open", who) for who in both]
    assert at(world, 6, 26, 0) == [("contract.pricing_deadline", "seller")]
    assert at(world, 7, 7, 0) == [("contract.pricing_deadline", "seller")]
    world.call(world.logic.fixing.fix, world.actor("seller"), world.contract_id, 1, "1900", "")
    assert at(world, 7, 9, 0) == []
    world.deliver("78980")
    world.call(world.logic.settlement.issue, world.actor("seller"), world.contract_id)
    assert at(world, 7, 9, 12) == []
    assert at(world, 7, 10, 12) == [("settlement.overdue", "buyer")]
    assert at(world, 7, 24, 12) == [("contract.delivery_window_closing", who) for who in both]
    assert at(world, 7, 30, 12) == [("contract.delivery_window_closing", who) for who in both]
    assert at(world, 8, 1, 12) == []


def test_a_deposit_that_can_not_be_taken_is_asked_for(world: World) -> None:
    """CON-082."""
    world.sign(SELLER)
    world.ledger.balances[2] = 0
    world.sign(BUYER)
    world.tick()
    assert store.transfers_of(world.connection, world.contract_id)
    assert at(world, 6, 1, 13) == [("contract.deposit_due", "buyer")]
