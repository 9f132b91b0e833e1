"""KYC: documents nobody else can read, decided by others, two of them for level 3."""

from typing import Any

import pytest
from sqlalchemy import select, update

from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import kyc_pb2, kyc_pb2_grpc, kyc_review_pb2, kyc_review_pb2_grpc
from farmgate.ports.clock import FakeClock
from farmgate.users.tables import kyc_documents, users
from service.admin.operators import with_role
from support import Api, SignedIn, refused

PDF = b"%PDF-1.7 a passport"
REASON = "all is in order"
FORM = kyc_pb2.KycForm(
    legal_name="Amara Okafor", date_of_birth="1980-02-29", postal_address="1 Road", country="NG"
)
FARMER_KINDS = (
    kyc_pb2.KYC_DOCUMENT_KIND_PASSPORT,
    kyc_pb2.KYC_DOCUMENT_KIND_PROOF_OF_ADDRESS,
    kyc_pb2.KYC_DOCUMENT_KIND_LAND_TITLE,
)
COMPANY_KINDS = (
    kyc_pb2.KYC_DOCUMENT_KIND_COMPANY_CERT,
    kyc_pb2.KYC_DOCUMENT_KIND_UBO_REGISTER,
    kyc_pb2.KYC_DOCUMENT_KIND_BANK_LETTER,
)


class Calls:
    """Stubs of both sides."""

    def __init__(self, api: Api) -> None:
        self.own: Any = kyc_pb2_grpc.KycServiceStub(api.channel)
        self.review: Any = kyc_review_pb2_grpc.KycReviewServiceStub(api.channel)

    async def upload(self, person: SignedIn, kind: int, data: bytes = PDF) -> Any:
        request = kyc_pb2.UploadKycDocumentRequest(kind=kind)
        request.content.data = data
        return (await self.own.UploadKycDocument(request, metadata=person.metadata)).document

    async def submit(self, person: SignedIn, level: int = 2, form: Any = FORM) -> Any:
        request = kyc_pb2.SubmitKycRequest(target_level=level, form=form)
        return (await self.own.SubmitKyc(request, metadata=person.metadata)).kyc_case

    async def status(self, person: SignedIn) -> Any:
        request = kyc_pb2.GetKycStatusRequest()
        return await self.own.GetKycStatus(request, metadata=person.metadata)

    async def decide(self, admin: SignedIn, case_id: str, decision: str, **given: Any) -> Any:
        request = kyc_review_pb2.DecideKycCaseRequest(
            case_id=case_id,
            decision=kyc_review_pb2.KycDecision.Value(f"KYC_DECISION_{decision}"),
            reason=REASON,
            **given,
        )
        return (await self.review.DecideKycCase(request, metadata=admin.metadata)).kyc_case

    async def handed_in(self, person: SignedIn) -> Any:
        for kind in FARMER_KINDS:
            await self.upload(person, kind)
        return await self.submit(person)


async def test_a_farmer_reaches_level_two(api_on_any: Api) -> None:
    """USR-020, USR-021."""
    api = api_on_any
    calls, person, admin = Calls(api), await api.person(), await with_role(api, "ADMIN")
    await calls.upload(person, FARMER_KINDS[0])
    missing = await refused(calls.submit(person))
    assert missing.reason == "KYC_DOCUMENT_MISSING"
    status = await calls.status(person)
    assert list(status.kyc_case.missing_documents) == [
        kyc_pb2.KYC_DOCUMENT_KIND_PROOF_OF_ADDRESS, kyc_pb2.KYC_DOCUMENT_KIND_LAND_TITLE,
    ]  # fmt: skip
    for kind in FARMER_KINDS[1:]:
        await calls.upload(person, kind)
    case = await calls.submit(person)
    assert case.status == kyc_pb2.KYC_STATUS_SUBMITTED
    assert (await refused(calls.upload(person, FARMER_KINDS[0]))).reason == "KYC_STATE"
    listed = await calls.review.ListKycCases(
        kyc_review_pb2.ListKycCasesRequest(), metadata=admin.metadata
    )
    assert [one.case_id for one in listed.cases] == [case.case_id]
    assign = kyc_review_pb2.AssignKycCaseRequest(case_id=case.case_id, reason=REASON)
    assigned = await calls.review.AssignKycCase(assign, metadata=admin.metadata)
    assert assigned.kyc_case.assigned_to == admin.user.user_id
    decided = await calls.decide(admin, case.case_id, "APPROVE")
    assert decided.status == kyc_pb2.KYC_STATUS_APPROVED
    assert (await calls.status(person)).kyc_level == 2
    assert not (await calls.status(person)).kyc_case.assigned_to, "Only reviewers see it."
    revoked = await calls.decide(admin, case.case_id, "REVOKE")
    assert revoked.status == kyc_pb2.KYC_STATUS_REVOKED
    assert (await calls.status(person)).kyc_level == 1


