"""The gRPC face of contracts: drafting, negotiating, reading, following."""

from collections.abc import AsyncIterator
from typing import Final

from farmgate.api.contracts.v1 import (
    contract_events_pb2,
    contract_types_pb2,
    contracts_pb2,
    negotiation_pb2,
    templates_pb2,
)
from farmgate.contracts.ending import Ending
from farmgate.contracts.messages import contract_message, event_message, template_message
from farmgate.contracts.negotiation import Negotiation, NewContract
from farmgate.contracts.performance import Performance
from farmgate.contracts.reading import Reading
from farmgate.contracts.settlement import Agreement, Settlement
from farmgate.contracts.steps import Actor, View
from farmgate.contracts.store import Filter
from farmgate.contracts.templates import TEMPLATES, template
from farmgate.errors import DomainError
from farmgate.jobs.feed import Feed
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer

_HEARTBEAT_S: Final = 1.0
_EVENTS_MAX: Final = 100
_STATE: Final = "CONTRACT_STATE_"


def actor_of(call: Call) -> Actor:
    """Returns who acts."""
    return Actor(call.caller.user_id, reaches_all=call.bypasses_ownership)


def reason_name(number: contract_types_pb2.CancellationReason.ValueType) -> str:
    """Returns the name of a reason, empty for none."""
    name = contract_types_pb2.CancellationReason.Name(number)
    return name.removeprefix("CANCELLATION_REASON_") if number else ""


class ContractServicer(Servicer):
    """Serves `ContractService`."""

    SERVICE = contracts_pb2.DESCRIPTOR.services_by_name["ContractService"]

    def __init__(
        self, negotiation: Negotiation, ending: Ending, reading: Reading, settlement: Settlement,
        performance: Performance, pager: Pager,
    ) -> None:  # fmt: skip
        self._negotiation = negotiation
        self._ending = ending
        self._reading = reading
        self._settlement = settlement
        self._performance = performance
        self._pager = pager

    async def CreateContract(
        self, request: contracts_pb2.CreateContractRequest, call: Call
    ) -> contracts_pb2.CreateContractResponse:
        if request.broker_user_id:
            raise DomainError("NOT_FOUND", resource="broker", id=request.broker_user_id)
        new = NewContract(
            request.own_party, request.counterparty_user_id, request.template_code,
            request.copy_of_contract_id, request.terms,
        )  # fmt: skip
        me = call.caller.user_id
        return await self._negotiation.create(
            actor_of(call),
            new,
            call.effect(
                lambda view: contracts_pb2.CreateContractResponse(
                    contract=contract_message(view, me)
                )
            ),
        )

    async def ListContracts(
        self, request: contracts_pb2.ListContractsRequest, call: Call
    ) -> contracts_pb2.ListContractsResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        names = (contract_types_pb2.ContractState.Name(one) for one in request.states)
        wanted = Filter(
            user_id=request.user_id if call.bypasses_ownership else me,
            party=request.own_party,
            states=[name.removeprefix(_STATE) for name in names],
            commodity_code=request.commodity_code,
            delivery_from=request.delivery_from,
            delivery_to=request.delivery_to,
        )
        found = await self._reading.page(
            wanted, before=str(place[0]) if place else "", limit=limit + 1
        )
        reply = contracts_pb2.ListContractsResponse(
            contracts=[contract_message(view, me) for view in found[:limit]]
        )
        if len(found) > limit:
            last = found[limit - 1].contract.id
            reply.next_page_token = self._pager.token(request, (last,), caller=me)
        return reply

    async def GetContract(
        self, request: contracts_pb2.GetContractRequest, call: Call
    ) -> contracts_pb2.GetContractResponse:
        view = await self._reading.get(actor_of(call), request.contract_id)
        return contracts_pb2.GetContractResponse(
            contract=contract_message(view, call.caller.user_id)
        )

    async def ActivateContract(
        self, request: contracts_pb2.ActivateContractRequest, call: Call
    ) -> contracts_pb2.ActivateContractResponse:
        return await self._performance.activate(
            request.contract_id,
            request.reason,
            call.effect(
                lambda view: contracts_pb2.ActivateContractResponse(contract=contract_message(view))
            ),
        )

    async def SettleContract(
        self, request: contracts_pb2.SettleContractRequest, call: Call
    ) -> contracts_pb2.SettleContractResponse:
        me = call.caller.user_id

        def render(done: Agreement) -> contracts_pb2.SettleContractResponse:
            return contracts_pb2.SettleContractResponse(
                contract=contract_message(done.view, me),
                is_settled=done.is_settled,
                waiting_for=done.waiting_for,  # type: ignore[arg-type] # The number of a side.
            )

        return await self._settlement.settle(
            actor_of(call),
            request.contract_id,
            reason_name(request.closing_reason),
            request.statement_id,
            request.expected_version,
            call.effect(render),
        )

    async def CancelContract(
        self, request: contracts_pb2.CancelContractRequest, call: Call
    ) -> contracts_pb2.CancelContractResponse:
        me = call.caller.user_id

        def render(view: View) -> contracts_pb2.CancelContractResponse:
            message = contract_message(view, me)
            is_over = message.state == contract_types_pb2.CONTRACT_STATE_CANCELLED
            return contracts_pb2.CancelContractResponse(contract=message, is_cancelled=is_over)

        return await self._ending.cancel(
            actor_of(call),
            request.contract_id,
            reason_name(request.reason),
            request.note,
            request.expected_version,
            call.effect(render),
        )


