"""Raw and streamed methods, tried with a servicer of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import grpc
import pytest

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.app import wire
from farmgate.app.parts import auth
from farmgate.app.parts.base import Base, Part
from farmgate.errors import DomainError
from farmgate.ports.clock import FakeClock
from farmgate.rpc import interceptors
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from support import Api, FakeAccounts, SignedIn, refused, running

CREATE = "/farmgate.api.trading.v1.TradingService/CreateOrder"


class Trading(Servicer):
    """Answers a few methods in ways that a test can tell."""

    SERVICE = trading_pb2.DESCRIPTOR.services_by_name["TradingService"]
    RAW_METHODS = frozenset({"CreateOrder", "OrderSession"})
    REQUEST_BYTES_MAX: ClassVar = {"CreateOrder": 1_000_000}

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.has_ended = asyncio.Event()

    async def CreateOrder(self, request: bytes, call: Call) -> bytes:
        if request == b"wait":
            self.has_begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.has_ended.set()
        if request == b"refuse":
            raise DomainError("ENGINE_OVERLOADED")
        return request + b"/%d" % (call.caller.account_number or 0)

    async def OrderSession(
        self, requests: AsyncIterator[bytes], call: Call
    ) -> AsyncIterator[bytes]:
        async for request in requests:
            if request == b"refuse":
                raise DomainError("ENGINE_STOPPED")
            yield request.upper()

    async def WatchOrders(
        self, request: trading_pb2.WatchOrdersRequest, call: Call
    ) -> AsyncIterator[trading_pb2.WatchOrdersResponse]:
        self.has_begun.set()
        try:
            yield trading_pb2.WatchOrdersResponse()
            await asyncio.Event().wait()
        finally:
            self.has_ended.set()


@pytest.fixture
def trading() -> Trading:
    return Trading()


@pytest.fixture
async def api(make_settings, accounts: FakeAccounts, clock: FakeClock, trading: Trading):
    def parts(base: Base) -> list[Part]:
        return [auth.part(base, accounts), Part(servicers=[trading])]

    settings = make_settings(rate_streams_per_user=2)
    application = wire.build(settings, clock=clock, parts=parts)
    async with running(application) as client:
        yield client


@pytest.fixture
async def person(api: Api) -> SignedIn:
    return await api.person()


async def test_raw_method_takes_and_gives_bytes(api: Api, person: SignedIn) -> None:
    for data in (b"", b"\xff\xfe", b"x" * 500_000):
        assert await api.raw(CREATE, data, metadata=person.metadata) == data + b"/1"


async def test_raw_method_refuses_by_reason(api: Api, person: SignedIn) -> None:
    refusal = await refused(api.raw(CREATE, b"refuse", metadata=person.metadata))
    assert (refusal.reason, refusal.code) == (
        "ENGINE_OVERLOADED", grpc.StatusCode.RESOURCE_EXHAUSTED,
    )  # fmt: skip
    assert (await refused(api.raw(CREATE, b"refuse"))).reason == "UNAUTHENTICATED"
    too_large = await refused(api.raw(CREATE, b"x" * 1_000_001, metadata=person.metadata))
    assert too_large.reason == "PAYLOAD_TOO_LARGE"


async def test_caller_who_leaves_ends_the_handler(
    api: Api, person: SignedIn, trading: Trading
) -> None:
    call = api.channel.unary_unary(CREATE)(b"wait", metadata=person.metadata, timeout=10)
    await asyncio.wait_for(trading.has_begun.wait(), 5)
    call.cancel()
    await asyncio.wait_for(trading.has_ended.wait(), 5)


async def test_call_without_a_deadline_gets_one(
    api: Api, person: SignedIn, trading: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interceptors, "_UNARY_DEADLINE_S", 0.05)
    refusal = await refused(api.channel.unary_unary(CREATE)(b"wait", metadata=person.metadata))
    assert refusal.reason == "DEADLINE"
    await asyncio.wait_for(trading.has_ended.wait(), 5)


async def test_session_answers_in_order_and_refuses_in_its_midst(
    api: Api, person: SignedIn
) -> None:
    path = CREATE.replace("CreateOrder", "OrderSession")
    call = api.channel.stream_stream(path)(metadata=person.metadata)
    for text in (b"a", b"b"):
        await call.write(text)
        assert await call.read() == text.upper()
    await call.write(b"refuse")
    assert (await refused(call.read())).reason == "ENGINE_STOPPED"


async def test_stream_ends_with_its_session(
    api: Api, person: SignedIn, trading: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRD-210."""
    monkeypatch.setattr(interceptors, "_RECHECK_S", 0.02)
    call = api.trading.WatchOrders(trading_pb2.WatchOrdersRequest(), metadata=person.metadata)
    await call.read()
    await api.auth.Logout(auth_pb2.LogoutRequest(), metadata=person.metadata)
    assert (await refused(call.read())).reason == "TOKEN_INVALID"
    await asyncio.wait_for(trading.has_ended.wait(), 5)


async def test_stream_ends_when_the_token_expires(
    api: Api, person: SignedIn, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRD-210."""
    monkeypatch.setattr(interceptors, "_RECHECK_S", 0.02)
    call = api.trading.WatchOrders(trading_pb2.WatchOrdersRequest(), metadata=person.metadata)
    await call.read()
    clock.move(900)
    assert (await refused(call.read())).reason == "TOKEN_EXPIRED"


async def test_streams_of_a_user_are_bounded_and_given_back(
    api: Api, person: SignedIn, trading: Trading
) -> None:
    """TRD-211."""
    request = trading_pb2.WatchOrdersRequest()
    calls = [api.trading.WatchOrders(request, metadata=person.metadata) for _ in range(2)]
    for call in calls:
        await call.read()
    third = api.trading.WatchOrders(request, metadata=person.metadata)
    assert (await refused(third.read())).reason == "RATE_LIMITED"
    calls[0].cancel()
    await asyncio.wait_for(trading.has_ended.wait(), 5)
    again = api.trading.WatchOrders(request, metadata=person.metadata)
    await again.read()
    again.cancel()


async def test_server_that_stops_ends_streams(api: Api, person: SignedIn) -> None:
    call = api.trading.WatchOrders(trading_pb2.WatchOrdersRequest(), metadata=person.metadata)
    await call.read()
    # The fixture stops the server with the stream open; that it ends is the test.
