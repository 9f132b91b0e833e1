"""The gRPC face of listing instruments."""

from farmgate.admin.instrument_messages import (
    draft_of,
    listed_message,
    rules_message,
    terms_values,
)
from farmgate.admin.messages import approval_message
from farmgate.admin.settlements import SettlementDone, SettlementOrder, Settlements
from farmgate.api.admin.v1 import instruments_pb2
from farmgate.market.facade import Listed, Listings, instrument_message
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer


class InstrumentServicer(Servicer):
    """Serves `InstrumentService`.

    Args:
        listings: Lists and changes instruments.
        settlements: Sets settlement prices.
        pager: Signs page tokens.
    """

    SERVICE = instruments_pb2.DESCRIPTOR.services_by_name["InstrumentService"]

    def __init__(self, listings: Listings, settlements: Settlements, pager: Pager) -> None:
        self._listings = listings
        self._settlements = settlements
        self._pager = pager

    async def CreateInstrument(
        self, request: instruments_pb2.CreateInstrumentRequest, call: Call
    ) -> instruments_pb2.CreateInstrumentResponse:
        def render(listed: Listed) -> instruments_pb2.CreateInstrumentResponse:
            return instruments_pb2.CreateInstrumentResponse(
                instrument=instrument_message(listed.market, listed.row),
                rules=rules_message(listed),
            )

        draft = draft_of(request)
        return await self._listings.create(draft, request.reason, call.effect(render))

    async def UpdateInstrument(
        self, request: instruments_pb2.UpdateInstrumentRequest, call: Call
    ) -> instruments_pb2.UpdateInstrumentResponse:
        def render(listed: Listed) -> instruments_pb2.UpdateInstrumentResponse:
            return instruments_pb2.UpdateInstrumentResponse(
                instrument=instrument_message(listed.market, listed.row),
                rules=rules_message(listed),
            )

        values = terms_values(request.rules, list(request.update_mask.paths))
        return await self._listings.update(
            request.symbol, values, request.reason, request.expected_version, call.effect(render)
        )

    async def ListAdminInstruments(
        self, request: instruments_pb2.ListAdminInstrumentsRequest, call: Call
    ) -> instruments_pb2.ListAdminInstrumentsResponse:
        place = self._pager.after(request, request.page_token)
        limit = page_size(request.page_size)
        after = str(place[0]) if place else ""
        found = await self._listings.page(after=after, phase=request.phase, limit=limit + 1)
        reply = instruments_pb2.ListAdminInstrumentsResponse(
            instruments=[listed_message(one, self._listings.usage(one)) for one in found[:limit]]
        )
        if len(found) > limit:
            last = (found[limit - 1].market["symbol"],)
            reply.next_page_token = self._pager.token(request, last)
        return reply

    async def DelistInstrument(
        self, request: instruments_pb2.DelistInstrumentRequest, call: Call
    ) -> instruments_pb2.DelistInstrumentResponse:
        def render(listed: Listed) -> instruments_pb2.DelistInstrumentResponse:
            return instruments_pb2.DelistInstrumentResponse(
                instrument=instrument_message(listed.market, listed.row)
            )

        return await self._listings.delist(
            request.symbol, request.reason, request.expected_version, call.effect(render)
        )

    async def SetPriceLimits(
        self, request: instruments_pb2.SetPriceLimitsRequest, call: Call
    ) -> instruments_pb2.SetPriceLimitsResponse:
        def render(listed: Listed) -> instruments_pb2.SetPriceLimitsResponse:
            return instruments_pb2.SetPriceLimitsResponse(
                instrument=instrument_message(listed.market, listed.row), sequence=listed.sequence
            )

        return await self._listings.set_limits(
            request.symbol, request.price_low, request.price_high, request.reason,
            call.effect(render),
        )  # fmt: skip

    async def SetSettlementPrice(
        self, request: instruments_pb2.SetSettlementPriceRequest, call: Call
    ) -> instruments_pb2.SetSettlementPriceResponse:
        def render(done: SettlementDone) -> instruments_pb2.SetSettlementPriceResponse:
            return instruments_pb2.SetSettlementPriceResponse(
                approval=approval_message(done.request), sequence=done.sequence
            )

        order = SettlementOrder(
            call.caller.user_id, request.symbol, request.business_date, request.price,
            request.reason,
        )  # fmt: skip
        return await self._settlements.set(order, call.effect(render))