async def test_level_three_takes_two(api: Api) -> None:
    """USR-022: scenario A14."""
    calls = Calls(api)
    first, second = await with_role(api, "ADMIN"), await with_role(api, "ADMIN")
    person = await api.person(role=types_pb2.ROLE_TRADER)
    too_soon = await refused(calls.submit(person, 3))
    assert too_soon.reason == "KYC_LEVEL_REQUIRED"
    await api.application.base.database.write(
        lambda tx: tx.execute(
            update(users).where(users.c.id == person.user.user_id).values(kyc_level=2)
        )
    )
    for kind in COMPANY_KINDS:
        await calls.upload(person, kind)
    case = await calls.submit(person, 3)
    once = await calls.decide(first, case.case_id, "APPROVE")
    assert (once.status, once.approvals) == (kyc_pb2.KYC_STATUS_IN_REVIEW, 1)
    assert (await calls.status(person)).kyc_level == 2
    again = await refused(calls.decide(first, case.case_id, "APPROVE"))
    assert again.reason == "FOUR_EYES_REQUIRED"
    twice = await calls.decide(second, case.case_id, "APPROVE")
    assert (twice.status, twice.approvals) == (kyc_pb2.KYC_STATUS_APPROVED, 2)
    assert (await calls.status(person)).kyc_level == 3


async def test_nobody_decides_the_own_case(api: Api) -> None:
    """USR-023."""
    calls, person = Calls(api), await api.person()
    case = await calls.handed_in(person)
    await api.application.base.database.write(
        lambda tx: tx.execute(
            update(users).where(users.c.id == person.user.user_id).values(role="ADMIN")
        )
    )
    person = SignedIn(person.user, await api.log_in(person.user.email))
    assert (await refused(calls.decide(person, case.case_id, "APPROVE"))).reason == (
        "SELF_REVIEW_FORBIDDEN"
    )


async def test_a_rejected_case_may_come_again_after_a_day(api: Api, clock: FakeClock) -> None:
    """USR-024."""
    calls, person, admin = Calls(api), await api.person(), await with_role(api, "ADMIN")
    case = await calls.handed_in(person)
    more = await calls.decide(admin, case.case_id, "NEED_INFO", expected_version=case.version)
    assert more.status == kyc_pb2.KYC_STATUS_NEEDS_INFO
    case = await calls.submit(person)
    old = await refused(calls.decide(admin, case.case_id, "REJECT", expected_version=1))
    assert old.reason == "VERSION_CONFLICT"
    await calls.decide(admin, case.case_id, "REJECT")
    assert (await refused(calls.decide(admin, case.case_id, "APPROVE"))).reason == "KYC_STATE"
    assert (await refused(calls.upload(person, FARMER_KINDS[0]))).reason == "KYC_COOLDOWN"
    clock.move(24 * 3_600)
    person = SignedIn(person.user, await api.log_in(person.user.email))
    case = await calls.handed_in(person)
    assert case.attempts == 2


