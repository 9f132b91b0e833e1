"""Warehouse receipts: goods that an inspector saw become a balance, and leave it again."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import receipts_pb2, receipts_pb2_grpc
from farmgate.db.audit import audit_log
from farmgate.users import receipt_rules, receipt_store
from service.users.hall import CORN, Hall
from support import SignedIn, refused

ISSUED, SPLIT = receipts_pb2.RECEIPT_STATUS_ISSUED, receipts_pb2.RECEIPT_STATUS_SPLIT
CANCELLED = receipts_pb2.RECEIPT_STATUS_CANCELLED
DELIVERED = receipts_pb2.RECEIPT_STATUS_DELIVERED
SELL, BUY = types_pb2.SIDE_SELL, types_pb2.SIDE_BUY
CASH = 10_000


class Store:
    """The stub, and what people do with it."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.stub: Any = receipts_pb2_grpc.ReceiptServiceStub(hall.api.channel)

    async def issue(self, inspector: SignedIn, owner: SignedIn, **given: Any) -> Any:
        key = given.pop("key", "")
        values = {
            "account_id": owner.tokens.user.account_id, "commodity_code": "CORN",
            "grade_code": "US2Y", "location_code": "CHI", "quantity": "5000", "unit": "bu",
            "crop_year": "2026", "storage_paid_to": "2026-12-31", **given,
        }  # fmt: skip
        metadata = (*inspector.metadata, ("idempotency-key", key)) if key else inspector.metadata
        request = receipts_pb2.IssueReceiptRequest(**values)
        request.quality.add(parameter="MOISTURE", value="14.5", unit="%")
        return (await self.stub.IssueReceipt(request, metadata=metadata)).receipt

    async def split(self, who: SignedIn, receipt_id: str, *quantities: str, **given: Any) -> Any:
        request = receipts_pb2.SplitReceiptRequest(
            receipt_id=receipt_id, quantities=quantities, **given
        )
        return list((await self.stub.SplitReceipt(request, metadata=who.metadata)).receipts)

    async def cancel(self, who: SignedIn, receipt_id: str, key: str = "", **given: Any) -> Any:
        request = receipts_pb2.CancelReceiptRequest(
            receipt_id=receipt_id, reason="taken to the mill", **given
        )
        metadata = (*who.metadata, ("idempotency-key", key)) if key else who.metadata
        return (await self.stub.CancelReceipt(request, metadata=metadata)).receipt

    async def list(self, who: SignedIn, **given: Any) -> list[Any]:
        request, found = receipts_pb2.ListReceiptsRequest(**given), []
        while True:
            reply = await self.stub.ListReceipts(request, metadata=who.metadata)
            found += reply.receipts
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    async def is_backed(self) -> bool:
        """Returns whether live receipts add up to what the core has, for each account."""
        await self.hall.matching.caught_up()
        database = self.hall.api.application.base.database
        sums = await database.read(receipt_store.live_sums)
        owners = await database.read(receipt_store.owners)
        total = {one.asset: one for one in self.hall.matching.audit()[0]}[CORN]
        assert total.is_right
        balances = {}
        for owner in owners:
            held = {asset: total for asset, total, _ in self.hall.matching.balances(owner.number)}
            if held.get(CORN):
                balances[owner.account_id] = held[CORN]
        return sums.get(CORN, {}) == balances and sum(balances.values()) == total.issued


