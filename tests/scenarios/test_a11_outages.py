"""A11: Kubo is down at submission, the node at the second signature; both come back."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chains import Anvil, anvil
from e2e.exchange import free_ports
from farmgate.api.contracts.v1 import contract_types_pb2 as types
from farmgate.ports.unixfs import cid_of
from kubo import Kubo, running
from scenarios.deal import Deal
from scenarios.server import World, events_of, exchange_on


@dataclass
class Outside:
    """A node and a Kubo that come and go, each at its address."""

    folder: Path
    node_port: int
    kubo_port: int
    kubo: Kubo = field(default_factory=Kubo)
    node: Anvil | None = None
    _node: ExitStack = field(default_factory=ExitStack)
    _kubo: ExitStack = field(default_factory=ExitStack)

    def start_node(self) -> Anvil:
        """Starts the node where it ended."""
        self.node = self._node.enter_context(anvil(self.node_port, self.folder / "state.json"))
        return self.node

    def stop_node(self) -> None:
        """Ends the node's process."""
        self.node = None
        self._node.close()

    def start_kubo(self) -> None:
        self._kubo.enter_context(running(self.kubo, self.kubo_port))

    def stop_kubo(self) -> None:
        self._kubo.close()

    def mine(self) -> None:
        """Makes a block, if there is a node."""
        if self.node:
            self.node.mine()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    made = Outside(tmp_path_factory.mktemp("outside"), *free_ports(2))
    made.start_node()
    yield made
    made.stop_node()
    made.stop_kubo()


@pytest.fixture(scope="module")
def world(outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    assert outside.node
    ipfs = f"http://127.0.0.1:{outside.kubo_port}"
    folder = tmp_path_factory.mktemp("exchange")
    with exchange_on(outside.node, folder, ipfs_url=ipfs) as found:
        yield found


@pytest.fixture(params=["rest", "grpc"])
def deal(request: pytest.FixtureRequest, world: World, outside: Outside) -> Deal:
    def tick() -> None:
        outside.mine()
        # Health is asked anew after a while only.
        world.clock.move(1)

    return Deal(world.faces[request.param], tick)


def down(deal: Deal) -> set[str]:
    """Returns what the exchange says is down; it is ready nevertheless."""
    assert deal.face.call("Readyz").status == "ok"
    health = deal.face.call("Healthz")
    assert not [one.name for one in health.dependencies if one.is_required and not one.is_healthy]
    return {one.name for one in health.dependencies if not one.is_healthy}


def test_only_what_needs_the_outside_waits_for_it(deal: Deal, outside: Outside) -> None:
    """FWD-011: scenario A11."""
    deal.until(lambda: "content" in down(deal), "Kubo is missed")
    before = {side: deal.cash(side) for side in ("seller", "buyer")}
    contract = deal.submitted()
    name = contract.contract_id
    assert contract.state == types.CONTRACT_STATE_PENDING_SIGNATURE
    # The terms are kept here under the name that Kubo would give them, and read from here.
    published = deal.call("seller", "PublishContractToIpfs", contract_id=name)
    assert (published.cid, published.is_pinned) == (contract.terms_cid, False)
    document = deal.call("buyer", "GetFromIpfs", cid=published.cid).data
    assert cid_of(document) == contract.terms_cid

    deal.sign("seller", name)
    # What the buyer signs is asked for before: the node is down at the signature itself.
    signing = deal.signing("buyer", name)
    outside.stop_node()
    signed = deal.call("buyer", "SignContract", **signing).contract
    assert signed.state == types.CONTRACT_STATE_SIGNED
    assert signed.chain.status == types.CHAIN_STATUS_PENDING
    deal.until(lambda: down(deal) >= {"blockchain", "content"}, "the node is missed")
    # Money does not wait for the chain; being in force does, and the operation says what for.
    deal.until(lambda: before["buyer"] - deal.cash("buyer") == 8_763_750, "the buyer's deposit")
    deal.until(lambda: before["seller"] - deal.cash("seller") == 4_381_875, "the seller's deposit")
    assert deal.get(name).state == types.CONTRACT_STATE_SIGNED
    assert deal.operations(name) == {"REGISTER": "QUEUED"}
    assert not deal.face.call("GetChainStatus").is_connected

    outside.start_kubo()

    def is_pinned() -> bool:
        again = deal.call("seller", "PublishContractToIpfs", contract_id=name)
        return bool(again.is_pinned)

    deal.until(is_pinned, "the pin")
    assert outside.kubo.pins
    outside.start_node()
    active = deal.reaches(name, types.CONTRACT_STATE_ACTIVE)
    assert active.chain.status == types.CHAIN_STATUS_CONFIRMED
    deal.until(lambda: not down(deal), "all is well")
    assert outside.node
    assert events_of(outside.node, deal, name) == ["Registered"]
    assert deal.operations(name) == {"REGISTER": "CONFIRMED"}
    assert deal.call("buyer", "VerifyContract", contract_id=name).verification.is_good
    outside.stop_kubo()
    outside.kubo.pins.clear()
