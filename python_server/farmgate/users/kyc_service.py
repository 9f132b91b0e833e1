"""The gRPC face of KYC, from the user's side and from the exchange's."""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Final

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.users.v1 import kyc_pb2, kyc_review_pb2
from farmgate.errors import DomainError
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users import kyc_rules as rules
from farmgate.users.kyc_logic import Kyc
from farmgate.users.kyc_store import Case, Document
from farmgate.users.kyc_values import Form, Ruling, Verdict
from farmgate.users.messages import timestamp
from farmgate.users.store import User

_CURRENCY: Final = "USD"


class KycServicer(Servicer):
    """Serves `KycService`.

    Args:
        kyc: Keeps cases.
    """

    SERVICE = kyc_pb2.DESCRIPTOR.services_by_name["KycService"]
    REQUEST_BYTES_MAX: ClassVar[Mapping[str, int]] = {
        "UploadKycDocument": rules.DOCUMENT_BYTES_MAX + 64 * 1024,
    }

    def __init__(self, kyc: Kyc) -> None:
        self._kyc = kyc

    async def SubmitKyc(
        self, request: kyc_pb2.SubmitKycRequest, call: Call
    ) -> kyc_pb2.SubmitKycResponse:
        if request.organization_id:
            raise DomainError("NOT_FOUND", resource="organization", id=request.organization_id)
        form = Form(
            request.form.date_of_birth,
            request.form.country,
            len(request.form.beneficial_owners),
            request.form.SerializeToString(),
        )
        return await self._kyc.submit(
            call.caller.user_id,
            request.target_level,
            form,
            call.effect(lambda case: kyc_pb2.SubmitKycResponse(kyc_case=case_message(case))),
        )

    async def GetKycStatus(
        self, request: kyc_pb2.GetKycStatusRequest, call: Call
    ) -> kyc_pb2.GetKycStatusResponse:
        user, case = await self._kyc.status(call.caller.user_id)
        return kyc_pb2.GetKycStatusResponse(
            kyc_level=user.kyc_level, kyc_case=case_message(case, user) if case else None
        )

    async def UploadKycDocument(
        self, request: kyc_pb2.UploadKycDocumentRequest, call: Call
    ) -> kyc_pb2.UploadKycDocumentResponse:
        return await self._kyc.upload(
            call.caller.user_id,
            request.kind,
            request.content.data,
            request.target_level,
            call.effect(
                lambda one: kyc_pb2.UploadKycDocumentResponse(document=document_message(one))
            ),
        )

    async def DeleteKycDocument(
        self, request: kyc_pb2.DeleteKycDocumentRequest, call: Call
    ) -> kyc_pb2.DeleteKycDocumentResponse:
        return await self._kyc.delete(
            call.caller.user_id,
            request.document_id,
            call.effect(lambda _: kyc_pb2.DeleteKycDocumentResponse()),
        )

    async def GetKycLevels(
        self, request: kyc_pb2.GetKycLevelsRequest, call: Call
    ) -> kyc_pb2.GetKycLevelsResponse:
        reply = kyc_pb2.GetKycLevelsResponse()
        for one in await self._kyc.allowances():
            reply.levels.add(
                level=one.level,
                needs=[
                    kyc_pb2.KycDocumentKind.ValueType(min(kinds))
                    for kinds in rules.needed(one.level, "FARMER")
                ],
                needs_text=one.needs,
                max_order_notional=_money(one.order),
                max_daily_notional=_money(one.daily),
                max_contract_notional=_money(one.contract),
                max_daily_withdrawal=_money(one.withdrawal),
                may_trade=one.may_trade,
                may_contract=one.may_contract,
                currency=_CURRENCY,
            )
        return reply