class NegotiationServicer(Servicer):
    """Serves `NegotiationService`."""

    SERVICE = negotiation_pb2.DESCRIPTOR.services_by_name["NegotiationService"]

    def __init__(self, negotiation: Negotiation, ending: Ending) -> None:
        self._negotiation = negotiation
        self._ending = ending

    async def UpdateContract(
        self, request: negotiation_pb2.UpdateContractRequest, call: Call
    ) -> negotiation_pb2.UpdateContractResponse:
        me = call.caller.user_id
        return await self._negotiation.update(
            actor_of(call),
            request.contract_id,
            request.terms,
            request.update_mask,
            request.expected_version,
            call.effect(
                lambda view: negotiation_pb2.UpdateContractResponse(
                    contract=contract_message(view, me)
                )
            ),
        )

    async def SubmitContract(
        self, request: negotiation_pb2.SubmitContractRequest, call: Call
    ) -> negotiation_pb2.SubmitContractResponse:
        me = call.caller.user_id
        return await self._negotiation.submit(
            actor_of(call),
            request.contract_id,
            request.expected_version,
            call.effect(
                lambda view: negotiation_pb2.SubmitContractResponse(
                    contract=contract_message(view, me)
                )
            ),
        )

    async def CounterContract(
        self, request: negotiation_pb2.CounterContractRequest, call: Call
    ) -> negotiation_pb2.CounterContractResponse:
        me = call.caller.user_id
        return await self._negotiation.counter(
            actor_of(call),
            request.contract_id,
            request.terms,
            request.update_mask,
            request.note,
            request.expected_version,
            call.effect(
                lambda view: negotiation_pb2.CounterContractResponse(
                    contract=contract_message(view, me)
                )
            ),
        )

    async def DeclineContract(
        self, request: negotiation_pb2.DeclineContractRequest, call: Call
    ) -> negotiation_pb2.DeclineContractResponse:
        me = call.caller.user_id
        return await self._ending.decline(
            actor_of(call),
            request.contract_id,
            request.note,
            request.expected_version,
            call.effect(
                lambda view: negotiation_pb2.DeclineContractResponse(
                    contract=contract_message(view, me)
                )
            ),
        )


class TemplateServicer(Servicer):
    """Serves `TemplateService`."""

    SERVICE = templates_pb2.DESCRIPTOR.services_by_name["TemplateService"]

    async def ListTemplates(
        self, request: templates_pb2.ListTemplatesRequest, call: Call
    ) -> templates_pb2.ListTemplatesResponse:
        return templates_pb2.ListTemplatesResponse(
            templates=map(template_message, TEMPLATES.values())
        )

    async def GetTemplate(
        self, request: templates_pb2.GetTemplateRequest, call: Call
    ) -> templates_pb2.GetTemplateResponse:
        return templates_pb2.GetTemplateResponse(template=template_message(template(request.code)))


class ContractEventServicer(Servicer):
    """Serves `ContractEventService`.

    Args:
        reading: Reads events.
        feed: Tells when there are more.
        pager: Signs page tokens.
    """

    SERVICE = contract_events_pb2.DESCRIPTOR.services_by_name["ContractEventService"]

    def __init__(self, reading: Reading, feed: Feed, pager: Pager) -> None:
        self._reading = reading
        self._feed = feed
        self._pager = pager

    async def GetContractHistory(
        self, request: contract_events_pb2.GetContractHistoryRequest, call: Call
    ) -> contract_events_pb2.GetContractHistoryResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        found = await self._reading.history(
            actor_of(call),
            request.contract_id,
            after=int(place[0]) if place else 0,
            limit=limit + 1,
        )
        reply = contract_events_pb2.GetContractHistoryResponse(
            events=map(event_message, found[:limit])
        )
        if len(found) > limit:
            reply.next_page_token = self._pager.token(
                request, (found[limit - 1].sequence,), caller=me
            )
        return reply

    async def WatchContracts(
        self, request: contract_events_pb2.WatchContractsRequest, call: Call
    ) -> AsyncIterator[contract_events_pb2.WatchContractsResponse]:
        me = call.caller.user_id
        position = await self._reading.place(request.after_event_id)
        while True:
            newest = await self._reading.place("")
            found = await self._reading.after(
                me, list(request.contract_ids), after=position, limit=_EVENTS_MAX
            )
            for event, view in found:
                position = event.sequence
                yield contract_events_pb2.WatchContractsResponse(
                    event=event_message(event), contract=contract_message(view, me)
                )
            if len(found) == _EVENTS_MAX:
                continue
            position = max(position, newest)
            if not await self._feed.moved(position, _HEARTBEAT_S):
                yield contract_events_pb2.WatchContractsResponse(is_heartbeat=True)
