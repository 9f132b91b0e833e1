"""The gRPC face of what is signed, delivered, priced and paid."""

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.contracts.v1 import (
    deliveries_pb2,
    delivery_types_pb2,
    settlements_pb2,
    signing_pb2,
    weighing_pb2,
)
from farmgate.contracts.deliveries import Deliveries
from farmgate.contracts.documents import Documents
from farmgate.contracts.messages import (
    contract_message,
    delivery_message,
    statement_message,
    verification_message,
)
from farmgate.contracts.service import actor_of
from farmgate.contracts.settlement import Settlement
from farmgate.contracts.signing import EOA, Published, Signed, Signing
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from farmgate.users.messages import timestamp


class ContractSigningServicer(Servicer):
    """Serves `ContractSigningService`."""

    SERVICE = signing_pb2.DESCRIPTOR.services_by_name["ContractSigningService"]

    def __init__(self, signing: Signing, documents: Documents) -> None:
        self._signing = signing
        self._documents = documents

    async def GetSigningPayload(
        self, request: signing_pb2.GetSigningPayloadRequest, call: Call
    ) -> signing_pb2.GetSigningPayloadResponse:
        found = await self._signing.payload(actor_of(call), request.contract_id)
        assert found.contract.sign_by is not None, "It was submitted."
        return signing_pb2.GetSigningPayloadResponse(
            contract_version=found.contract.version,
            party=found.party,  # type: ignore[arg-type] # The number of a side.
            wallet_address=found.wallet,
            typed_data_json=found.typed_data,
            digest=found.digest,
            sign_by=timestamp(found.contract.sign_by),
        )

    async def SignContract(
        self, request: signing_pb2.SignContractRequest, call: Call
    ) -> signing_pb2.SignContractResponse:
        me = call.caller.user_id
        given = Signed(
            request.contract_version, request.digest, request.signature, request.scheme or EOA
        )
        return await self._signing.sign(
            actor_of(call),
            request.contract_id,
            given,
            call.effect(
                lambda view: signing_pb2.SignContractResponse(contract=contract_message(view, me))
            ),
        )

    async def PublishContractToIpfs(
        self, request: signing_pb2.PublishContractToIpfsRequest, call: Call
    ) -> signing_pb2.PublishContractToIpfsResponse:
        def render(done: Published) -> signing_pb2.PublishContractToIpfsResponse:
            return signing_pb2.PublishContractToIpfsResponse(
                cid=done.cid,
                sha256=done.sha256,
                size_bytes=done.size_bytes,
                is_pinned=done.is_pinned,
                contract_version=done.contract.version,
            )

        return await self._signing.publish(actor_of(call), request.contract_id, call.effect(render))

    async def RenderDocument(
        self, request: signing_pb2.RenderDocumentRequest, call: Call
    ) -> HttpBody:
        is_canonical = request.format == signing_pb2.DOCUMENT_FORMAT_JSON
        who, name = actor_of(call), request.contract_id
        if request.statement_id:
            data = await self._documents.statement(
                who, name, request.statement_id, is_canonical=is_canonical
            )
        else:
            data = await self._documents.contract(
                who, name, request.contract_version, is_canonical=is_canonical
            )
        kind = "application/json" if is_canonical else "application/pdf"
        return HttpBody(content_type=kind, data=data)

    async def VerifyContract(
        self, request: signing_pb2.VerifyContractRequest, call: Call
    ) -> signing_pb2.VerifyContractResponse:
        found = await self._signing.verify(actor_of(call), request.contract_id)
        return signing_pb2.VerifyContractResponse(verification=verification_message(*found))

    async def VerifyContractByHash(
        self, request: signing_pb2.VerifyContractByHashRequest, call: Call
    ) -> signing_pb2.VerifyContractByHashResponse:
        found = await self._signing.verify_hash(request.terms_hash)
        message = verification_message(*found)
        # Whoever was shown a hash learns whether it holds, not whose wallets are behind it.
        for check in message.checks:
            if check.name.endswith("_signature"):
                check.expected = check.actual = ""
        return signing_pb2.VerifyContractByHashResponse(verification=message)


