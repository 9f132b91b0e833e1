from farmgate.api.auth.v1 import auth_pb2
from farmgate.ports.clock import FakeClock
from support import PASSWORD, Api, refused

NEW_PASSWORD = "eight yellow harvesters"
UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def test_logout_ends_the_session_at_once(api_on_any: Api) -> None:
    """AUT-011."""
    person = await api_on_any.person()
    other = await api_on_any.log_in(person.user.email)
    await api_on_any.auth.Logout(auth_pb2.LogoutRequest(), metadata=person.metadata)
    assert (await refused(api_on_any.me(person.tokens.access_token))).reason == "TOKEN_INVALID"
    refusal = await refused(api_on_any.refresh(person.tokens.refresh_token))
    assert refusal.reason == "TOKEN_INVALID"
    assert (await api_on_any.me(other.access_token)).user.user_id == person.user.user_id


async def test_sessions_are_listed_newest_first_in_pages(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-017."""
    person = await api_on_any.person()
    for _ in range(4):
        clock.move(1)
        await api_on_any.log_in(person.user.email)
    found: list[auth_pb2.Session] = []
    request = auth_pb2.ListSessionsRequest(page_size=2)
    while True:
        page = await api_on_any.auth.ListSessions(request, metadata=person.metadata)
        found += page.sessions
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [one.is_current for one in found] == [False, False, False, False, True]
    times = [one.create_time.seconds for one in found]
    assert times == sorted(times, reverse=True)
    assert found[0].device == "grpc-python-asyncio"


async def test_page_token_of_another_is_refused(api: Api) -> None:
    person, other = await api.person(), await api.person()
    await api.log_in(person.user.email)
    request = auth_pb2.ListSessionsRequest(page_size=1)
    page = await api.auth.ListSessions(request, metadata=person.metadata)
    for token in (page.next_page_token, "nonsense", "é"):
        request.page_token = token
        refusal = await refused(api.auth.ListSessions(request, metadata=other.metadata))
        assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_revoke_session_ends_an_own_one_only(api: Api) -> None:
    """AUT-017."""
    person, other = await api.person(), await api.person()
    session_id = (await api.me(person.tokens.access_token)).session_id
    request = auth_pb2.RevokeSessionRequest(session_id=session_id)
    refusal = await refused(api.auth.RevokeSession(request, metadata=other.metadata))
    assert refusal.reason == "NOT_FOUND"
    assert (await api.me(person.tokens.access_token)).session_id == session_id
    await api.auth.RevokeSession(request, metadata=person.metadata)
    assert (await refused(api.me(person.tokens.access_token))).reason == "TOKEN_INVALID"
    unknown = auth_pb2.RevokeSessionRequest(session_id=UNKNOWN)
    refusal = await refused(api.auth.RevokeSession(unknown, metadata=other.metadata))
    assert refusal.reason == "NOT_FOUND"


async def test_revoke_all_sessions_ends_every_one(api_on_any: Api) -> None:
    """AUT-011."""
    person = await api_on_any.person()
    other = await api_on_any.log_in(person.user.email)
    await api_on_any.me(other.access_token)
    answer = await api_on_any.auth.RevokeAllSessions(
        auth_pb2.RevokeAllSessionsRequest(), metadata=person.metadata
    )
    assert answer.revoked_count == 2
    for token in (person.tokens.access_token, other.access_token):
        assert (await refused(api_on_any.me(token))).reason == "TOKEN_INVALID"
    again = await api_on_any.log_in(person.user.email)
    assert (await api_on_any.me(again.access_token)).user.user_id == person.user.user_id


async def test_change_password_ends_the_other_sessions(api_on_any: Api) -> None:
    """AUT-012."""
    person = await api_on_any.person()
    other = await api_on_any.log_in(person.user.email)
    await api_on_any.auth.ChangePassword(
        auth_pb2.ChangePasswordRequest(current_password=PASSWORD, new_password=NEW_PASSWORD),
        metadata=person.metadata,
    )
    assert (await refused(api_on_any.me(other.access_token))).reason == "TOKEN_INVALID"
    assert (await api_on_any.me(person.tokens.access_token)).user.user_id == person.user.user_id
    assert (await refused(api_on_any.log_in(person.user.email))).reason == "BAD_CREDENTIALS"
    assert (await api_on_any.log_in(person.user.email, NEW_PASSWORD)).access_token


async def test_change_password_with_bad_values_is_refused(api: Api) -> None:
    person = await api.person()
    for current, new, reason in (
        ("wrong", NEW_PASSWORD, "BAD_CREDENTIALS"),
        (PASSWORD, "short", "PASSWORD_WEAK"),
        (PASSWORD, "", "PASSWORD_WEAK"),
        ("", NEW_PASSWORD, "INVALID_ARGUMENT"),
    ):
        request = auth_pb2.ChangePasswordRequest(current_password=current, new_password=new)
        refusal = await refused(api.auth.ChangePassword(request, metadata=person.metadata))
        assert refusal.reason == reason
