"""Every method states who may call it, and the server holds to it."""

from typing import Any

import grpc
import pytest

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.rpc.methods import DescriptorError, Method, all_methods
from farmgate.rpc.registry import Router, Servicer
from support import Api, SignedIn, refusal_of

METHODS = sorted(all_methods().values(), key=lambda method: method.path)
# Answers to an empty request that need not be refused.
_NEVER = {"INTERNAL", "UNKNOWN"}


async def outcome(api: Api, method: Method, data: bytes, metadata: Any = ()) -> str:
    """Calls a method of any shape with one message; returns the reason, or OK."""
    while True:
        try:
            return await _outcome(api, method, data, metadata)
        except grpc.aio.AioRpcError as error:
            # grpc's own client stumbles when it is refused while it still writes.
            if error.details() != "Internal error from Core" or not method.client_streaming:
                raise


async def _outcome(api: Api, method: Method, data: bytes, metadata: Any) -> str:
    kind = {
        (False, False): api.channel.unary_unary,
        (False, True): api.channel.unary_stream,
        (True, False): api.channel.stream_unary,
        (True, True): api.channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    request = [data] if method.client_streaming else data
    call = kind(method.path)(request, metadata=metadata, timeout=10)
    try:
        if method.server_streaming:
            async for _ in call:
                break
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        if not error.trailing_metadata():
            raise
        return refusal_of(error).reason
    return "OK"


def test_every_method_states_its_access() -> None:
    """AUT-014."""
    assert len(METHODS) > 60
    for method in METHODS:
        # What keeps replies or is kept by the core changes something.
        assert method.rule.mutates or not method.rule.keeps_replies


def test_auditors_change_nothing_and_admins_place_no_orders() -> None:
    """AUT-016."""
    harmless = ("auth.v1", "users.v1.UserService", "notifications.v1", "ReportService")
    for method in METHODS:
        if not method.rule.mutates or types_pb2.ROLE_AUDITOR not in method.rule.roles:
            continue
        # What is about oneself, such as one's password, is for all, and so is asking for a report.
        assert any(part in method.service for part in harmless), method.path
    for name in ("CreateOrder", "AmendOrder", "BatchCreateOrders", "OrderSession"):
        method = next(one for one in METHODS if one.path.endswith(f"TradingService/{name}"))
        assert types_pb2.ROLE_ADMIN not in method.rule.roles, name
        assert method.rule.roles, name


async def test_without_a_token_only_public_methods_answer(api: Api) -> None:
    for method in METHODS:
        reason = await outcome(api, method, b"")
        if method.rule.is_public:
            assert reason not in {"UNAUTHENTICATED", *_NEVER}, method.path
        else:
            assert reason == "UNAUTHENTICATED", method.path


async def test_a_farmer_is_kept_out_of_what_others_do(api: Api) -> None:
    person = await api.person()
    for method in METHODS:
        reason = await outcome(api, method, b"", person.metadata)
        rule = method.rule
        if rule.roles and types_pb2.ROLE_FARMER not in rule.roles:
            assert reason == "PERMISSION_DENIED", method.path
        elif rule.kyc_level_min > 1:
            assert reason == "KYC_LEVEL_REQUIRED", method.path
        else:
            assert reason not in {"PERMISSION_DENIED", "UNAUTHENTICATED", *_NEVER}, method.path
        if method.name == "DeleteAccount":
            person = await api.person()
        elif method.name == "Logout" or "Sessions" in method.name:
            person = SignedIn(person.user, await api.log_in(person.user.email))


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x03abc" * 100, bytes(range(256))])
async def test_no_bytes_make_a_mistake_of_the_server(api: Api, data: bytes) -> None:
    person = await api.person()
    for method in METHODS:
        for metadata in ((), person.metadata):
            assert await outcome(api, method, data, metadata) not in _NEVER, method.path
        if method.name == "DeleteAccount":
            person = await api.person()


async def test_an_ended_session_is_kept_out_of_everything(api: Api) -> None:
    person = await api.person()
    await api.auth.Logout(auth_pb2.LogoutRequest(), metadata=person.metadata)
    for method in METHODS:
        if not method.rule.is_public:
            reason = await outcome(api, method, b"", person.metadata)
            assert reason == "TOKEN_INVALID", method.path


def test_a_servicer_that_does_not_fit_keeps_the_server_from_starting(api: Api) -> None:
    service = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]

    class Unknown(Servicer):
        SERVICE = service

        async def Nothing(self, request: Any, call: Any) -> Any: ...

    class Synchronous(Servicer):
        SERVICE = service

        def Login(self, request: Any, call: Any) -> Any: ...

    class Raw(Servicer):
        SERVICE = service
        RAW_METHODS = frozenset({"Nothing"})

    for servicer in (Unknown(), Synchronous(), Raw()):
        with pytest.raises(DescriptorError):
            Router([servicer], _chain(api))
    with pytest.raises(DescriptorError, match="two servicers"):
        Router([_Empty(), _Empty()], _chain(api))


class _Empty(Servicer):
    SERVICE = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]


def _chain(api: Api) -> Any:
    from farmgate.app.application import _chain as chain  # noqa: PLC0415 - Only here.
    from farmgate.rpc.idempotency import Idempotency  # noqa: PLC0415 - Only here.

    base = api.application.base
    return chain(base, Idempotency(base.database, base.clock, base.ids, key=b"k"))