class DeliveryServicer(Servicer):
    """Serves `DeliveryService`."""

    SERVICE = deliveries_pb2.DESCRIPTOR.services_by_name["DeliveryService"]

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def ScheduleDelivery(
        self, request: deliveries_pb2.ScheduleDeliveryRequest, call: Call
    ) -> deliveries_pb2.ScheduleDeliveryResponse:
        given = delivery_types_pb2.Delivery(
            expected_date=request.expected_date,
            expected_quantity=request.expected_quantity,
            vehicle=request.vehicle,
            splits=request.splits,
        )
        return await self._deliveries.schedule(
            actor_of(call),
            request.contract_id,
            given,
            call.effect(
                lambda one: deliveries_pb2.ScheduleDeliveryResponse(delivery=delivery_message(one))
            ),
        )

    async def ListDeliveries(
        self, request: deliveries_pb2.ListDeliveriesRequest, call: Call
    ) -> deliveries_pb2.ListDeliveriesResponse:
        name = delivery_types_pb2.DeliveryState.Name(request.state)
        state = name.removeprefix("DELIVERY_STATE_") if request.state else ""
        found = await self._deliveries.page(actor_of(call), request.contract_id, state)
        return deliveries_pb2.ListDeliveriesResponse(deliveries=map(delivery_message, found))

    async def GetDelivery(
        self, request: deliveries_pb2.GetDeliveryRequest, call: Call
    ) -> deliveries_pb2.GetDeliveryResponse:
        found = await self._deliveries.get(actor_of(call), request.delivery_id)
        return deliveries_pb2.GetDeliveryResponse(delivery=delivery_message(found))

    async def AcceptDelivery(
        self, request: deliveries_pb2.AcceptDeliveryRequest, call: Call
    ) -> deliveries_pb2.AcceptDeliveryResponse:
        return await self._deliveries.accept(
            actor_of(call),
            request.delivery_id,
            takes_discount=request.is_discount_accepted,
            expected=request.expected_version,
            effect=call.effect(
                lambda one: deliveries_pb2.AcceptDeliveryResponse(delivery=delivery_message(one))
            ),
        )

    async def RejectDelivery(
        self, request: deliveries_pb2.RejectDeliveryRequest, call: Call
    ) -> deliveries_pb2.RejectDeliveryResponse:
        return await self._deliveries.reject(
            actor_of(call),
            request.delivery_id,
            request.note,
            request.expected_version,
            call.effect(
                lambda one: deliveries_pb2.RejectDeliveryResponse(delivery=delivery_message(one))
            ),
        )

    async def ResampleDelivery(
        self, request: deliveries_pb2.ResampleDeliveryRequest, call: Call
    ) -> deliveries_pb2.ResampleDeliveryResponse:
        return await self._deliveries.resample(
            actor_of(call),
            request.delivery_id,
            request.note,
            request.expected_version,
            call.effect(
                lambda one: deliveries_pb2.ResampleDeliveryResponse(delivery=delivery_message(one))
            ),
        )

    async def VoidDelivery(
        self, request: deliveries_pb2.VoidDeliveryRequest, call: Call
    ) -> deliveries_pb2.VoidDeliveryResponse:
        return await self._deliveries.void(
            actor_of(call),
            request.delivery_id,
            request.reason,
            request.expected_version,
            call.effect(
                lambda one: deliveries_pb2.VoidDeliveryResponse(delivery=delivery_message(one))
            ),
        )


class WeighingServicer(Servicer):
    """Serves `WeighingService`."""

    SERVICE = weighing_pb2.DESCRIPTOR.services_by_name["WeighingService"]

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def WeighIn(
        self, request: weighing_pb2.WeighInRequest, call: Call
    ) -> weighing_pb2.WeighInResponse:
        return await self._deliveries.weigh_in(
            actor_of(call),
            request.delivery_id,
            request.gross_weight,
            request.weight_unit,
            request.vehicle,
            request.expected_version,
            call.effect(lambda one: weighing_pb2.WeighInResponse(delivery=delivery_message(one))),
        )

    async def GradeDelivery(
        self, request: weighing_pb2.GradeDeliveryRequest, call: Call
    ) -> weighing_pb2.GradeDeliveryResponse:
        return await self._deliveries.grade(
            actor_of(call),
            request.delivery_id,
            list(request.quality),
            list(request.photo_cids),
            request.expected_version,
            call.effect(
                lambda one: weighing_pb2.GradeDeliveryResponse(delivery=delivery_message(one))
            ),
        )

    async def WeighOut(
        self, request: weighing_pb2.WeighOutRequest, call: Call
    ) -> weighing_pb2.WeighOutResponse:
        return await self._deliveries.weigh_out(
            actor_of(call),
            request.delivery_id,
            request.tare_weight,
            request.expected_version,
            call.effect(lambda one: weighing_pb2.WeighOutResponse(delivery=delivery_message(one))),
        )


class SettlementServicer(Servicer):
    """Serves `SettlementService`."""

    SERVICE = settlements_pb2.DESCRIPTOR.services_by_name["SettlementService"]

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement

    async def PreviewSettlement(
        self, request: settlements_pb2.PreviewSettlementRequest, call: Call
    ) -> settlements_pb2.PreviewSettlementResponse:
        document = await self._settlement.preview(
            actor_of(call), request.contract_id, request.assumed_price
        )
        return settlements_pb2.PreviewSettlementResponse(statement=document)

    async def IssueStatement(
        self, request: settlements_pb2.IssueStatementRequest, call: Call
    ) -> settlements_pb2.IssueStatementResponse:
        return await self._settlement.issue(
            actor_of(call),
            request.contract_id,
            call.effect(
                lambda one: settlements_pb2.IssueStatementResponse(statement=statement_message(one))
            ),
            is_last=request.is_last,
        )

    async def ListStatements(
        self, request: settlements_pb2.ListStatementsRequest, call: Call
    ) -> settlements_pb2.ListStatementsResponse:
        found = await self._settlement.page(actor_of(call), request.contract_id)
        return settlements_pb2.ListStatementsResponse(statements=map(statement_message, found))

    async def AcceptStatement(
        self, request: settlements_pb2.AcceptStatementRequest, call: Call
    ) -> settlements_pb2.AcceptStatementResponse:
        return await self._settlement.accept(
            actor_of(call),
            request.contract_id,
            request.statement_id,
            request.sha256,
            call.effect(
                lambda one: settlements_pb2.AcceptStatementResponse(
                    statement=statement_message(one)
                )
            ),
        )
