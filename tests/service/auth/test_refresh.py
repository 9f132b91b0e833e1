import asyncio

import grpc

from farmgate.db import audit
from farmgate.ports.clock import FakeClock
from support import Api, refusal_of, refused


async def test_refresh_gives_the_next_pair(api_on_any: Api, clock: FakeClock) -> None:
    """AUT-009."""
    person = await api_on_any.person()
    clock.move(1_000)
    assert (await refused(api_on_any.me(person.tokens.access_token))).reason == "TOKEN_EXPIRED"
    answer = await api_on_any.refresh(person.tokens.refresh_token)
    assert answer.refresh_token != person.tokens.refresh_token
    assert answer.refresh_expires_in_s == 14 * 86_400 - 1_000
    assert (await api_on_any.me(answer.access_token)).user == answer.user


async def test_reuse_ends_the_session_for_both(api_on_any: Api) -> None:
    """AUT-009."""
    person = await api_on_any.person()
    second = await api_on_any.refresh(person.tokens.refresh_token)
    refusal = await refused(api_on_any.refresh(person.tokens.refresh_token))
    assert refusal.reason == "REFRESH_REUSED"
    assert (await refused(api_on_any.refresh(second.refresh_token))).reason == "TOKEN_INVALID"
    for token in (person.tokens.access_token, second.access_token):
        assert (await refused(api_on_any.me(token))).reason == "TOKEN_INVALID"
    rows = await api_on_any.application.base.database.read(lambda tx: list(audit.rows(tx)))
    assert rows[-1].entry.action.endswith("/Refresh")
    assert rows[-1].entry.actor == person.user.user_id


async def test_reuse_leaves_other_sessions_open(api: Api) -> None:
    person = await api.person()
    other = await api.log_in(person.user.email)
    await api.refresh(person.tokens.refresh_token)
    await refused(api.refresh(person.tokens.refresh_token))
    assert (await api.me(other.access_token)).user.user_id == person.user.user_id


async def test_of_fifty_at_once_one_gets_the_pair_and_nobody_keeps_it(api_on_any: Api) -> None:
    """AUT-009: whoever came first, the token was copied."""
    person = await api_on_any.person()
    answers = await asyncio.gather(
        *(api_on_any.refresh(person.tokens.refresh_token) for _ in range(50)),
        return_exceptions=True,
    )
    given = [one for one in answers if not isinstance(one, BaseException)]
    reasons = {refusal_of(one).reason for one in answers if isinstance(one, grpc.RpcError)}
    assert len(given) <= 1
    assert reasons == {"REFRESH_REUSED"}
    for pair in (person.tokens, *given):
        assert (await refused(api_on_any.me(pair.access_token))).reason == "TOKEN_INVALID"
    for pair in given:
        refusal = await refused(api_on_any.refresh(pair.refresh_token))
        assert refusal.reason == "TOKEN_INVALID"


async def test_refresh_after_the_session_is_refused(api: Api, clock: FakeClock) -> None:
    person = await api.person()
    clock.move(14 * 86_400)
    assert (await refused(api.refresh(person.tokens.refresh_token))).reason == "TOKEN_EXPIRED"


async def test_refresh_with_an_unknown_token_is_refused(api_on_any: Api) -> None:
    assert (await refused(api_on_any.refresh("fgr_unknown"))).reason == "TOKEN_INVALID"
    assert (await refused(api_on_any.refresh("\x00é"))).reason == "TOKEN_INVALID"
    assert (await refused(api_on_any.refresh(""))).reason == "FIELD_REQUIRED"
    assert (await refused(api_on_any.refresh("x" * 513))).reason == "INVALID_ARGUMENT"
