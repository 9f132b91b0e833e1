"""What every call passes, whatever it asks."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.health.v1 import health_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.app import wire
from farmgate.app.parts import auth, users
from farmgate.app.parts.base import Base, Part
from farmgate.app.settings import Settings, SettingsError
from farmgate.ports.clock import FakeClock
from support import Api, FakeAccounts, refused, running

LOGIN = "/farmgate.api.auth.v1.AuthService/Login"


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xff", b"\x0b" * 200, b"\x0a"],
)
async def test_malformed_bytes_are_refused(api: Api, data: bytes) -> None:
    assert (await refused(api.raw(LOGIN, data))).reason == "MALFORMED_MESSAGE"


async def test_unknown_method_is_refused(api: Api) -> None:
    for path in ("/nothing/Here", "/", "/farmgate.api.auth.v1.AuthService/Nothing"):
        refusal = await refused(api.raw(path))
        assert (refusal.reason, refusal.code) == (
            "METHOD_UNKNOWN", grpc.StatusCode.UNIMPLEMENTED,
        )  # fmt: skip


async def test_unbuilt_method_is_refused_after_its_access_rule(
    make_settings: Callable[..., Settings], accounts: FakeAccounts, clock: FakeClock
) -> None:
    """OPS-029: of a server that people and sign-in are all of."""

    def parts(base: Base) -> list[Part]:
        people = users.open_users(base)
        return [users.part(base, people), auth.part(base, accounts, people.wallets)]

    path = "/farmgate.api.ai.v1.ModelService/ListModels"
    async with running(wire.build(make_settings(), clock=clock, parts=parts)) as api:
        assert (await refused(api.raw(path))).reason == "UNAUTHENTICATED"
        person = await api.person()
        refusal = await refused(api.raw(path, metadata=person.metadata))
        assert refusal.reason == "NOT_BUILT_YET"
        assert refusal.metadata == {"method": path[1:]}


async def test_large_request_is_refused(api: Api) -> None:
    request = auth_pb2.LoginRequest(email="a@example.com", password="x" * 70_000)
    refusal = await refused(api.auth.Login(request))
    assert refusal.reason == "PAYLOAD_TOO_LARGE"
    assert refusal.metadata["size_bytes_max"] == "65536"


async def test_refusal_names_the_fields(api: Api) -> None:
    refusal = await refused(api.auth.Login(auth_pb2.LoginRequest(email="a@example.com")))
    found = BadRequest()
    assert any(detail.Unpack(found) for detail in refusal.status.details)
    assert [one.field for one in found.field_violations] == ["password"]
    assert found.field_violations[0].reason == "INVALID_ARGUMENT"


async def test_request_id_comes_back(api: Api) -> None:
    given = (("x-request-id", "order-4711"),)
    refusal = await refused(api.raw("/a/B"))
    assert len(refusal.request_id) == 0
    refusal = await refused(api.auth.GetMe(auth_pb2.GetMeRequest(), metadata=given))
    assert refusal.request_id == "order-4711"
    bad = (("x-request-id", "x" * 65),)
    refusal = await refused(api.auth.GetMe(auth_pb2.GetMeRequest(), metadata=bad))
    assert len(refusal.request_id) == 24


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_bad_idempotency_key_is_refused(api: Api, key: str) -> None:
    person = await api.person()
    request = users_pb2.UpdateMyProfileRequest(user=users_pb2.User(display_name="Jan"))
    metadata = (*person.metadata, ("idempotency-key", key))
    refusal = await refused(api.users.UpdateMyProfile(request, metadata=metadata))
    assert (refusal.reason, refusal.metadata["field"]) == ("INVALID_ARGUMENT", "idempotency-key")


async def test_repeat_of_a_change_is_carried_out_once(api_on_any: Api) -> None:
    """AUT-021."""
    person = await api_on_any.person()
    request = users_pb2.UpdateMyProfileRequest(user=users_pb2.User(display_name="Jan"))
    metadata = (*person.metadata, ("idempotency-key", "profile-1"))
    calls = (api_on_any.users.UpdateMyProfile(request, metadata=metadata) for _ in range(8))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    carried_out = [one for one in answers if not isinstance(one, Exception)]
    assert carried_out
    assert all(one.user.version == 2 for one in carried_out)
    again = await api_on_any.users.UpdateMyProfile(request, metadata=metadata)
    assert again == carried_out[0]


async def test_too_many_calls_are_refused_until_later(
    make_settings, accounts: FakeAccounts, clock: FakeClock
) -> None:
    """AUT-019."""
    settings = make_settings(rate_ip_per_min=5)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        for _ in range(5):
            await api.health.Livez(health_pb2.LivezRequest())
        refusal = await refused(api.health.Livez(health_pb2.LivezRequest()))
        assert refusal.reason == "RATE_LIMITED"
        wait_ms = int(refusal.metadata["retry_after_ms"])
        retry = RetryInfo()
        assert any(detail.Unpack(retry) for detail in refusal.status.details)
        assert retry.retry_delay.ToMilliseconds() == wait_ms
        clock.move(wait_ms / 1000)
        await api.health.Livez(health_pb2.LivezRequest())


async def test_guessed_tokens_count_against_the_address(
    make_settings, accounts: FakeAccounts, clock: FakeClock
) -> None:
    """AUT-019."""
    settings = make_settings(rate_ip_per_min=3)
    async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
        reasons = [(await refused(api.me(f"guess{number}"))).reason for number in range(4)]
        assert reasons == ["TOKEN_INVALID"] * 3 + ["RATE_LIMITED"]


async def test_a_bug_tells_the_request_id_only(api: Api) -> None:
    person = await api.person()
    await api.me(person.tokens.access_token)
    # What nothing should do: the store's own error is no refusal.
    api.application.base.database._readers.shutdown()
    refusal = await refused(api.me(person.tokens.access_token))
    assert refusal.reason == "INTERNAL"
    assert refusal.metadata == {"request_id": refusal.request_id}
    assert "shutdown" not in refusal.message


async def test_server_that_stops_says_so_and_leaves(
    make_settings, accounts: FakeAccounts, clock: FakeClock
) -> None:
    """OPS-026."""
    application = wire.build(make_settings(), accounts=accounts, clock=clock)
    async with running(application) as api:
        await api.person()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{application.grpc_port}") as channel:
        call = channel.unary_unary("/farmgate.api.health.v1.HealthService/Livez")(b"")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_two_servers_on_one_port_are_refused(
    make_settings, accounts: FakeAccounts, clock: FakeClock, tmp_path: Path
) -> None:
    async with running(wire.build(make_settings(), accounts=accounts, clock=clock)) as api:
        settings = make_settings(grpc_port=api.application.grpc_port, data_dir=tmp_path / "other")
        second = wire.build(settings, accounts=accounts, clock=clock)
        with pytest.raises(SettingsError, match="can't be opened"):
            await second.start()
