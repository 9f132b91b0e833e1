"""Limits of Envoy's own, and what it says while the server is away."""

from collections.abc import Iterator

import grpc
import httpx
import pytest

from edge.backend import Backend, token
from support import refusal_of

GET_ME = "/farmgate.api.auth.v1.AuthService/GetMe"


@pytest.fixture
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A server that a test may stop, behind an Envoy that takes few calls."""
    made = Backend(tmp_path_factory.mktemp("edge"), calls_per_s_per_user=3, calls_per_s_per_ip=500)
    with made.running():
        yield made


def test_calls_of_one_user_are_limited(lonely: Backend) -> None:
    """AUT-019."""
    replies = [lonely.call("GET", "/v1/auth/me", token=token(sub="eager")) for _ in range(12)]
    assert replies[0].status == 200
    assert replies[0].headers["x-ratelimit-limit"].startswith("3")
    refused = next(reply for reply in replies if reply.status == 429)
    assert (refused.body["code"], refused.reason) == (8, "RATE_LIMITED")
    assert refused.headers["retry-after"] == "1"
    assert refused.body["details"][1]["retry_delay"] == "1s"
    other = lonely.call("GET", "/v1/auth/me", token=token(sub="patient"))
    assert other.status == 200, "another user's calls are counted apart"


def test_limit_reaches_grpc_callers_as_theirs(lonely: Backend) -> None:
    metadata = (("authorization", f"Bearer {token(sub='eager')}"),)
    with grpc.insecure_channel(lonely.address) as channel:
        call = channel.unary_unary(GET_ME)
        with pytest.raises(grpc.RpcError) as caught:
            [call(b"", metadata=metadata, timeout=10) for _ in range(12)]
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal_of(caught.value).reason == "RATE_LIMITED"


def test_absence_of_the_server_is_told_in_its_shape(lonely: Backend) -> None:
    lonely.stop_server()
    lonely.wait_for(503)
    reply = lonely.call("GET", "/v1/market/prices")
    assert (reply.body["code"], reply.reason) == (14, "UNAVAILABLE")
    assert "upstream" not in reply.body["message"]
    with grpc.insecure_channel(lonely.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/farmgate.api.market.v1.MarketService/ListPrices")(b"")
        assert refusal_of(caught.value).reason == "UNAVAILABLE"
    # A browser's EventSource would give up on a 503.
    events = httpx.get(f"{lonely.rest}/v1/events/market", timeout=10)
    assert (events.status_code, events.text[:12]) == (200, "retry: 1000\n")
    assert events.headers["content-type"] == "text/event-stream"
    lonely.start_server()
    lonely.wait_for(200)