async def test_a_receipt_is_issued_split_and_cancelled(hall_on_any: Hall) -> None:
    """USR-050, USR-051, USR-052."""
    hall = hall_on_any
    store, inspector, farmer = Store(hall), await hall.with_role("INSPECTOR"), await hall.person()
    first = await store.issue(inspector, farmer, key="one")
    assert (await store.issue(inspector, farmer, key="one")).receipt_id == first.receipt_id
    assert first.number.startswith("WR-2026-")
    assert (first.status, first.quantity, first.quality[0].value) == (ISSUED, "5000", "14.5")
    assert first.issued_by == inspector.user.user_id
    assert await hall.balance(farmer, CORN) == ("5000.000", "0.000")
    parts = await store.split(farmer, first.receipt_id, "1999.5", "3000.5", expected_version=1)
    assert [one.quantity for one in parts] == ["1999.5", "3000.5"]
    assert {one.parent_id for one in parts} == {first.receipt_id}
    again = await refused(store.split(farmer, first.receipt_id, "1", "4999"))
    assert (again.reason, again.metadata["state"]) == ("RESOURCE_STATE", "SPLIT")
    gone = await store.cancel(farmer, parts[0].receipt_id, key="two", expected_version=1)
    assert gone.status == CANCELLED
    assert await hall.balance(farmer, CORN) == ("3000.500", "0.000")
    assert (await store.cancel(farmer, parts[0].receipt_id, key="two", expected_version=1)) == gone
    twice = await refused(store.cancel(farmer, parts[0].receipt_id))
    assert twice.reason == "RESOURCE_STATE"
    assert [one.status for one in await store.list(farmer, page_size=1)] == [
        ISSUED, CANCELLED, SPLIT,
    ]  # fmt: skip
    assert [one.receipt_id for one in await store.list(farmer, status=ISSUED)] == [
        parts[1].receipt_id
    ]
    assert not await store.list(farmer, commodity_code="COR")
    assert not await store.list(farmer, location_code="HI")
    assert len(await store.list(farmer, commodity_code="CORN", location_code="CHI")) == 3
    assert await store.is_backed()
    rows = await hall.api.application.base.database.read(
        lambda tx: tx.execute(audit_log.select().where(audit_log.c.resource.startswith("receipt/")))
        .all()
    )  # fmt: skip
    assert len(rows) == 3, "A row a change."


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"account_id": "0" * 26}, "ACCOUNT_UNKNOWN"),
        ({"grade_code": "US9"}, "INVALID_ARGUMENT"),
        ({"commodity_code": "CORN.US2Y", "grade_code": "CHI", "location_code": "X"},
         "INVALID_ARGUMENT"),
        ({"unit": "t"}, "INVALID_ARGUMENT"),
        ({"quantity": "0"}, "INVALID_ARGUMENT"),
        ({"quantity": "0.0001"}, "INVALID_ARGUMENT"),
        ({"quantity": "1000000000.001"}, "INVALID_ARGUMENT"),
        ({"quantity": "-1"}, "INVALID_ARGUMENT"),
        ({"quantity": "1e3"}, "INVALID_ARGUMENT"),
        ({"storage_paid_to": "2026-02-30"}, "INVALID_ARGUMENT"),
    ],
)  # fmt: skip
async def test_receipts_that_can_not_be_are_refused(
    hall: Hall, given: dict[str, Any], reason: str
) -> None:
    """USR-053."""
    store, inspector, farmer = Store(hall), await hall.with_role("INSPECTOR"), await hall.person()
    assert (await refused(store.issue(inspector, farmer, **given))).reason == reason
    assert await hall.balance(farmer, CORN) == ("0", "0")


async def test_receipts_belong_to_their_owner(hall: Hall) -> None:
    """USR-054."""
    store, inspector, farmer = Store(hall), await hall.with_role("INSPECTOR"), await hall.person()
    stranger, auditor = await hall.person(), await hall.with_role("AUDITOR")
    one = await store.issue(inspector, farmer)
    for who, reason in ((farmer, "PERMISSION_DENIED"), (auditor, "PERMISSION_DENIED")):
        assert (await refused(store.issue(who, farmer))).reason == reason
    account_id = farmer.tokens.user.account_id
    calls = (
        (store.split(stranger, one.receipt_id, "1", "4999"), "NOT_FOUND"),
        (store.split(farmer, "0" * 26, "1", "4999"), "NOT_FOUND"),
        (store.cancel(stranger, one.receipt_id), "NOT_FOUND"),
        (store.cancel(auditor, one.receipt_id), "PERMISSION_DENIED"),
        (store.list(stranger, account_id=account_id), "ACCOUNT_UNKNOWN"),
        (store.list(stranger, account_id="0" * 26), "ACCOUNT_UNKNOWN"),
        (store.split(farmer, one.receipt_id, "1", "4998"), "INVALID_ARGUMENT"),
        (store.split(farmer, one.receipt_id, "0", "5000"), "INVALID_ARGUMENT"),
        (store.split(farmer, one.receipt_id, "1", "4999", expected_version=2), "VERSION_CONFLICT"),
        (store.cancel(farmer, one.receipt_id, expected_version=2), "VERSION_CONFLICT"),
    )
    for call, reason in calls:
        assert (await refused(call)).reason == reason
    for who in (auditor, inspector):
        assert [found.receipt_id for found in await store.list(who)] == [one.receipt_id]
        assert await store.list(who, account_id=account_id)
    assert (await store.cancel(inspector, one.receipt_id)).status == CANCELLED


