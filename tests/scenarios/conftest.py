"""One exchange for all scenarios that leave time as it is, and both of its faces for each."""

from collections.abc import Iterator

import pytest

from scenarios.deal import Deal
from scenarios.server import World, exchange


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An exchange on the chain inside it, its parties' wallets linked."""
    with exchange(tmp_path_factory.mktemp("exchange")) as made:
        Deal(made.faces["grpc"]).link_wallets()
        yield made


@pytest.fixture(params=["rest", "grpc"])
def deal(request: pytest.FixtureRequest, world: World) -> Deal:
    """The parties, at each face in turn."""
    return Deal(world.faces[request.param])
