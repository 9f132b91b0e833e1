"""Farms: where they are, what grows on them, and what is promised of it."""

import json
from typing import Any

import pytest

from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import farm_types_pb2, farms_pb2, farms_pb2_grpc
from support import Api, SignedIn, refused

RING = [[5.0, 52.0], [5.1, 52.0], [5.1, 52.1], [5.0, 52.0]]
POLYGON = json.dumps({"type": "Polygon", "coordinates": [RING]})


def stub(api: Api) -> Any:
    return farms_pb2_grpc.FarmServiceStub(api.channel)


async def made(api: Api, person: SignedIn, **given: Any) -> Any:
    values = {"name": "North field", "country": "NL", "area_ha": "480.5", **given}
    request = farms_pb2.CreateFarmRequest(**values)
    return (await stub(api).CreateFarm(request, metadata=person.metadata)).farm


async def test_a_farm_is_entered_changed_and_deleted(api_on_any: Api) -> None:
    """USR-010."""
    api = api_on_any
    person = await api.person()
    place = farm_types_pb2.GeoPoint(latitude="52.05", longitude="5.05")
    farm = await made(api, person, boundary_geojson=POLYGON, location=place, soil="loam")
    assert json.loads(farm.boundary_geojson)["coordinates"] == [RING]
    change = farms_pb2.UpdateFarmRequest(
        farm_id=farm.farm_id, farm=farm_types_pb2.Farm(name="South field"), expected_version=1
    )
    change.update_mask.paths.extend(["name", "soil", "location"])
    changed = (await stub(api).UpdateFarm(change, metadata=person.metadata)).farm
    assert (changed.name, changed.soil, changed.version) == ("South field", "", 2)
    assert not changed.HasField("location")
    assert changed.area_ha == "480.5"
    refusal = await refused(stub(api).UpdateFarm(change, metadata=person.metadata))
    assert refusal.reason == "VERSION_CONFLICT"
    drop = farms_pb2.DeleteFarmRequest(farm_id=farm.farm_id)
    await stub(api).DeleteFarm(drop, metadata=person.metadata)
    get = farms_pb2.GetFarmRequest(farm_id=farm.farm_id)
    assert (await refused(stub(api).GetFarm(get, metadata=person.metadata))).reason == "NOT_FOUND"


async def test_farms_are_listed_by_name_to_their_owner(api: Api) -> None:
    """USR-011."""
    person, stranger = await api.person(), await api.person()
    trader = await api.person(role=types_pb2.ROLE_TRADER)
    for name in ("Delta", "Alpha", "Charlie", "Bravo", "Alpha"):
        farm = await made(api, person, name=name)
    request = farms_pb2.ListUserFarmsRequest(user_id="me", page_size=2)
    names: list[str] = []
    while True:
        reply = await stub(api).ListUserFarms(request, metadata=person.metadata)
        names += [one.name for one in reply.farms]
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    assert names == ["Alpha", "Alpha", "Bravo", "Charlie", "Delta"]
    foreign = farms_pb2.ListUserFarmsRequest(user_id=person.user.user_id)
    for who, reason in ((stranger, "NOT_FOUND"), (trader, "PERMISSION_DENIED")):
        refusal = await refused(stub(api).ListUserFarms(foreign, metadata=who.metadata))
        assert refusal.reason == reason
    get = farms_pb2.GetFarmRequest(farm_id=farm.farm_id)
    assert (await refused(stub(api).GetFarm(get, metadata=stranger.metadata))).reason == "NOT_FOUND"


@pytest.mark.parametrize(
    "given",
    [
        {"area_ha": "0"},
        {"area_ha": "10000001"},
        {"name": "  "},
        {"location": farm_types_pb2.GeoPoint(latitude="90.1", longitude="0")},
        {"location": farm_types_pb2.GeoPoint(latitude="1")},
        {"boundary_geojson": "{"},
        {"boundary_geojson": "[" * 20_000},
        {"boundary_geojson": '{"type":"Point","coordinates":[1,2]}'},
        {"boundary_geojson": '{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}'},
        {"boundary_geojson": '{"type":"Polygon","coordinates":[[[0,0],[181,0],[1,1],[0,0]]]}'},
        {"boundary_geojson": '{"type":"Polygon","coordinates":[[[0,0],["1",0],[1,1],[0,0]]]}'},
    ],
)
async def test_farms_that_can_not_be_are_refused(api: Api, given: dict[str, Any]) -> None:
    """USR-012."""
    person = await api.person()
    assert (await refused(made(api, person, **given))).reason == "INVALID_ARGUMENT"


async def test_crops_and_certificates_belong_to_a_farm(api: Api) -> None:
    """USR-013, USR-014."""
    person = await api.person()
    farm = await made(api, person)
    certify = farms_pb2.AddFarmCertificationRequest(
        farm_id=farm.farm_id, scheme=farm_types_pb2.CERTIFICATION_SCHEME_ISCC,
        number="ISCC-1", valid_to="2027-01-31",
    )  # fmt: skip
    farm = (await stub(api).AddFarmCertification(certify, metadata=person.metadata)).farm
    assert [one.number for one in farm.certifications] == ["ISCC-1"]
    certify.valid_to = "2027-02-30"
    refusal = await refused(stub(api).AddFarmCertification(certify, metadata=person.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"
    plant = farms_pb2.AddCropPlanRequest(
        farm_id=farm.farm_id, commodity_code="CORN", season="2026", planted_ha="120.5",
        harvest_start="2026-09-15", harvest_end="2026-10-31", expected_yield_t_ha="11.2",
    )  # fmt: skip
    farm = (await stub(api).AddCropPlan(plant, metadata=person.metadata)).farm
    (crop,) = farm.crops
    assert (crop.expected_quantity_t, crop.committed_quantity_t) == ("1349.6", "0")
    assert not crop.warnings
    plant.harvest_end = "2026-09-14"
    refusal = await refused(stub(api).AddCropPlan(plant, metadata=person.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"
