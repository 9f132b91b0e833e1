"""A12: a reorganised chain takes a registration back; the contract in force stays in force."""

from collections.abc import Iterator

import pytest

from chains import Anvil, anvil
from farmgate.api.contracts.v1 import contract_types_pb2 as types
from scenarios import script
from scenarios.deal import Deal
from scenarios.server import World, events_of, exchange_on


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with anvil() as found:
        yield found


@pytest.fixture(scope="module")
def world(node: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with exchange_on(node, tmp_path_factory.mktemp("exchange")) as found:
        yield found


@pytest.fixture(params=["rest", "grpc"])
def deal(request: pytest.FixtureRequest, world: World, node: Anvil) -> Deal:
    return Deal(world.faces[request.param], node.mine)


@pytest.mark.soak
def test_registration_that_is_taken_back_comes_again(deal: Deal, node: Anvil) -> None:
    """FWD-012: scenario A12, in the same life as on the embedded chain."""
    before = {side: deal.cash(side) for side in ("seller", "buyer")}
    name = script.in_force(deal)
    chain = deal.get(name).chain
    # All blocks since are replaced by empty ones, and the node forgets the transaction.
    head = int(node.ask("eth_blockNumber"), 16)
    node.stop_mining()
    node.ask("anvil_reorg", head - chain.block_number + 1, [])
    node.ask("anvil_dropAllTransactions")
    assert events_of(node, deal, name) == []

    idle = Deal(deal.face)

    def is_taken_back() -> bool:
        return idle.get(name).chain.status == types.CHAIN_STATUS_PENDING

    idle.until(is_taken_back, "PENDING")
    resyncing = idle.get(name)
    assert resyncing.chain.is_resyncing
    assert resyncing.state == types.CONTRACT_STATE_ACTIVE
    proof = idle.call("buyer", "VerifyContract", contract_id=name).verification
    assert [check.name for check in proof.checks if not check.is_good] == ["chain"]
    # It stays in force meanwhile: a load is taken.
    load = deal.deliver(name, script.LOADS[0])
    assert load.net_quantity == "923.21"
    # It was sent again meanwhile; now it gets into a block.
    idle.until(lambda: node.ask("txpool_status")["pending"] == "0x1", "the transaction again")
    node.ask("evm_setAutomine", True)  # noqa: FBT003 - The method's parameter.

    def is_back() -> bool:
        return deal.get(name).chain.status == types.CHAIN_STATUS_CONFIRMED

    deal.until(is_back, "CONFIRMED again")
    again = deal.get(name)
    assert again.state == types.CONTRACT_STATE_ACTIVE
    assert not again.chain.is_resyncing
    # The same transaction in another block: nothing was signed anew, so nothing is there twice.
    assert again.chain.transaction_hash == chain.transaction_hash
    assert again.chain.block_number > chain.block_number
    steps = [step.partition("chain_")[2] for step in deal.history(name) if "chain_" in step]
    assert steps == ["confirmed", "pending", "confirmed"]
    deal.accept(load.delivery_id)
    script.settled(deal, name, before, script.LOADS[1:])
    script.proven(deal, name)
    assert events_of(node, deal, name) == ["Registered", "Settled"]
