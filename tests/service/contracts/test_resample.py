"""A load graded again by a second inspector, over gRPC."""

from farmgate.api.contracts.v1 import delivery_types_pb2
from service.contracts.conftest import Deal, readings

QUALITY = {"MOISTURE": "16.0", "TEST_WEIGHT": "55.0"}


async def test_a_second_inspector_grades_once_and_the_mean_counts(deal: Deal) -> None:
    """CON-034."""
    name = (await deal.active()).contract_id
    await deal.also("stranger", "farmer.jan")
    await deal.also("second", "inspector.rou")
    made = await deal.load(name, "79540", "26120", QUALITY)
    of = {"delivery_id": made.delivery_id, "note": "Too wet to be true."}
    assert await deal.no("", "ResampleDelivery", **of) == "UNAUTHENTICATED"
    assert await deal.no("stranger", "ResampleDelivery", **of) == "NOT_FOUND"
    assert await deal.no("inspector", "ResampleDelivery", **of) == "PERMISSION_DENIED"
    stale = await deal.no("seller", "ResampleDelivery", **of, expected_version=99)
    assert stale == "VERSION_CONFLICT"
    waiting = (await deal.do("seller", "ResampleDelivery", **of)).delivery
    assert waiting.state == delivery_types_pb2.DELIVERY_STATE_RESAMPLE
    assert not waiting.HasField("accept_by")
    assert await deal.no("buyer", "AcceptDelivery", delivery_id=made.delivery_id) == (
        "RESOURCE_STATE"
    )
    grade = {"delivery_id": made.delivery_id, "quality": readings(QUALITY | {"MOISTURE": "15.0"})}
    assert await deal.no("inspector", "GradeDelivery", **grade) == "PERMISSION_DENIED"
    graded = (await deal.do("second", "GradeDelivery", **grade)).delivery
    assert graded.state == delivery_types_pb2.DELIVERY_STATE_WEIGHED_OUT
    assert {one.parameter: one.value for one in graded.quality} == {
        "MOISTURE": "15.5", "TEST_WEIGHT": "55",
    }  # fmt: skip
    # 53,420 lb less half a point at 1.4 % are 53,046.06 lb, which are 947.25 bushels.
    assert (graded.net_quantity, made.net_quantity) == ("947.25", "940.57")
    assert await deal.no("buyer", "ResampleDelivery", **of) == "RESOURCE_STATE"
    taken = await deal.do("buyer", "AcceptDelivery", delivery_id=made.delivery_id)
    assert taken.delivery.applied_quantity == "947.25"
    assert await deal.no("buyer", "ResampleDelivery", **of) == "RESOURCE_STATE"
