"""The gRPC face of warehouse receipts."""

import json
from datetime import UTC, datetime
from typing import Final

from farmgate.api.users.v1 import receipts_pb2
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users import receipt_rules as rules
from farmgate.users.messages import timestamp
from farmgate.users.reach import Reach
from farmgate.users.receipt_logic import Receipts, Wish
from farmgate.users.receipt_store import Filter, Receipt

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class ReceiptServicer(Servicer):
    """Serves `ReceiptService`.

    Args:
        receipts: Keeps receipts.
        pager: Signs page tokens.
    """

    SERVICE = receipts_pb2.DESCRIPTOR.services_by_name["ReceiptService"]

    def __init__(self, receipts: Receipts, pager: Pager) -> None:
        self._receipts = receipts
        self._pager = pager

    async def IssueReceipt(
        self, request: receipts_pb2.IssueReceiptRequest, call: Call
    ) -> receipts_pb2.IssueReceiptResponse:
        def render(one: Receipt) -> receipts_pb2.IssueReceiptResponse:
            return receipts_pb2.IssueReceiptResponse(receipt=receipt_message(one))

        return await self._receipts.issue(_draft(request, call.caller.user_id), call.effect(render))

    async def ListReceipts(
        self, request: receipts_pb2.ListReceiptsRequest, call: Call
    ) -> receipts_pb2.ListReceiptsResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        status = receipts_pb2.ReceiptStatus.Name(request.status) if request.status else ""
        own = "" if call.bypasses_ownership else call.caller.account_id or ""
        wanted = Filter(
            request.account_id or own,
            status.removeprefix("RECEIPT_STATUS_"),
            request.commodity_code,
            request.location_code,
        )
        before = str(place[0]) if place else ""
        found = await self._receipts.page(Reach.of(call), wanted, before=before, limit=limit + 1)
        reply = receipts_pb2.ListReceiptsResponse(receipts=map(receipt_message, found[:limit]))
        if len(found) > limit:
            last = found[limit - 1].id
            reply.next_page_token = self._pager.token(request, (last,), caller=me)
        return reply

    async def SplitReceipt(
        self, request: receipts_pb2.SplitReceiptRequest, call: Call
    ) -> receipts_pb2.SplitReceiptResponse:
        def render(parts: list[Receipt]) -> receipts_pb2.SplitReceiptResponse:
            return receipts_pb2.SplitReceiptResponse(receipts=map(receipt_message, parts))

        wish = Wish(request.receipt_id, request.expected_version)
        return await self._receipts.split(
            Reach.of(call), wish, list(request.quantities), call.effect(render)
        )

    async def CancelReceipt(
        self, request: receipts_pb2.CancelReceiptRequest, call: Call
    ) -> receipts_pb2.CancelReceiptResponse:
        def render(one: Receipt) -> receipts_pb2.CancelReceiptResponse:
            return receipts_pb2.CancelReceiptResponse(receipt=receipt_message(one))

        wish = Wish(
            request.receipt_id, request.expected_version, request.reason,
            call.idempotency_key or "",
        )  # fmt: skip
        return await self._receipts.cancel(Reach.of(call), wish, call.effect(render))


def receipt_message(one: Receipt) -> receipts_pb2.WarehouseReceipt:
    """Returns the message of a receipt."""
    commodity, grade, location = one.asset.split(".")
    return receipts_pb2.WarehouseReceipt(
        receipt_id=one.id,
        number=one.number,
        account_id=one.account_id,
        commodity_code=commodity,
        grade_code=grade,
        location_code=location,
        quantity=rules.decimal(one.quantity_minor),
        unit=one.unit,
        crop_year=one.crop_year,
        quality=[receipts_pb2.ReceiptQuality(**found) for found in json.loads(one.quality)],
        storage_paid_to=one.storage_paid_to,
        status=receipts_pb2.ReceiptStatus.Value(f"RECEIPT_STATUS_{one.status}"),
        parent_id=one.parent_id,
        document_cid=one.document_cid,
        issued_by=one.issued_by,
        issue_time=timestamp(one.issued_at),
        version=one.version,
    )


def _draft(request: receipts_pb2.IssueReceiptRequest, inspector_id: str) -> Receipt:
    quality = [
        {"parameter": one.parameter, "value": one.value, "unit": one.unit}
        for one in request.quality
    ]
    return Receipt(
        id="",
        number="",
        account_id=request.account_id,
        asset=f"{request.commodity_code}.{request.grade_code}.{request.location_code}",
        quantity_minor=rules.minor("quantity", request.quantity),
        unit=request.unit,
        crop_year=request.crop_year,
        quality=json.dumps(quality, separators=(",", ":")),
        storage_paid_to=request.storage_paid_to,
        status="",
        booking="",
        request_key="",
        parent_id="",
        document_cid="",
        issued_by=inspector_id,
        issued_at=_NEVER,
        version=0,
    )
