"""What the people of the demonstration have: organisations, farms, and goods in store."""

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from farmgate.api.users.v1 import farm_types_pb2, organization_types_pb2
from farmgate.app.seeding.ground import Ground
from farmgate.app.seeding.people import PEOPLE
from farmgate.ports.ids import Ids
from farmgate.users import farm_rules, farm_store, org_store, receipt_store
from farmgate.users.facade import User
from farmgate.users.farm_store import Certification, Crop, Farm
from farmgate.users.org_store import Member, Organization
from farmgate.users.receipt_store import Receipt

_COOP: Final = organization_types_pb2.ORGANIZATION_KIND_COOP
_TRADING: Final = organization_types_pb2.ORGANIZATION_KIND_TRADING_COMPANY
_PROCESSOR: Final = organization_types_pb2.ORGANIZATION_KIND_PROCESSOR
_WAREHOUSE: Final = organization_types_pb2.ORGANIZATION_KIND_WAREHOUSE
_RAINFED: Final = farm_types_pb2.IRRIGATION_RAINFED
_PIVOT: Final = farm_types_pb2.IRRIGATION_PIVOT
_DRIP: Final = farm_types_pb2.IRRIGATION_DRIP
# Half the side of the square that a farm's boundary is, in ten-thousandths of a degree.
_HALF_SIDE: Final = 80
_DEGREE: Final = 10_000
# Goods whose receipts cover every balance, so that both add up to the same from the start.
STORED: Final = ("CORN.US2Y.CHI", "SOYBEAN.US2Y.CHI")


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation with its members: name of the person, role, share in per cent."""

    name: str
    kind: int
    registration: str
    country: str
    address: str
    members: tuple[tuple[str, str, str], ...]


ORGANISATIONS: Final = (
    Organisation(
        "Heartland Co-op", _COOP, "IA-104-882", "US", "1 Elevator Road, Ames, Iowa",
        (
            ("coop.heartland", "MANAGER", ""),
            ("farmer.jan", "MEMBER", "40"),
            ("farmer.lea", "MEMBER", "35"),
            ("newuser", "VIEWER", ""),
        ),
    ),
    Organisation(
        "Meridian Grain Trading", _TRADING, "IL-77-1203", "US", "141 West Jackson, Chicago",
        (("trader.meridian", "MANAGER", ""),),
    ),
    Organisation(
        "Nord Mills", _PROCESSOR, "HRB 44120", "DE", "Muehlenstrasse 8, Hamburg",
        (("mill.nord", "MANAGER", ""),),
    ),
    Organisation(
        "Prairie Warehousing", _WAREHOUSE, "IL-55-0917", "US", "2200 South Dock, Chicago",
        (("inspector.chi", "MANAGER", ""),),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holding:
    """A farm; its place is in ten-thousandths of a degree."""

    owner: str
    name: str
    country: str
    region: str
    latitude: int
    longitude: int
    area_ha: str
    soil: str
    irrigation: int
    storage_t: str
    crops: tuple[tuple[str, str, str], ...]
    certificate: int = 0


HOLDINGS: Final = (
    Holding("farmer.amara", "Gidan Bello", "NG", "Kano", 119_964, 85_167, "12.5", "sandy loam",
            _RAINFED, "40", (("SORGHUM", "8", "2.1"), ("SESAME-HUMERA", "4", "0.6")),
            farm_types_pb2.CERTIFICATION_SCHEME_FAIRTRADE),
    Holding("farmer.amara", "Rano fields", "NG", "Kano", 115_560, 85_833, "7", "loam", _DRIP, "15",
            (("CORN", "6", "3.4"),)),
    Holding("farmer.jan", "De Vries home farm", "US", "Iowa", 420_308, -936_319, "480", "silt loam",
            _RAINFED, "6000", (("CORN", "260", "11.2"), ("SOYBEAN", "210", "3.7")),
            farm_types_pb2.CERTIFICATION_SCHEME_NON_GMO),
    Holding("farmer.lea", "Les Tilleuls", "FR", "Eure", 490_241, 11_509, "138", "clay loam",
            _RAINFED, "900", (("WHEAT-MILL", "90", "7.8"), ("BARLEY", "40", "6.9")),
            farm_types_pb2.CERTIFICATION_SCHEME_ORGANIC_EU),
    Holding("farmer.lea", "La Vallée", "FR", "Eure", 490_812, 11_903, "42", "silt", _RAINFED, "200",
            (("MAIZE-EU", "38", "9.1"),)),
    Holding("coop.heartland", "Trial plots", "US", "Iowa", 420_267, -936_465, "95", "loam",
            _PIVOT, "2500", (("CORN", "50", "11.8"), ("OATS", "20", "3.3")),
            farm_types_pb2.CERTIFICATION_SCHEME_USDA_ORGANIC),
    Holding("newuser", "First acres", "US", "Iowa", 418_781, -930_977, "30", "loam", _RAINFED, "0",
            (("SOYBEAN", "28", "3.2"),)),
)  # fmt: skip


async def plant(ground: Ground) -> None:
    """Adds what is missing, each with its owner."""
    people = {person.name: await ground.person(person.name) for person in PEOPLE}
    await ground.matching.caught_up()
    stored = {
        (name, asset): total
        for name, user in people.items()
        if user.account_number is not None
        for asset, total, _ in ground.matching.balances(user.account_number)
        if asset in STORED and total
    }

    def add(connection: Connection) -> None:
        for organisation in ORGANISATIONS:
            _organisation(connection, ground, organisation, people)
        for holding in HOLDINGS:
            _farm(connection, ground, holding, people[holding.owner])
        inspector = people["inspector.chi"]
        for (name, asset), total in stored.items():
            _receipt(connection, ground, people[name], asset, total, inspector)

    await ground.base.database.write(add)


def _organisation(
    connection: Connection, ground: Ground, one: Organisation, people: dict[str, User]
) -> None:
    base = ground.base
    now = base.clock.now()
    organisation = Organization(
        base.ids.ulid(), one.name, one.kind, one.registration, one.registration, one.country,
        one.address, "APPROVED", people[one.members[0][0]].account_id or "", now, 1,
    )  # fmt: skip
    if not org_store.insert_organization(connection, organisation):
        return
    for name, role, share in one.members:
        member = Member(organisation.id, people[name].id, role, share, "ACTIVE", now, 1)
        org_store.put_member(connection, member)


def _farm(connection: Connection, ground: Ground, one: Holding, owner: User) -> None:
    known = farm_store.farm_page(connection, owner.id, after=("", ""), limit=100)
    if any(farm.name == one.name for farm in known):
        return
    base = ground.base
    now = base.clock.now()
    farm = Farm(
        base.ids.ulid(), owner.id, one.name, one.country, one.region, _degrees(one.latitude),
        _degrees(one.longitude), farm_rules.boundary(_square(one)), one.area_ha, one.soil,
        one.irrigation, one.storage_t, now, 1,
    )  # fmt: skip
    farm_store.insert_farm(connection, farm)
    for crop in _crops(one, base.ids, now.year):
        farm_store.add_crop(connection, farm.id, crop)
    if one.certificate:
        certificate = Certification(
            base.ids.ulid(), one.certificate, f"FG-{one.latitude}", f"{now.year + 1}-12-31", ""
        )
        farm_store.add_certification(connection, farm.id, certificate)


def _crops(one: Holding, ids: Ids, year: int) -> list[Crop]:
    return [
        Crop(
            ids.ulid(), commodity, str(year), planted_ha, f"{year}-04-20", f"{year}-09-15",
            f"{year}-11-10", yield_t_ha,
        )
        for commodity, planted_ha, yield_t_ha in one.crops
    ]  # fmt: skip


def _receipt(
    connection: Connection, ground: Ground, owner: User, asset: str, total: int, inspector: User
) -> None:
    """Covers what the account has; it is in the core already."""
    assert owner.account_id is not None, "Who has goods has an account."
    if receipt_store.live(connection, owner.account_id, asset):
        return
    base = ground.base
    now, receipt_id = base.clock.now(), base.ids.ulid()
    quality = json.dumps([{"parameter": "MOISTURE", "value": "14.2", "unit": "%"}])
    receipt_store.add(
        connection,
        Receipt(
            receipt_id, f"WR-{now.year}-{receipt_id[-10:]}", owner.account_id, asset, total, "bu",
            str(now.year), quality, f"{now.year + 1}-06-30", "ISSUED", "DONE", "", "", "",
            inspector.id, now, 1,
        ),
    )  # fmt: skip


def _square(one: Holding) -> str:
    """Returns a closed square around the farm's place, as GeoJSON."""
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ring = ",".join(
        f"[{_degrees(one.longitude + x * _HALF_SIDE)},{_degrees(one.latitude + y * _HALF_SIDE)}]"
        for x, y in corners
    )
    return f'{{"type":"Polygon","coordinates":[[{ring}]]}}'


def _degrees(value: int) -> str:
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, rest = divmod(value, _DEGREE)
    return f"{sign}{whole}.{rest:04}"
