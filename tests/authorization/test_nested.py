"""IDs deep in a request: somebody else's is told like one that does not exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from authorization.people import exchange
from authorization.resources import SYMBOL, TERMS, World
from authorization.test_ownership import SETTINGS, absent, told
from farmgate.app.settings import Settings
from support import SignedIn, refusal_of


async def outcome(world: World, name: str, who: SignedIn, thing: str, **values: Any) -> str:
    """Returns what a call with an ID in it comes to."""
    try:
        await world.call(name, who, **values)
    except grpc.aio.AioRpcError as error:
        refusal = refusal_of(error)
        return told(refusal.reason, refusal.metadata, thing)
    return "OK"


def draft(world: World, farm_id: str) -> dict[str, Any]:
    return {
        "own_party": "PARTY_SELLER", "counterparty_user_id": world.buyer.user.user_id,
        "template_code": "US-CASH-FWD", "terms": {**TERMS, "origin_farm_id": farm_id},
    }  # fmt: skip


async def test_what_is_named_deep_in_a_request_is_hidden(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """AUT-040, AUT-045: a contract promises the harvest of the seller's own farms only."""
    async with exchange(make_settings(**SETTINGS), tmp_path / "edge") as found:
        world = World(found)
        await world.settle()
        farm, account = await world.make("farm"), await world.make("account")
        stranger, manager = world.people["farmer"], world.people["other manager"]
        other = await world.call("FarmService/CreateFarm", stranger, name="x", country="NL",
                                 area_ha="1")  # fmt: skip
        orders = {
            "symbol": SYMBOL, "side": "SIDE_BUY", "type": "ORDER_TYPE_LIMIT", "price": "4.3000",
            "quantity_lots": "1",
        }  # fmt: skip
        cases: list[tuple[str, SignedIn, str, Callable[[str], dict[str, Any]]]] = [
            ("ContractService/CreateContract", stranger, farm, lambda one: draft(world, one)),
            ("TradingService/PreviewOrder", stranger, account,
             lambda one: {"order": {**orders, "account_id": one}}),
            ("FarmService/UpdateFarm", stranger, world.owner.user.user_id,
             lambda one: {"farm_id": other.farm.farm_id, "farm": {"owner_id": one},
                          "update_mask": "ownerId"}),
            ("OrganizationService/UpdateOrganization", manager, account,
             lambda one: {"organization_id": world.other_organization_id,
                          "organization": {"settlement_account_id": one},
                          "update_mask": "settlementAccountId"}),
        ]  # fmt: skip
        for name, who, thing, values in cases:
            foreign = await outcome(world, name, who, thing, **values(thing))
            missing = await outcome(world, name, who, absent(thing), **values(absent(thing)))
            assert foreign == missing, name
        create = "ContractService/CreateContract"
        foreign = await outcome(world, create, stranger, farm, **draft(world, farm))
        assert foreign.startswith("NOT_FOUND"), foreign
        for who in (world.owner, world.people["own manager"]):
            assert await outcome(world, create, who, farm, **draft(world, farm)) == "OK"
        theirs = {**draft(world, farm), "own_party": "PARTY_BUYER"}
        assert (await outcome(world, create, stranger, farm, **theirs)).startswith("NOT_FOUND")
