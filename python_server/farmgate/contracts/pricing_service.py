"""The gRPC face of pricing: fixations and firm offers."""

from datetime import UTC

from farmgate.api.contracts.v1 import pricing_pb2
from farmgate.contracts.firm_offers import FirmOffers, Offer
from farmgate.contracts.matter_service import listed
from farmgate.contracts.messages import fixation_message, matter_message
from farmgate.contracts.pricing import Fixing
from farmgate.contracts.service import actor_of
from farmgate.contracts.values import Matter
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager
from farmgate.rpc.registry import Servicer


class PricingServicer(Servicer):
    """Serves `PricingService`."""

    SERVICE = pricing_pb2.DESCRIPTOR.services_by_name["PricingService"]

    def __init__(self, fixing: Fixing, offers: FirmOffers, pager: Pager) -> None:
        self._fixing = fixing
        self._offers = offers
        self._pager = pager

    async def FixPrice(
        self, request: pricing_pb2.FixPriceRequest, call: Call
    ) -> pricing_pb2.FixPriceResponse:
        return await self._fixing.fix(
            actor_of(call),
            request.contract_id,
            request.leg,
            request.quantity,
            request.target_price,
            call.effect(lambda one: pricing_pb2.FixPriceResponse(fixation=fixation_message(one))),
        )

    async def ListFixations(
        self, request: pricing_pb2.ListFixationsRequest, call: Call
    ) -> pricing_pb2.ListFixationsResponse:
        _, found, mean = await self._fixing.page(actor_of(call), request.contract_id)
        return pricing_pb2.ListFixationsResponse(
            fixations=map(fixation_message, found),
            average_price="" if mean is None else f"{mean.normalize():f}",
        )

    async def CreateFirmOffer(
        self, request: pricing_pb2.CreateFirmOfferRequest, call: Call
    ) -> pricing_pb2.CreateFirmOfferResponse:
        offer = Offer(
            request.leg, request.quantity, request.target_price,
            request.expire_time.ToDatetime(tzinfo=UTC),
        )  # fmt: skip
        return await self._offers.create(
            actor_of(call),
            request.contract_id,
            offer,
            call.effect(lambda one: pricing_pb2.CreateFirmOfferResponse(firm_offer=_offer(one))),
        )

    async def ListFirmOffers(
        self, request: pricing_pb2.ListFirmOffersRequest, call: Call
    ) -> pricing_pb2.ListFirmOffersResponse:
        reply = pricing_pb2.ListFirmOffersResponse()
        status = pricing_pb2.FirmOfferStatus.Name(request.status) if request.status else ""

        async def fetch(*about: object, after: str, limit: int) -> list[Matter]:
            state = status.removeprefix("FIRM_OFFER_STATUS_")
            return await self._offers.page(*about, state=state, after=after, limit=limit)  # type: ignore[arg-type] # As `listed` calls it.

        return await listed(request, reply, "firm_offers", call, self._pager, fetch, _offer)

    async def CancelFirmOffer(
        self, request: pricing_pb2.CancelFirmOfferRequest, call: Call
    ) -> pricing_pb2.CancelFirmOfferResponse:
        return await self._offers.cancel(
            actor_of(call),
            request.contract_id,
            request.firm_offer_id,
            call.effect(lambda one: pricing_pb2.CancelFirmOfferResponse(firm_offer=_offer(one))),
        )


def _offer(one: Matter) -> pricing_pb2.FirmOffer:
    return matter_message(one, pricing_pb2.FirmOffer, "status")