async def test_documents_are_noise_to_whoever_has_the_database(api: Api) -> None:
    """USR-025, USR-026."""
    calls, person, admin = Calls(api), await api.person(), await with_role(api, "ADMIN")
    stranger = await api.person()
    document = await calls.upload(person, FARMER_KINDS[0], PDF + b" of Amara Okafor")
    database = api.application.base.database

    def row(tx: Any) -> Any:
        return tx.execute(
            select(kyc_documents).where(kyc_documents.c.id == document.document_id)
        ).one()

    stored = await database.read(row)
    assert b"Amara" not in stored.content
    case_id = (await calls.status(person)).kyc_case.case_id
    look = kyc_review_pb2.GetKycDocumentRequest(
        case_id=case_id, document_id=document.document_id, reason=REASON
    )
    seen = await calls.review.GetKycDocument(look, metadata=admin.metadata)
    assert (seen.content_type, seen.data) == ("application/pdf", PDF + b" of Amara Okafor")
    drop = kyc_pb2.DeleteKycDocumentRequest(document_id=document.document_id)
    refusal = await refused(calls.own.DeleteKycDocument(drop, metadata=stranger.metadata))
    assert refusal.reason == "NOT_FOUND"
    await calls.own.DeleteKycDocument(drop, metadata=person.metadata)
    stored = await database.read(row)
    assert (stored.wrapped_key, stored.content, stored.status) == (None, None, "SHREDDED")
    refusal = await refused(calls.review.GetKycDocument(look, metadata=admin.metadata))
    assert refusal.reason == "NOT_FOUND"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"MZ an executable", "DOCUMENT_TYPE_UNSUPPORTED"),
        (b"", "DOCUMENT_TYPE_UNSUPPORTED"),
        (b"%PDF-" + bytes(10 * 1024 * 1024), "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_what_is_no_document_is_refused(api: Api, data: bytes, reason: str) -> None:
    """USR-027."""
    person = await api.person()
    assert (await refused(Calls(api).upload(person, FARMER_KINDS[0], data))).reason == reason


async def test_a_minor_is_refused(api: Api) -> None:
    """USR-027."""
    person = await api.person()
    for born in ("2008-06-02", "1980-02-30", "2999-01-01"):
        form = kyc_pb2.KycForm()
        form.CopyFrom(FORM)
        form.date_of_birth = born
        refusal = await refused(Calls(api).submit(person, 2, form))
        assert refusal.reason == "INVALID_ARGUMENT", born


async def test_an_approval_ends(api: Api, clock: FakeClock) -> None:
    """USR-028."""
    calls, person, admin = Calls(api), await api.person(), await with_role(api, "ADMIN")
    case = await calls.handed_in(person)
    decided = await calls.decide(admin, case.case_id, "APPROVE")
    assert decided.expire_time.ToSeconds() > clock.now().timestamp() + 700 * 86_400
    clock.move(731 * 86_400)
    kyc = next(one._kyc for one in api.application.servicers if type(one).__name__ == "KycServicer")
    await kyc.expire()
    person = SignedIn(person.user, await api.log_in(person.user.email))
    status = await calls.status(person)
    assert (status.kyc_level, status.kyc_case.status) == (1, kyc_pb2.KYC_STATUS_EXPIRED)


async def test_levels_are_public(api: Api) -> None:
    """USR-029."""
    reply = await Calls(api).own.GetKycLevels(kyc_pb2.GetKycLevelsRequest())
    assert [(one.level, one.may_trade, one.may_contract) for one in reply.levels] == [
        (0, False, False), (1, True, False), (2, True, True), (3, True, True),
    ]  # fmt: skip
    assert reply.levels[1].max_order_notional == "5000"


async def test_nothing_is_prepared_beyond_the_highest_level(api: Api) -> None:
    """USR-020: found by the matrix of owners, which it answered with a fault."""
    person = await api.person()
    of = users.c.id == person.user.user_id
    await api.application.base.database.write(
        lambda tx: tx.execute(update(users).where(of).values(kyc_level=3))
    )
    refusal = await refused(Calls(api).upload(person, FARMER_KINDS[0]))
    assert (refusal.reason, refusal.metadata["state"]) == ("KYC_STATE", "APPROVED")
