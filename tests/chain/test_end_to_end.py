"""The same script on the chain inside the exchange and on a node: CHN-020 to CHN-024."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chains import BUYER, SELLER, Exchange, exchange, sign
from farmgate.blockchain import store
from farmgate.blockchain.facade import (
    Kind,
    State,
    amendment,
    anchoring,
    cancellation,
    receipt_burn,
    receipt_issue,
    settlement,
)
from farmgate.blockchain.registry import TYPICAL_GAS

KINDS = ("embedded", "anvil")
ZERO = bytes(32)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Exchange]:
    with exchange(request.param, tmp_path) as made:
        yield made


def test_contract_from_registration_to_settlement(world: Exchange) -> None:
    """CHN-020."""
    contract = world.contract()
    registered = world.request(
        world.registration(contract), reference=contract.contract_id, user_ids=["a" * 26]
    )
    domain = world.domain()
    later = world.contract(contract_id=contract.contract_id, version=2, price="4.70 USD/bu FIXED")
    amended = world.request(
        amendment(
            domain,
            later,
            seller_signature=sign(SELLER, domain, later),
            buyer_signature=sign(BUYER, domain, later),
        ),
        reference=contract.contract_id,
        version=2,
    )
    settled = world.request(
        settlement(
            domain,
            contract.contract_id,
            statement_hash=bytes(31) + b"1",
            statement_cid=contract.terms_cid,
            is_short=False,
        ),
        reference=contract.contract_id,
    )
    world.run()
    for operation in (registered, amended, settled):
        assert world.now(operation).state is State.CONFIRMED
    assert world.announced(contract.contract_id) == ["Registered", "Amended", "Settled"]
    # What was asked for once is asked for again: it is the same operation.
    again = world.request(world.registration(contract), reference=contract.contract_id)
    assert again.id == registered.id
    world.run()
    assert world.announced(contract.contract_id) == ["Registered", "Amended", "Settled"]


def test_other_evidence(world: Exchange) -> None:
    """CHN-021: cancellations, journal roots and receipts."""
    contract = world.contract()
    world.request(world.registration(contract), reference=contract.contract_id)
    domain = world.domain()
    cid = contract.terms_cid
    receipt = world.ids.ulid()
    root = bytes(31) + b"\1"
    made = [
        (
            cancellation(domain, contract.contract_id, reason="MUTUAL", evidence_hash=ZERO),
            contract.contract_id,
        ),
        (
            anchoring(domain, 20261201, sequences=(1, 9), root=root, previous_root=ZERO, cid=cid),
            "2026-12-01",
        ),
        (
            anchoring(
                domain, 20261202, sequences=(10, 12), root=bytes(31) + b"\2", previous_root=root,
                cid=cid,
            ),
            "2026-12-02",
        ),
        (receipt_issue(domain, receipt, content_hash=root), receipt),
        (receipt_burn(domain, receipt), receipt),
    ]  # fmt: skip
    operations = [world.request(payload, reference=reference) for payload, reference in made]
    world.run()
    for operation in operations:
        now = world.now(operation)
        assert now.state is State.CONFIRMED, now.error
    assert world.announced(contract.contract_id) == ["Registered", "Cancelled"]
    assert world.announced("2026-12-02") == ["Anchored"]
    assert world.announced(receipt) == ["ReceiptIssued", "ReceiptBurnt"]


@pytest.mark.parametrize("kind", KINDS)
def test_typical_gas_is_true(kind: str, tmp_path: Path) -> None:
    """CHN-024: what `EstimateGas` tells of each kind is within a tenth of what was used."""
    with exchange(kind, tmp_path) as world:
        test_contract_from_registration_to_settlement(world)
        test_other_evidence(world)
        operations = world.database.run(
            lambda tx: store.page_of_operations(
                tx, user_id=None, kind=None, states=(), reference="", before=None, limit=99
            )
        )
        assert {operation.kind for operation in operations} == set(Kind)
        # The newest of each kind: the first anchor ever costs more than every day's.
        for operation in {one.kind: one for one in reversed(operations)}.values():
            receipt = world.chain.receipt(operation.transaction_hash)
            assert receipt
            typical = TYPICAL_GAS[operation.kind]
            assert abs(receipt.gas_used - typical) < typical / 10, operation.kind
