"""Operators find people and decide what they may do."""

from farmgate.api.admin.v1 import admin_pb2, audit_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2
from service.admin.operators import Operators, with_role
from support import Api, refused

REASON = "asked for by the regulator"


async def test_users_are_found_by_every_filter(api_on_any: Api) -> None:
    """ADM-001."""
    api = api_on_any
    admin, calls = await with_role(api, "ADMIN"), Operators(api)
    people = [await api.person(display_name=f"Person {n}") for n in range(4)]
    await api.person(email="nia_100%@example.com", role=types_pb2.ROLE_TRADER)

    async def emails(**given: object) -> list[str]:
        request = admin_pb2.ListUsersRequest(**given)
        reply = await calls.admin.ListUsers(request, metadata=admin.metadata)
        return [user.email for user in reply.users]

    assert len(await emails()) == 6
    assert await emails(query="PERSON 2") == [people[2].user.email]
    assert await emails(query="100%") == ["nia_100%@example.com"]
    assert await emails(query="_1") == ["nia_100%@example.com"]
    assert await emails(role=types_pb2.ROLE_ADMIN) == [admin.user.email]
    assert len(await emails(status=users_pb2.USER_STATUS_ACTIVE, kyc_level=1)) == 6
    assert await emails(kyc_level=3) == []
    seen: list[str] = []
    request = admin_pb2.ListUsersRequest(page_size=2, include_total=True)
    while True:
        reply = await calls.admin.ListUsers(request, metadata=admin.metadata)
        assert reply.total_size == 6
        seen += [user.email for user in reply.users]
        if not reply.next_page_token:
            break
        request.page_token = reply.next_page_token
    assert seen == await emails()


async def test_suspending_ends_sessions_and_restoring_lets_in_again(api: Api) -> None:
    """ADM-002, ADM-003."""
    admin, calls = await with_role(api, "ADMIN"), Operators(api)
    person = await api.person()
    request = admin_pb2.UpdateUserStatusRequest(
        user_id=person.user.user_id, status=users_pb2.USER_STATUS_SUSPENDED, reason=REASON
    )
    changed = await calls.admin.UpdateUserStatus(request, metadata=admin.metadata)
    assert changed.user.status == users_pb2.USER_STATUS_SUSPENDED
    assert (await refused(api.me(person.tokens.access_token))).reason == "TOKEN_INVALID"
    assert (await refused(api.refresh(person.tokens.refresh_token))).reason in {
        "TOKEN_INVALID", "ACCOUNT_SUSPENDED",
    }  # fmt: skip
    assert (await refused(api.log_in(person.user.email))).reason == "ACCOUNT_SUSPENDED"
    again = await refused(calls.admin.UpdateUserStatus(request, metadata=admin.metadata))
    assert again.reason == "RESOURCE_STATE"
    request.status = users_pb2.USER_STATUS_ACTIVE
    request.expected_version = 1
    old = await refused(calls.admin.UpdateUserStatus(request, metadata=admin.metadata))
    assert old.reason == "VERSION_CONFLICT"
    request.expected_version = 0
    await calls.admin.UpdateUserStatus(request, metadata=admin.metadata)
    await api.log_in(person.user.email)

    listing = audit_pb2.ListAuditLogsRequest(
        action="UpdateUserStatus", resource_type="user", resource_id=person.user.user_id
    )
    logs = (await calls.audit.ListAuditLogs(listing, metadata=admin.metadata)).logs
    assert [(log.reason, log.after_json) for log in logs] == [
        (REASON, '{"after":"ACTIVE","before":"SUSPENDED"}'),
        (REASON, '{"after":"SUSPENDED","before":"ACTIVE"}'),
    ]


async def test_status_changes_that_make_no_sense_are_refused(api: Api) -> None:
    """ADM-003."""
    admin, calls = await with_role(api, "ADMIN"), Operators(api)
    request = admin_pb2.UpdateUserStatusRequest(
        user_id=admin.user.user_id, status=users_pb2.USER_STATUS_SUSPENDED, reason=REASON
    )
    own = await refused(calls.admin.UpdateUserStatus(request, metadata=admin.metadata))
    assert own.reason == "SELF_REVIEW_FORBIDDEN"
    request.user_id = "0" * 26
    nobody = await refused(calls.admin.UpdateUserStatus(request, metadata=admin.metadata))
    assert nobody.reason == "NOT_FOUND"
    request.reason = "no"
    short = await refused(calls.admin.UpdateUserStatus(request, metadata=admin.metadata))
    assert short.reason == "INVALID_ARGUMENT"


async def test_statistics_count_people(api: Api) -> None:
    """ADM-004."""
    admin, calls = await with_role(api, "AUDITOR"), Operators(api)
    await api.person()
    reply = await calls.admin.GetStatistics(
        admin_pb2.GetStatisticsRequest(), metadata=admin.metadata
    )
    farmers = next(row for row in reply.users if row.role == types_pb2.ROLE_FARMER)
    assert (farmers.total, farmers.active, farmers.active_last_day) == (1, 1, 1)
    request = admin_pb2.GetStatisticsRequest(from_date="2026-06-02", to_date="2026-06-01")
    refusal = await refused(calls.admin.GetStatistics(request, metadata=admin.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"
    request = admin_pb2.GetStatisticsRequest(from_date="2026-02-31")
    refusal = await refused(calls.admin.GetStatistics(request, metadata=admin.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"