async def test_what_is_sold_or_promised_stays_in_store(hall: Hall) -> None:
    """USR-055, USR-056: and the receipt of what was sold goes to who bought it."""
    store, inspector = Store(hall), await hall.with_role("INSPECTOR")
    farmer, miller = await hall.person(), await hall.person(3)
    await hall.fund(miller, "USD", 1_000_000 * CASH)
    one = await store.issue(inspector, farmer)
    await hall.order(farmer, SELL, 20)
    promised = await refused(store.cancel(farmer, one.receipt_id))
    assert (promised.reason, promised.metadata["available"]) == (
        "INSUFFICIENT_INVENTORY", "3000.000",
    )  # fmt: skip
    await hall.order(miller, BUY, 20)
    assert (await refused(store.cancel(farmer, one.receipt_id))).reason == "INSUFFICIENT_INVENTORY"
    await hall.receipts.run()
    assert await store.is_backed()
    (bought,) = await store.list(miller)
    (kept,) = await store.list(farmer, status=ISSUED)
    assert (bought.quantity, kept.quantity) == ("2000", "3000")
    assert bought.parent_id == one.receipt_id
    await hall.order(farmer, SELL, 30)
    await hall.order(miller, BUY, 30)
    await hall.receipts.run()
    assert [found.status for found in await store.list(farmer)] == [DELIVERED, SPLIT]
    assert (await store.cancel(miller, bought.receipt_id)).status == CANCELLED
    assert await store.is_backed()


async def test_a_receipt_left_in_the_middle_is_finished_once(hall: Hall) -> None:
    """USR-057: the process died before the core heard, or before it was noted."""
    store, inspector, farmer = Store(hall), await hall.with_role("INSPECTOR"), await hall.person()
    database = hall.api.application.base.database
    ids = [(await store.issue(inspector, farmer, quantity=n)).receipt_id for n in ("7", "11", "13")]

    async def put(receipt_id: str, **values: Any) -> Any:
        def write(tx: Any) -> Any:
            found = receipt_store.receipt(tx, receipt_id)
            assert found is not None
            changed = replace(found, **values)
            assert receipt_store.replace_receipt(tx, changed, expected_version=found.version)
            return changed

        return await database.write(write)

    # Credited, and not noted; on its way out, and the core has not heard, or has.
    await put(ids[0], booking="IN")
    await put(ids[1], booking="OUT", request_key="again", version=2)
    leaving = await put(ids[2], booking="OUT", version=2)
    number = await hall.number(farmer)
    key = f"receipt/{leaving.id}/out/2".encode()
    await hall.matching.transfer(number, 2, -13_000, key)
    for _ in range(2):
        await hall.receipts.run()
    assert await hall.balance(farmer, CORN) == ("7.000", "0.000")
    assert await store.is_backed()
    assert [one.status for one in await store.list(farmer)] == [CANCELLED, CANCELLED, ISSUED]
    # Its caller comes again.
    assert (await store.cancel(farmer, ids[1], key="again")).status == CANCELLED


async def test_many_cancel_one_receipt_once(hall: Hall) -> None:
    """USR-058."""
    store, inspector, farmer = Store(hall), await hall.with_role("INSPECTOR"), await hall.person()
    one, two = [await store.issue(inspector, farmer) for _ in range(2)]
    answers = await asyncio.gather(
        *(store.cancel(farmer, one.receipt_id) for _ in range(12)),
        *(store.split(farmer, one.receipt_id, "1", "4999") for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(not isinstance(found, BaseException) for found in answers) == 1
    await hall.receipts.run()
    assert await store.is_backed()
    assert two.receipt_id in {found.receipt_id for found in await store.list(farmer, status=ISSUED)}


def test_moves_bring_receipts_to_the_goods() -> None:
    """USR-056."""
    moves = receipt_rules.moves({"a": 10, "b": 5, "c": 0}, {"a": 3, "b": 5, "c": 4, "d": 2})
    assert moves == [("a", "c", 4), ("a", "d", 2)]
    assert receipt_rules.moves({"a": 1}, {"a": 2}) == []
