"""The gRPC face of what is open beside a contract: amendments, disputes, suspensions, defaults."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import TypeVar

from google.protobuf.message import Message

from farmgate.api.contracts.v1 import (
    amendments_pb2,
    dispute_types_pb2,
    disputes_pb2,
    force_majeure_pb2,
    remedies_pb2,
)
from farmgate.contracts.amending import Proposal
from farmgate.contracts.amendments import Amendments
from farmgate.contracts.disputes import Claim, Disputes
from farmgate.contracts.force_majeure import Event, Suspensions
from farmgate.contracts.messages import contract_message, matter_message
from farmgate.contracts.remedies import Chosen, Remedies
from farmgate.contracts.service import actor_of
from farmgate.contracts.signing import EOA, Signed
from farmgate.contracts.steps import View
from farmgate.contracts.values import Matter
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users.messages import timestamp

R = TypeVar("R", bound=Message)
Fetch = Callable[..., Awaitable[list[Matter]]]


async def listed(
    request: Message, reply: R, name: str, call: Call, pager: Pager, fetch: Fetch,
    render: Callable[[Matter], Message],
) -> R:  # fmt: skip
    """Fills a reply with a page of matters, oldest first."""
    me = call.caller.user_id
    place = pager.after(request, request.page_token, caller=me)  # type: ignore[attr-defined] # Lists have it.
    limit = page_size(request.page_size)  # type: ignore[attr-defined] # Lists have it.
    after = str(place[0]) if place else ""
    found = await fetch(
        actor_of(call), request.contract_id, after=after, limit=limit + 1  # type: ignore[attr-defined] # These lists have it.
    )  # fmt: skip
    getattr(reply, name).extend(render(one) for one in found[:limit])
    if len(found) > limit:
        token = pager.token(request, (found[limit - 1].id,), caller=me)
        reply.next_page_token = token  # type: ignore[attr-defined] # Lists have it.
    return reply


def _amendment(one: Matter) -> amendments_pb2.Amendment:
    return matter_message(one, amendments_pb2.Amendment)


def _dispute(one: Matter) -> dispute_types_pb2.Dispute:
    return matter_message(one, dispute_types_pb2.Dispute)


def _notice(one: Matter) -> force_majeure_pb2.ForceMajeureNotice:
    return matter_message(one, force_majeure_pb2.ForceMajeureNotice, "")


class AmendmentServicer(Servicer):
    """Serves `AmendmentService`."""

    SERVICE = amendments_pb2.DESCRIPTOR.services_by_name["AmendmentService"]

    def __init__(self, amendments: Amendments, pager: Pager) -> None:
        self._amendments = amendments
        self._pager = pager

    async def ProposeAmendment(
        self, request: amendments_pb2.ProposeAmendmentRequest, call: Call
    ) -> amendments_pb2.ProposeAmendmentResponse:
        sign_by = request.sign_by.ToDatetime(tzinfo=UTC) if request.HasField("sign_by") else None
        proposal = Proposal(
            request.kind, request.terms, request.update_mask, request.new_party_user_id, sign_by,
            request.note, request.expected_version,
        )  # fmt: skip
        return await self._amendments.propose(
            actor_of(call),
            request.contract_id,
            proposal,
            call.effect(
                lambda one: amendments_pb2.ProposeAmendmentResponse(amendment=_amendment(one))
            ),
        )

    async def ListAmendments(
        self, request: amendments_pb2.ListAmendmentsRequest, call: Call
    ) -> amendments_pb2.ListAmendmentsResponse:
        reply = amendments_pb2.ListAmendmentsResponse()
        return await listed(
            request, reply, "amendments", call, self._pager, self._amendments.page, _amendment
        )

    async def SignAmendment(
        self, request: amendments_pb2.SignAmendmentRequest, call: Call
    ) -> amendments_pb2.SignAmendmentResponse:
        # The version is in the digest, which must be the amendment's.
        given = Signed(0, request.digest, request.signature, request.scheme or EOA)
        return await self._amendments.sign(
            actor_of(call),
            request.contract_id,
            request.amendment_id,
            given,
            call.effect(
                lambda one: amendments_pb2.SignAmendmentResponse(amendment=_amendment(one))
            ),
        )

    async def RejectAmendment(
        self, request: amendments_pb2.RejectAmendmentRequest, call: Call
    ) -> amendments_pb2.RejectAmendmentResponse:
        return await self._amendments.reject(
            actor_of(call),
            request.contract_id,
            request.amendment_id,
            request.note,
            call.effect(
                lambda one: amendments_pb2.RejectAmendmentResponse(amendment=_amendment(one))
            ),
        )


class DisputeServicer(Servicer):
    """Serves `DisputeService`."""

    SERVICE = disputes_pb2.DESCRIPTOR.services_by_name["DisputeService"]

    def __init__(self, disputes: Disputes, pager: Pager) -> None:
        self._disputes = disputes
        self._pager = pager

    async def OpenDispute(
        self, request: disputes_pb2.OpenDisputeRequest, call: Call
    ) -> disputes_pb2.OpenDisputeResponse:
        claim = Claim(
            request.subject, request.claim_amount, request.text, request.evidence,
            request.statement_id, request.delivery_id,
        )  # fmt: skip
        return await self._disputes.open(
            actor_of(call),
            request.contract_id,
            claim,
            call.effect(lambda one: disputes_pb2.OpenDisputeResponse(dispute=_dispute(one))),
        )

    async def ListDisputes(
        self, request: disputes_pb2.ListDisputesRequest, call: Call
    ) -> disputes_pb2.ListDisputesResponse:
        reply = disputes_pb2.ListDisputesResponse()
        return await listed(
            request, reply, "disputes", call, self._pager, self._disputes.page, _dispute
        )

    async def AnswerDispute(
        self, request: disputes_pb2.AnswerDisputeRequest, call: Call
    ) -> disputes_pb2.AnswerDisputeResponse:
        return await self._disputes.answer(
            actor_of(call),
            request.contract_id,
            request.dispute_id,
            request.text,
            request.evidence,
            call.effect(lambda one: disputes_pb2.AnswerDisputeResponse(dispute=_dispute(one))),
        )

    async def WithdrawDispute(
        self, request: disputes_pb2.WithdrawDisputeRequest, call: Call
    ) -> disputes_pb2.WithdrawDisputeResponse:
        return await self._disputes.withdraw(
            actor_of(call),
            request.contract_id,
            request.dispute_id,
            call.effect(lambda one: disputes_pb2.WithdrawDisputeResponse(dispute=_dispute(one))),
        )

    async def AssignArbitrator(
        self, request: disputes_pb2.AssignArbitratorRequest, call: Call
    ) -> disputes_pb2.AssignArbitratorResponse:
        return await self._disputes.assign(
            actor_of(call),
            request.contract_id,
            request.dispute_id,
            request.arbitrator_id,
            request.reason,
            call.effect(lambda one: disputes_pb2.AssignArbitratorResponse(dispute=_dispute(one))),
        )

    async def RuleDispute(
        self, request: disputes_pb2.RuleDisputeRequest, call: Call
    ) -> disputes_pb2.RuleDisputeResponse:
        return await self._disputes.rule(
            actor_of(call),
            request.contract_id,
            request.dispute_id,
            request.outcome,
            request.amount,
            request.reason,
            call.effect(lambda one: disputes_pb2.RuleDisputeResponse(dispute=_dispute(one))),
        )


class ForceMajeureServicer(Servicer):
    """Serves `ForceMajeureService`."""

    SERVICE = force_majeure_pb2.DESCRIPTOR.services_by_name["ForceMajeureService"]

    def __init__(self, suspensions: Suspensions, pager: Pager) -> None:
        self._suspensions = suspensions
        self._pager = pager

    async def NotifyForceMajeure(
        self, request: force_majeure_pb2.NotifyForceMajeureRequest, call: Call
    ) -> force_majeure_pb2.NotifyForceMajeureResponse:
        return await self._suspensions.notify(
            actor_of(call),
            request.contract_id,
            Event(request.event, request.occurred_on, request.text, request.evidence),
            call.effect(
                lambda one: force_majeure_pb2.NotifyForceMajeureResponse(notice=_notice(one))
            ),
        )

    async def ListForceMajeureNotices(
        self, request: force_majeure_pb2.ListForceMajeureNoticesRequest, call: Call
    ) -> force_majeure_pb2.ListForceMajeureNoticesResponse:
        reply = force_majeure_pb2.ListForceMajeureNoticesResponse()
        return await listed(
            request, reply, "notices", call, self._pager, self._suspensions.page, _notice
        )

    async def EndForceMajeure(
        self, request: force_majeure_pb2.EndForceMajeureRequest, call: Call
    ) -> force_majeure_pb2.EndForceMajeureResponse:
        return await self._suspensions.end(
            actor_of(call),
            request.contract_id,
            request.notice_id,
            call.effect(lambda one: force_majeure_pb2.EndForceMajeureResponse(notice=_notice(one))),
        )

    async def ContestForceMajeure(
        self, request: force_majeure_pb2.ContestForceMajeureRequest, call: Call
    ) -> force_majeure_pb2.ContestForceMajeureResponse:
        return await self._suspensions.contest(
            actor_of(call),
            request.contract_id,
            request.notice_id,
            request.text,
            call.effect(
                lambda both: force_majeure_pb2.ContestForceMajeureResponse(
                    notice=_notice(both[0]), dispute=_dispute(both[1])
                )
            ),
        )


class RemedyServicer(Servicer):
    """Serves `RemedyService`."""

    SERVICE = remedies_pb2.DESCRIPTOR.services_by_name["RemedyService"]

    def __init__(self, remedies: Remedies) -> None:
        self._remedies = remedies

    async def DeclareDefault(
        self, request: remedies_pb2.DeclareDefaultRequest, call: Call
    ) -> remedies_pb2.DeclareDefaultResponse:
        me = call.caller.user_id

        def render(done: tuple[View, Matter]) -> remedies_pb2.DeclareDefaultResponse:
            reply = remedies_pb2.DeclareDefaultResponse(contract=contract_message(done[0], me))
            assert done[1].due_at is not None, "There is a time to choose."
            reply.choose_by.CopyFrom(timestamp(done[1].due_at))
            return reply

        return await self._remedies.declare(
            actor_of(call), request.contract_id, request, call.effect(render)
        )

    async def ChooseRemedy(
        self, request: remedies_pb2.ChooseRemedyRequest, call: Call
    ) -> remedies_pb2.ChooseRemedyResponse:
        me = call.caller.user_id
        chosen = Chosen(
            request.remedy, request.buy_in_price, request.evidence, request.new_delivery_end,
            request.expected_version,
        )  # fmt: skip
        return await self._remedies.choose(
            actor_of(call),
            request.contract_id,
            chosen,
            call.effect(
                lambda done: remedies_pb2.ChooseRemedyResponse(
                    contract=contract_message(done[0], me), liability_amount=done[1]
                )
            ),
        )

    async def ProposeWashout(
        self, request: remedies_pb2.ProposeWashoutRequest, call: Call
    ) -> remedies_pb2.ProposeWashoutResponse:
        return await self._remedies.propose_washout(
            actor_of(call),
            request.contract_id,
            request.price,
            request.note,
            request.expected_version,
            call.effect(lambda one: remedies_pb2.ProposeWashoutResponse(washout=_washout(one))),
        )

    async def AcceptWashout(
        self, request: remedies_pb2.AcceptWashoutRequest, call: Call
    ) -> remedies_pb2.AcceptWashoutResponse:
        me = call.caller.user_id
        return await self._remedies.accept_washout(
            actor_of(call),
            request.contract_id,
            request.washout_id,
            call.effect(
                lambda done: remedies_pb2.AcceptWashoutResponse(
                    contract=contract_message(done[0], me), washout=_washout(done[1])
                )
            ),
        )


def _washout(one: Matter) -> remedies_pb2.Washout:
    return matter_message(one, remedies_pb2.Washout, "")
