"""Calls without a good token end in Envoy, by both ways to a method."""

import grpc
import httpx
import pytest

from edge.backend import AUDIENCE, Backend, ticket, token
from farmgate.app.edge.authentication import shadowed
from farmgate.app.edge.descriptors import Binding, bindings
from farmgate.rpc.methods import Method, all_methods
from support import refusal_of

REST = bindings()
METHODS = sorted(all_methods().values(), key=lambda method: method.path)
GET_ME = "/farmgate.api.auth.v1.AuthService/GetMe"
BAD_TOKENS = {
    "expired": (token(ttl_s=-3600), "TOKEN_EXPIRED"),
    "foreign key": (token(foreign=True), "TOKEN_INVALID"),
    "foreign issuer": (token(iss="elsewhere"), "TOKEN_INVALID"),
    "foreign audience": (token(aud="elsewhere"), "TOKEN_INVALID"),
    "ticket": (ticket(), "TOKEN_INVALID"),
    "no token": ("x.y.z", "TOKEN_INVALID"),
    "no parts": ("nonsense", "TOKEN_INVALID"),
    "nothing": ("", "UNAUTHENTICATED"),
}


def _sample(binding: Binding) -> str:
    return binding.path.replace("{", "").replace("}", "")


def test_every_rest_path_needs_a_token_unless_public(backend: Backend) -> None:
    assert len(REST) > 200
    with httpx.Client(base_url=backend.rest, timeout=10) as client:
        for binding in REST:
            with client.stream(binding.verb, _sample(binding)) as reply:
                is_refused = reply.status_code == 401
            assert is_refused != binding.method.rule.is_public, binding.path


def test_every_grpc_method_needs_a_token_unless_public(backend: Backend) -> None:
    with grpc.insecure_channel(backend.address) as channel:
        for method in METHODS:
            assert _is_refused(channel, method) != method.rule.is_public, method.path


def _is_refused(channel: grpc.Channel, method: Method) -> bool:
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    call = kind(method.path)
    refusal = None
    try:
        reply = call(b"", timeout=10)
        if method.server_streaming:
            list(reply)
    except grpc.RpcError as error:
        refusal = error
    # The server of the test refuses nothing but one commodity.
    if refusal is None or method.name == "GetCommodity":
        return False
    return refusal_of(refusal).reason == "UNAUTHENTICATED"


def test_grpc_web_needs_a_token_too(backend: Backend) -> None:
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    reply = httpx.post(backend.rest + GET_ME, content=b"\0" * 5, headers=headers, timeout=10)
    assert reply.headers.get("grpc-status", "16" if reply.status_code == 401 else "") == "16"
    headers["authorization"] = f"Bearer {token()}"
    reply = httpx.post(backend.rest + GET_ME, content=b"\0" * 5, headers=headers, timeout=10)
    assert reply.status_code == 200
    assert b"grpc-status:0" in reply.content


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_token_is_refused_with_its_reason(backend: Backend, name: str) -> None:
    text, reason = BAD_TOKENS[name]
    reply = backend.call("GET", "/v1/auth/me", token=text)
    assert (reply.status, reply.body["code"], reply.reason) == (401, 16, reason), reply.body
    assert reply.body["details"][0]["metadata"] == {}
    assert reply.headers["content-type"] == "application/json"
    metadata = (("authorization", f"Bearer {text}"),) if text else ()
    with grpc.insecure_channel(backend.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(GET_ME)(b"", metadata=metadata, timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert refusal_of(caught.value).reason == reason


def test_another_scheme_is_no_token(backend: Backend) -> None:
    reply = backend.call("GET", "/v1/auth/me", authorization="Basic YTpi")
    assert (reply.status, reply.reason) == (401, "TOKEN_INVALID")
    assert backend.call("GET", "/v1/auth/me", authorization=f"bearer {token()}").status == 200


def test_public_method_does_not_mind_a_bad_token(backend: Backend) -> None:
    assert backend.call("GET", "/v1/market/prices", token=BAD_TOKENS["expired"][0]).status == 200


@pytest.mark.parametrize("path", ["/V1/auth/me", "//v1//auth/me", "/v1/market/../auth/me"])
def test_no_spelling_of_a_path_gets_around(backend: Backend, path: str) -> None:
    assert backend.call("GET", path).status in {401, 404}


def test_ticket_opens_streams_only(backend: Backend) -> None:
    url = "/v1/events/orders"
    assert backend.call("GET", url).reason == "UNAUTHENTICATED"
    good = ticket()
    by_query = httpx.get(f"{backend.rest}{url}?ticket={good}", timeout=10)
    assert by_query.text == f"id: 1\ndata: {good}\n\n"
    cookie = {"cookie": f"other=1; stream_ticket={good}"}
    by_cookie = httpx.get(backend.rest + url, headers=cookie, timeout=10)
    assert by_cookie.text == by_query.text
    assert httpx.get(backend.rest + "/v1/auth/me", headers=cookie, timeout=10).status_code == 401


@pytest.mark.parametrize(
    "bad", [ticket(ttl_s=-3600), ticket(foreign=True), token(), token(aud=AUDIENCE), "nonsense"]
)
def test_bad_ticket_is_refused(backend: Backend, bad: str) -> None:
    reply = backend.call("GET", f"/v1/events/orders?ticket={bad}")
    assert (reply.status, reply.reason) == (401, "STREAM_TICKET_INVALID")


def test_no_private_path_hides_behind_a_public_pattern() -> None:
    private = next(one for one in REST if one.path == "/v1/auth/me")
    public = next(one for one in REST if one.path == "/v1/market/commodities/{code}")
    hidden = Binding("GET", "/v1/market/commodities/mine", private.method)
    assert shadowed([private, public, hidden]) == [hidden]
