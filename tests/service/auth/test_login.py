import jwt
import pytest

from farmgate.api.auth.v1 import auth_pb2
from farmgate.app import wire
from farmgate.db import audit
from farmgate.ports.clock import FakeClock
from support import PASSWORD, Api, FakeAccounts, refused, running


async def test_login_gives_tokens(api_on_any: Api, accounts: FakeAccounts) -> None:
    """AUT-004."""
    user = await api_on_any.register()
    answer = await api_on_any.log_in(user.email.upper())
    assert answer.token_type == "Bearer"
    assert (answer.expires_in_s, answer.refresh_expires_in_s) == (900, 14 * 86_400)
    assert answer.user.last_login_time.seconds > 0
    me = await api_on_any.me(answer.access_token)
    assert me.user.user_id == user.user_id
    claims = jwt.decode(answer.access_token, options={"verify_signature": False})
    assert claims["sub"] == user.user_id
    assert claims["sid"] == me.session_id
    assert (claims["role"], claims["kyc"]) == ("FARMER", 1)
    assert (claims["acc"], claims["aid"]) == (1, user.account_id)


async def test_claims_reach_the_principal(api: Api) -> None:
    person = await api.person()
    await api.me(person.tokens.access_token)
    grant = api.application.base.grants.cached(person.tokens.access_token)
    assert grant is not None
    assert grant.principal.account_number == 1
    assert grant.principal.account_id == person.user.account_id


@pytest.mark.parametrize("email", ["nobody@example.com", "a\x00b", "é@example.com", "x" * 254])
async def test_login_of_nobody_is_refused(api_on_any: Api, email: str) -> None:
    refusal = await refused(api_on_any.log_in(email))
    assert refusal.reason == "BAD_CREDENTIALS"


async def test_wrong_password_and_unknown_address_look_alike(api: Api) -> None:
    """AUT-005."""
    user = await api.register()
    wrong = await refused(api.log_in(user.email, "another password"))
    unknown = await refused(api.log_in("nobody@example.com", "another password"))
    assert (wrong.code, wrong.reason, wrong.message) == (
        unknown.code, unknown.reason, unknown.message,
    )  # fmt: skip
    assert wrong.metadata == unknown.metadata == {}


async def test_login_without_values_is_refused(api: Api) -> None:
    refusal = await refused(api.auth.Login(auth_pb2.LoginRequest()))
    assert refusal.reason == "INVALID_ARGUMENT"
    assert refusal.metadata["field"] == "email"


async def test_failures_lock_the_account_for_a_while(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-006."""
    user = await api_on_any.register()
    for _ in range(5):
        assert (await refused(api_on_any.log_in(user.email, "wrong"))).reason == "BAD_CREDENTIALS"
    # The count goes on behind the answer; the next failure comes after it in the queue.
    refusal = await refused(api_on_any.log_in(user.email))
    assert refusal.reason == "ACCOUNT_LOCKED"
    assert refusal.metadata["until"] == "2026-06-01T12:15:00Z"
    rows = await api_on_any.application.base.database.read(lambda tx: list(audit.rows(tx)))
    assert rows[-1].entry.resource == f"lock/{user.user_id}"
    clock.move(900)
    assert (await api_on_any.log_in(user.email)).access_token


async def test_success_starts_the_count_afresh(api: Api) -> None:
    """AUT-006."""
    user = await api.register()
    for _ in range(3):
        for _ in range(4):
            await refused(api.log_in(user.email, "wrong"))
        assert (await api.log_in(user.email)).access_token


async def test_login_before_the_address_is_verified_is_refused(
    make_settings, accounts, clock
) -> None:
    """AUT-007."""
    settings = make_settings(auth_auto_verify_email=False)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        user = await api.register()
        assert user.kyc_level == 0
        assert (await refused(api.log_in(user.email))).reason == "EMAIL_NOT_VERIFIED"
        assert (await refused(api.log_in(user.email, "wrong"))).reason == "BAD_CREDENTIALS"


async def test_eleventh_session_ends_the_oldest(api: Api, clock: FakeClock) -> None:
    """AUT-008."""
    user = await api.register()
    tokens = []
    for _ in range(11):
        clock.move(1)
        tokens.append((await api.log_in(user.email)).access_token)
    assert (await refused(api.me(tokens[0]))).reason == "TOKEN_INVALID"
    assert (await api.me(tokens[1])).user.user_id == user.user_id


async def test_password_of_another_composition_fits(api: Api) -> None:
    user = await api.register(password="cafe\u0301 au lait en ville")
    assert (await api.log_in(user.email, "caf\u00e9 au lait en ville")).access_token


async def test_an_expired_token_does_not_keep_from_signing_in(api: Api) -> None:
    user = await api.register()
    request = auth_pb2.LoginRequest(email=user.email, password=PASSWORD)
    answer = await api.auth.Login(request, metadata=(("authorization", "Bearer stale"),))
    assert answer.access_token
