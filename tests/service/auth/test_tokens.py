import base64
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.trading.v1 import trading_pb2
from farmgate.ports.clock import FakeClock
from support import Api, bearer, refused


async def first(stream):
    async for item in stream:
        return item
    return None


async def test_jwks_verifies_the_tokens(api: Api) -> None:
    """AUT-018."""
    person = await api.person()
    answer = await api.auth.GetJwks(auth_pb2.GetJwksRequest())
    assert answer.content_type == "application/json"
    key = jwt.PyJWKSet.from_dict(json.loads(answer.data)).keys[0]
    assert key.key_id == jwt.get_unverified_header(person.tokens.access_token)["kid"]
    claims = jwt.decode(
        person.tokens.access_token, key.key, algorithms=["RS256"], audience="farmgate",
        issuer="farmgate", options={"verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert claims["sub"] == person.user.user_id


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def forged(token: str, kind: str, key: rsa.RSAPublicKey) -> str:  # noqa: PLR0911 - One a forgery.
    header, payload, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    told = jwt.get_unverified_header(token)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    match kind:
        case "other key":
            return jwt.encode(claims, other, algorithm="RS256", headers=told)
        case "own jwk":
            jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(other.public_key()))
            return jwt.encode(claims, other, algorithm="RS256", headers={**told, "jwk": jwk})
        case "public key as secret":
            pem = key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            head = text(json.dumps({**told, "alg": "HS256"}).encode())
            mac = hmac.digest(pem, f"{head}.{payload}".encode(), "sha256")
            return f"{head}.{payload}.{text(mac)}"
        case "none":
            return f"{text(json.dumps({**told, 'alg': 'none'}).encode())}.{payload}."
        case "changed":
            changed = json.dumps({**claims, "kyc": 3}).encode()
            return f"{header}.{text(changed)}.{signature}"
        case "long":
            return token + "x" * 5_000
        case _:
            return kind


@pytest.mark.parametrize(
    "kind",
    ["other key", "own jwk", "public key as secret", "none", "changed", "long", "", "a.b.c", "x"],
)
async def test_forged_token_is_refused(api: Api, kind: str) -> None:
    person = await api.person()
    key = api.application.base.tokens._key.public_key()
    refusal = await refused(api.me(forged(person.tokens.access_token, kind, key)))
    assert refusal.reason == "TOKEN_INVALID"


async def test_other_schemes_are_refused(api: Api) -> None:
    for value in ("Basic YTpi", "Bearer", "token"):
        call = api.auth.GetMe(auth_pb2.GetMeRequest(), metadata=(("authorization", value),))
        assert (await refused(call)).reason == "TOKEN_INVALID"


async def test_ticket_is_good_once_and_for_streams_only(api_on_any: Api) -> None:
    person = await api_on_any.person()
    answer = await api_on_any.auth.CreateStreamTicket(
        auth_pb2.CreateStreamTicketRequest(), metadata=person.metadata
    )
    assert answer.expires_in_s == 60
    assert (await refused(api_on_any.me(answer.ticket))).reason == "TOKEN_INVALID"
    with_ticket = (("x-stream-ticket", answer.ticket),)
    request = trading_pb2.WatchOrdersRequest()
    let_in = api_on_any.trading.WatchOrders(request, metadata=with_ticket)
    assert await first(let_in) is not None
    let_in.cancel()
    again = await refused(first(api_on_any.trading.WatchOrders(request, metadata=with_ticket)))
    assert again.reason == "STREAM_TICKET_INVALID"


@pytest.mark.parametrize("ended", ["expired", "logged out", "access token"])
async def test_ticket_that_no_longer_holds_is_refused(
    api: Api, clock: FakeClock, ended: str
) -> None:
    person = await api.person()
    answer = await api.auth.CreateStreamTicket(
        auth_pb2.CreateStreamTicketRequest(), metadata=person.metadata
    )
    ticket = answer.ticket
    if ended == "expired":
        clock.move(60)
    elif ended == "logged out":
        await api.auth.Logout(auth_pb2.LogoutRequest(), metadata=person.metadata)
    else:
        ticket = person.tokens.access_token
    call = api.trading.WatchOrders(
        trading_pb2.WatchOrdersRequest(), metadata=(("x-stream-ticket", ticket),)
    )
    assert (await refused(first(call))).reason == "STREAM_TICKET_INVALID"


async def test_token_is_cached_and_still_expires(api: Api, clock: FakeClock) -> None:
    person = await api.person()
    token = person.tokens.access_token
    await api.me(token)
    started = time.perf_counter()
    for _ in range(20):
        await api.auth.GetMe(auth_pb2.GetMeRequest(), metadata=bearer(token))
    assert time.perf_counter() - started < 5
    clock.move(899)
    await api.me(token)
    clock.move(1)
    assert (await refused(api.me(token))).reason == "TOKEN_EXPIRED"
    assert (await refused(api.me(token))).reason == "TOKEN_EXPIRED"
