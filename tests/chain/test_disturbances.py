"""Reorganised chains, dead processes, nodes that are down, low fees: CHN-030 to CHN-037."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chains import CHAIN_ID, GWEI, OPERATOR, Anvil, Exchange, anvil, exchange, receipt_of
from farmgate.blockchain import event_store, store
from farmgate.blockchain.facade import Kind, State
from farmgate.blockchain.steps import Policy, first_free
from farmgate.blockchain.values import deployment
from farmgate.ports.chain import NonceTakenError, Offer, Request
from farmgate.ports.chain_web3 import http_chain


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Exchange]:
    with exchange("anvil", tmp_path) as made:
        yield made


def node(world: Exchange) -> Anvil:
    assert world.node
    return world.node


def states(world: Exchange, kind: Kind = Kind.REGISTER) -> list[State]:
    return [state for of, state in world.steps if of is kind]


def test_reorganisation_takes_the_registration_and_it_comes_again(world: Exchange) -> None:
    """CHN-030: confirmed, taken back, pending, confirmed again; one registration."""
    operation = world.register()
    world.run()
    confirmed = world.now(operation)
    assert confirmed.state is State.CONFIRMED
    # The blocks since, the registration's among them, are replaced by empty ones; the
    # transaction is forgotten by the node.
    depth = world.chain.head().number - confirmed.block_number + 1
    node(world).stop_mining()
    node(world).ask("anvil_reorg", depth, [])
    node(world).ask("anvil_dropAllTransactions")
    assert world.chain.receipt(confirmed.transaction_hash) is None
    world.pump.tick()
    assert states(world)[-1] is State.BROADCAST
    pending = world.now(operation)
    assert (pending.block_number, pending.confirmations) == (0, 0)
    assert world.announced(operation.reference) == []
    world.run()
    again = world.now(operation)
    assert again.state is State.CONFIRMED
    # The same bytes: nothing was signed anew, so nothing can be there twice.
    assert again.transaction_hash == confirmed.transaction_hash
    assert again.block_hash != confirmed.block_hash
    assert world.announced(operation.reference) == ["Registered"]
    told = world.database.run(lambda tx: event_store.events_after(tx, 0, reached=99, limit=99))
    steps = [event.step for event in told if event.reference == operation.reference]
    assert steps == ["SEEN", "CONFIRMED", "REMOVED", "SEEN", "CONFIRMED"]


def test_reorganisation_of_the_deployment_waits_for_it(tmp_path: Path) -> None:
    """CHN-030: nothing is registered while the registry is gone."""
    with exchange("anvil", tmp_path) as world:
        head = world.chain.head().number
        node(world).stop_mining()
        node(world).ask("anvil_reorg", head, [])
        node(world).ask("anvil_dropAllTransactions")
        node(world).ask("anvil_setBalance", OPERATOR.address, hex(10**24))
        payload = world.registration(world.contract())
        operation = world.request(payload, reference=world.ids.ulid())
        world.pump.tick()
        assert world.now(operation).state is State.QUEUED
        assert "not deployed" in world.now(operation).error
        world.run()
        assert world.now(operation).state is State.CONFIRMED


def test_answer_lost_and_database_behind_registers_once(world: Exchange) -> None:
    """CHN-032: the transaction was mined while nobody remembered having sent it."""
    operation = world.register()
    before = world.now(operation)
    world.run()
    # A restored backup: the operation is as it was before it was signed.
    world.database.run(
        lambda tx: store.change(
            tx, world.now(operation), state=State.QUEUED, nonce=None, transaction_hash="",
            block_number=0, block_hash="", confirmations=0, attempts=before.attempts,
        )
    )  # fmt: skip
    world.run()
    after = world.now(operation)
    assert after.state is State.CONFIRMED
    assert world.announced(operation.reference) == ["Registered"]


def test_other_content_under_a_registered_contract_fails_clearly(world: Exchange) -> None:
    contract = world.contract()
    world.request(world.registration(contract), reference=contract.contract_id)
    world.run()
    other = world.contract(contract_id=contract.contract_id, terms_hash=bytes(32))
    operation = world.request(world.registration(other), reference=contract.contract_id, version=2)
    world.run()
    failed = world.now(operation)
    assert failed.state is State.FAILED
    assert failed.error == f"TX_REVERTED: AlreadyRegistered(0x{contract.terms_hash.hex()})"
    assert world.announced(contract.contract_id) == ["Registered"]


def test_low_fee_is_raised_under_the_same_nonce(world: Exchange) -> None:
    """CHN-033: 12.5 % more after three blocks, until the cap."""
    node(world).stop_mining()
    operation = world.register()
    world.pump.tick()
    first = world.now(operation)
    assert first.state is State.BROADCAST
    # Blocks come in which the fee is too high for it.
    for _ in range(3):
        node(world).ask("anvil_setNextBlockBaseFeePerGas", hex(first.max_fee_wei + 1))
        node(world).mine()
    world.pump.tick()
    second = world.now(operation)
    assert second.state is State.REPLACED
    assert second.nonce == first.nonce
    assert second.transaction_hash != first.transaction_hash
    assert second.max_fee_wei >= -(-first.max_fee_wei * 9 // 8)
    assert second.tip_wei == -(-first.tip_wei * 9 // 8)
    world.run()
    assert world.now(operation).state is State.CONFIRMED
    assert world.announced(operation.reference) == ["Registered"]


def test_fee_above_the_cap_waits(tmp_path: Path) -> None:
    """CHN-033: nothing is signed that costs more than allowed."""
    with exchange("anvil", tmp_path, policy=Policy(2, 20 * GWEI)) as world:
        node(world).stop_mining()
        node(world).ask("anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
        node(world).mine()
        operation = world.register()
        world.pump.tick()
        waiting = world.now(operation)
        assert (waiting.state, waiting.error) == (State.QUEUED, "GAS_CAP_EXCEEDED")
        node(world).ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        world.run()
        node(world).ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        node(world).mine()
        world.run()
        assert world.now(operation).state is State.CONFIRMED


def test_nonce_taken_by_somebody_else_begins_anew(world: Exchange) -> None:
    """CHN-034."""
    node(world).stop_mining()
    operation = world.register()
    world.pump.tick()
    sent = world.now(operation)
    assert sent.nonce is not None
    node(world).ask("anvil_dropAllTransactions")
    request = Request(OPERATOR.address, OPERATOR.address, b"", 1)
    other = world.chain.sign(
        request, Offer(sent.nonce, 21_000, 50 * GWEI, GWEI), bytes(OPERATOR.key)
    )
    world.chain.send(other.raw)
    node(world).mine()
    world.pump.tick()
    assert State.QUEUED in states(world)[2:]
    world.run()
    after = world.now(operation)
    assert after.state is State.CONFIRMED
    assert after.nonce == sent.nonce + 1
    assert world.announced(operation.reference) == ["Registered"]


def test_admins_transaction_that_is_taken_back_is_sent_again(world: Exchange) -> None:
    """CHN-030: what waits behind it would stay otherwise."""
    nonce = world.chain.nonces(OPERATOR.address)[0]
    request = Request(OPERATOR.address, OPERATOR.address, b"", 1)
    signed = world.chain.sign(request, Offer(nonce, 21_000, 50 * GWEI, GWEI), bytes(OPERATOR.key))
    world.database.run(
        lambda tx: store.insert_transaction(
            tx, hash=signed.hash, operation_id=None, chain_id=CHAIN_ID,
            from_address=OPERATOR.address, nonce=nonce, raw=signed.raw, is_to_send=True,
            created_at=world.clock.now(),
        )
    )  # fmt: skip
    operation = world.register()
    world.run()
    receipt = world.chain.receipt(signed.hash)
    assert receipt
    assert world.now(operation).nonce == nonce + 1
    node(world).stop_mining()
    node(world).ask("anvil_reorg", world.chain.head().number - receipt.block_number + 1, [])
    node(world).ask("anvil_dropAllTransactions")
    world.run(20)
    assert world.chain.receipt(signed.hash)
    assert world.now(operation).state is State.CONFIRMED
    assert world.announced(operation.reference) == ["Registered"]


def test_nonces_leave_no_gap_and_meet_nobody() -> None:
    assert first_free(3, set()) == 3
    assert first_free(3, {3, 4, 6}) == 5
    assert first_free(0, {1, 2}) == 0


def test_node_down_makes_operations_wait(tmp_path: Path) -> None:
    """CHN-035: nothing fails; when the node is back it goes on by itself."""
    with exchange("anvil", tmp_path) as world:
        operation = world.register()
        down = http_chain("http://127.0.0.1:1", chain_id=CHAIN_ID)
        world.restart(chain=down)
        for _ in range(3):
            assert world.pump.tick()
        waiting = world.now(operation)
        assert (waiting.state, waiting.attempts) == (State.QUEUED, 0)
        row = world.database.run(event_store.state)
        assert row is not None
        assert not row.is_connected
        world.clock.move(3_601)
        world.pump.tick()
        world.pump.tick()
        assert world.alerts == [operation.id], "Operators are told, once."
        world.restart()
        world.run()
        assert world.now(operation).state is State.CONFIRMED


def test_node_of_another_chain_is_not_used(world: Exchange) -> None:
    """CHN-036."""
    operation = world.register()
    world.restart(chain=http_chain(node(world).url, chain_id=1))
    assert world.pump.tick()
    assert world.now(operation).state is State.QUEUED


def test_one_process_works_at_a_time(world: Exchange) -> None:
    """CHN-037."""
    operation = world.register()
    other = world.pump
    world.restart()
    assert world.pump.hold()
    assert other.tick()
    assert world.now(operation).state is State.QUEUED
    world.pump.let_go()
    world.run()
    assert world.now(operation).state is State.CONFIRMED


def test_chain_that_began_anew_gets_everything_again(tmp_path: Path) -> None:
    """CHN-030: not one remembered block is left."""
    with exchange("anvil", tmp_path) as world, anvil() as fresh:
        operation = world.register()
        world.run()
        assert world.now(operation).state is State.CONFIRMED
        world.node = fresh
        world.chain = http_chain(fresh.url, chain_id=CHAIN_ID)
        world.restart()
        world.run(20)
        assert world.now(operation).state is State.CONFIRMED
        assert world.announced(operation.reference) == ["Registered"]


def test_same_transaction_twice_is_no_mistake(world: Exchange) -> None:
    node(world).stop_mining()
    pending = world.chain.nonces(OPERATOR.address)[1]
    request = Request(OPERATOR.address, OPERATOR.address, b"", 1)
    signed = world.chain.sign(request, Offer(pending, 21_000, 50 * GWEI, GWEI), bytes(OPERATOR.key))
    world.chain.send(signed.raw)
    world.chain.send(signed.raw)
    node(world).mine()
    receipt_of(world.chain, signed.hash)
    with pytest.raises(NonceTakenError):
        world.chain.send(signed.raw)


def test_deployment_is_asked_for_once(tmp_path: Path) -> None:
    with exchange("embedded", tmp_path) as world:
        first = world.register()
        second = world.register()
        world.request(deployment(OPERATOR.address), reference="ForwardRegistry")
        world.run()
        assert {world.now(one).state for one in (first, second)} == {State.CONFIRMED}
        assert len(states(world, Kind.DEPLOY)) == len(set(states(world, Kind.DEPLOY)))
