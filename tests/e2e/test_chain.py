"""The chain and content through REST and Envoy: CHN-070 to CHN-072."""

import json
import os

import httpx
import pytest

from e2e.exchange import Exchange
from farmgate.ports.content import cid_of

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def token(exchange: Exchange) -> str:
    return exchange.token("farmer.amara")


def upload(
    exchange: Exchange, token: str, data: bytes, kind: str, query: str = ""
) -> httpx.Response:
    return httpx.post(
        f"{exchange.rest}/v1/blockchain/ipfs{query}",
        content=data,
        headers={"authorization": f"Bearer {token}", "content-type": kind},
        timeout=30,
    )


def download(exchange: Exchange, token: str, cid: str) -> httpx.Response:
    return httpx.get(
        f"{exchange.rest}/v1/blockchain/ipfs/{cid}",
        headers={"authorization": f"Bearer {token}"},
        timeout=30,
    )


@pytest.mark.parametrize("size", [1, 300_000, 10 * MIB])
def test_file_goes_up_and_comes_back(exchange: Exchange, token: str, size: int) -> None:
    """CHN-070: the body is the file itself, up to 10 MiB."""
    data = (b"%PDF-1.7\n" + os.urandom(size))[:size] if size > 9 else b"x"
    query = f"?visibility=CONTENT_VISIBILITY_PUBLIC&expected_cid={cid_of(data)}"
    reply = upload(exchange, token, data, "application/pdf", query)
    assert reply.status_code == 200, reply.text
    found = reply.json()["object"]
    assert (found["cid"], int(found["size_bytes"])) == (cid_of(data), size)
    got = download(exchange, token, found["cid"])
    assert got.status_code == 200
    assert got.content == data
    assert got.headers["content-type"] == ("application/pdf" if size > 9 else "text/plain")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-disposition"] == "attachment"


def test_what_is_too_large_or_nobodys(exchange: Exchange, token: str) -> None:
    """CHN-071: refusals have the shape of all others."""
    reply = upload(exchange, token, b"x" * (10 * MIB + 1), "text/plain")
    reasons = [one["reason"] for one in reply.json()["details"] if "reason" in one]
    assert reasons == ["PAYLOAD_TOO_LARGE"]
    for cid, status in ((cid_of(b"no"), 404), ("..%2f..%2fetc", 400), ("x", 400)):
        assert download(exchange, token, cid).status_code == status
    assert upload(exchange, "nobody", b"x", "text/plain").status_code == 401
    other = exchange.token("trader.meridian")
    secret = upload(exchange, token, b"mine alone", "text/plain").json()["object"]["cid"]
    assert download(exchange, token, secret).content == b"mine alone"
    assert download(exchange, other, secret).status_code == 404


def test_chain_is_told_of(exchange: Exchange, token: str) -> None:
    """CHN-072."""
    status = exchange.call("GET", "/v1/blockchain/status").body
    assert status["is_enabled"]
    assert status["is_simulated"]
    assert status["chain_id"] == "31337"
    body = {"kind": "CHAIN_OPERATION_KIND_REGISTER"}
    reply = exchange.call("POST", "/v1/blockchain/gas-estimate", body, token=token)
    assert reply.body["gas"] == "155000"
    reply = exchange.call("GET", "/v1/blockchain/operations", token=token)
    assert reply.body.get("operations", []) == []
    reply = exchange.call("GET", "/v1/blockchain/transactions/0x" + "0" * 64, token=token)
    assert (reply.status, reply.reason) == (404, "NOT_FOUND")
    body = {"contract_name": "ForwardRegistry", "reason": "no admin"}
    reply = exchange.call("POST", "/v1/blockchain/deploy", body, token=token)
    assert reply.reason == "PERMISSION_DENIED"


def test_admin_deploys_and_everybody_sees_it(exchange: Exchange, token: str) -> None:
    """CHN-072: from the call over the operation to its confirmation, all by REST."""
    admin = exchange.token("admin")
    with httpx.stream(
        "GET",
        f"{exchange.rest}/v1/blockchain/events/stream",
        headers={"authorization": f"Bearer {token}"},
        timeout=20,
    ) as stream:
        lines = stream.iter_lines()
        body = {"contract_name": "ForwardRegistry", "reason": "the first one"}
        reply = exchange.call("POST", "/v1/blockchain/deploy", body, token=admin)
        assert reply.body["operation"]["state"] == "CHAIN_OPERATION_STATE_QUEUED"
        # Heartbeats tell of the chain's blocks meanwhile.
        for line in lines:
            assert json.loads(line)["is_heartbeat"]
            status = exchange.call("GET", "/v1/blockchain/status").body
            if status.get("registry_address"):
                break
    assert status["registry_address"].startswith("0x")
    listed = exchange.call("GET", "/v1/blockchain/operations", token=admin).body
    assert listed["operations"][0]["state"] == "CHAIN_OPERATION_STATE_CONFIRMED"
    name = listed["operations"][0]["transaction_hash"]
    found = exchange.call("GET", f"/v1/blockchain/transactions/{name}", token=token).body
    assert found["transaction"]["is_successful"]
