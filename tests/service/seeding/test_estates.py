"""The demonstration's organisations, farms, and goods in store."""

import json
from collections import Counter
from collections.abc import Callable

from sqlalchemy import delete, func, select

from farmgate.app.seeding.estates import HOLDINGS, ORGANISATIONS, STORED
from farmgate.app.seeding.runner import SEEDS, Seeding
from farmgate.app.seeding.tables import seeds
from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from farmgate.users import farm_rules
from farmgate.users.tables import (
    crop_plans,
    farm_certifications,
    farms,
    memberships,
    organizations,
    users,
    warehouse_receipts,
)
from service.seeding.test_seeding import Exchange

PLANTED = (farms, crop_plans, farm_certifications, organizations, memberships, warehouse_receipts)


async def test_the_demonstration_has_members_farms_and_goods_in_store(
    make_settings: Callable[..., Settings], clock: FakeClock
) -> None:
    """USR-079: twice planted it is the same, and receipts add up to the balances."""
    exchange = Exchange(make_settings(), clock)
    await exchange.application.start()
    wanted = tuple(one for one in SEEDS if one.name in {"instruments", "people", "estates"})
    try:
        database = exchange.ground.base.database

        async def rows(query: object) -> list[object]:
            return await database.read(lambda tx: list(tx.execute(query).all()))

        async def planted() -> dict[str, list[object]]:
            await Seeding(exchange.ground, wanted).start()
            return {table.name: await rows(select(table)) for table in PLANTED}

        once = await planted()
        assert len(once["farms"]) == len(HOLDINGS) == 7
        assert len(once["organizations"]) == len(ORGANISATIONS) == 4
        for farm in once["farms"]:
            assert farm_rules.boundary(farm.boundary) == farm.boundary
            ring = json.loads(farm.boundary)["coordinates"][0]
            middle = [sum(axis) / 4 for axis in zip(*ring[:4], strict=True)]
            assert [f"{value:.4f}" for value in middle] == [farm.longitude, farm.latitude]
        members = await rows(
            select(users.c.email, memberships.c.role, organizations.c.name)
            .join(memberships, memberships.c.user_id == users.c.id)
            .join(organizations, organizations.c.id == memberships.c.organization_id)
            .where(users.c.organization_id == organizations.c.id)
        )
        heartland = {(row.email.split("@")[0], row.role) for row in members if "Co-op" in row.name}
        assert heartland == {
            ("coop.heartland", "MANAGER"), ("farmer.jan", "MEMBER"), ("farmer.lea", "MEMBER"),
            ("newuser", "VIEWER"),
        }  # fmt: skip
        table = warehouse_receipts.c
        sums = await rows(select(table.asset, func.sum(table.quantity_minor)).group_by(table.asset))
        audits, _ = exchange.ground.matching.audit()
        assert dict(tuple(row) for row in sums) == {
            one.asset: one.total for one in audits if one.asset in STORED
        }
        await database.write(lambda tx: tx.execute(delete(seeds)))
        assert await planted() == once
        assert Counter(len(found) > 0 for found in once.values()) == {True: len(PLANTED)}
    finally:
        await exchange.application.stop()