class KycReviewServicer(Servicer):
    """Serves `KycReviewService`.

    Args:
        kyc: Keeps cases.
        pager: Signs page tokens.
    """

    SERVICE = kyc_review_pb2.DESCRIPTOR.services_by_name["KycReviewService"]

    def __init__(self, kyc: Kyc, pager: Pager) -> None:
        self._kyc = kyc
        self._pager = pager

    async def ListKycCases(
        self, request: kyc_review_pb2.ListKycCasesRequest, call: Call
    ) -> kyc_review_pb2.ListKycCasesResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        names = [kyc_pb2.KycStatus.Name(status) for status in request.statuses if status]
        found = await self._kyc.cases(
            statuses=[name.removeprefix("KYC_STATUS_") for name in names],
            assigned_to=request.assigned_to,
            level=request.target_level,
            after=str(place[0]) if place else "",
            limit=limit + 1,
        )
        reply = kyc_review_pb2.ListKycCasesResponse(
            cases=[case_message(case, user, reviews=True) for case, user in found[:limit]]
        )
        if len(found) > limit:
            last = found[limit - 1][0].id
            reply.next_page_token = self._pager.token(request, (last,), caller=me)
        return reply

    async def AssignKycCase(
        self, request: kyc_review_pb2.AssignKycCaseRequest, call: Call
    ) -> kyc_review_pb2.AssignKycCaseResponse:
        return await self._kyc.assign(
            call.caller.user_id,
            request.case_id,
            request.reviewer_id,
            request.reason,
            call.effect(
                lambda found: kyc_review_pb2.AssignKycCaseResponse(
                    kyc_case=case_message(*found, reviews=True)
                )
            ),
        )

    async def DecideKycCase(
        self, request: kyc_review_pb2.DecideKycCaseRequest, call: Call
    ) -> kyc_review_pb2.DecideKycCaseResponse:
        name = kyc_review_pb2.KycDecision.Name(request.decision)
        ruling = Ruling(
            name.removeprefix("KYC_DECISION_"),
            request.reason,
            [
                Verdict(one.document_id, one.is_accepted, one.reject_code)
                for one in request.documents
            ],
            request.risk_score if request.HasField("risk_score") else None,
            request.expected_version,
        )
        return await self._kyc.decide(
            call.caller.user_id,
            request.case_id,
            ruling,
            call.effect(
                lambda found: kyc_review_pb2.DecideKycCaseResponse(
                    kyc_case=case_message(*found, reviews=True)
                )
            ),
        )

    async def GetKycDocument(
        self, request: kyc_review_pb2.GetKycDocumentRequest, call: Call
    ) -> HttpBody:
        # What is recorded is that somebody looked, not what was seen.
        document, data = await self._kyc.document(
            request.case_id,
            request.document_id,
            request.reason,
            call.effect(lambda _: HttpBody()),
        )
        return HttpBody(content_type=document.media_type, data=data)


def document_message(one: Document) -> kyc_pb2.KycDocument:
    """Returns a document without its content."""
    return kyc_pb2.KycDocument(
        document_id=one.id,
        kind=kyc_pb2.KycDocumentKind.ValueType(one.kind),
        status=kyc_pb2.KycDocumentStatus.Value(f"KYC_DOCUMENT_STATUS_{one.status}"),
        media_type=one.media_type,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        reject_code=one.reject_code,
        upload_time=timestamp(one.uploaded_at),
    )


def case_message(case: Case, user: User | None = None, *, reviews: bool = False) -> kyc_pb2.KycCase:
    """Returns a case; only reviewers see risk and reviewer."""
    kinds = [one.kind for one in case.documents if one.status in {"UPLOADED", "ACCEPTED"}]
    missing = rules.missing(case.target_level, user.role, kinds) if user else []
    message = kyc_pb2.KycCase(
        case_id=case.id,
        user_id=case.user_id,
        target_level=case.target_level,
        status=kyc_pb2.KycStatus.Value(f"KYC_STATUS_{case.status}"),
        documents=map(document_message, case.documents),
        missing_documents=[kyc_pb2.KycDocumentKind.ValueType(kind) for kind in missing],
        attempts=case.attempts,
        approvals=(1 if case.first_approver else 0) + (case.status == "APPROVED"),
        decision_reason=case.decision_reason,
        version=case.version,
    )
    if reviews:
        message.risk_score = case.risk_score
        message.assigned_to = case.assigned_to
    if case.submitted_at:
        message.submit_time.CopyFrom(timestamp(case.submitted_at))
    if case.decided_at:
        message.decide_time.CopyFrom(timestamp(case.decided_at))
        if case.status == "REJECTED":
            message.retry_time.CopyFrom(timestamp(case.decided_at + rules.COOLDOWN))
    if case.expires_at:
        message.expire_time.CopyFrom(timestamp(case.expires_at))
    return message


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}"
