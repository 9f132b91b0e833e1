"""Scenarios of signing in, by REST and gRPC: A15, a copied refresh token; A16, faulty wallets."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import grpc
import pyotp
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from google.protobuf import json_format

from e2e.exchange import Exchange
from farmgate.api.auth.v1 import auth_pb2, auth_pb2_grpc
from support import refusal_of

PASSWORD = "seven green tractors"
WAIT_S = 20.0


@dataclass
class Caller:
    """Calls of signing in, over one of the ways: returns the reply, or the reason of refusal."""

    exchange: Exchange
    way: str

    PATHS: ClassVar = {
        "Register": "/v1/auth/register",
        "Login": "/v1/auth/login",
        "Refresh": "/v1/auth/refresh",
        "WalletLoginChallenge": "/v1/auth/wallet/challenge",
        "WalletLogin": "/v1/auth/wallet/login",
        "EnrollMfa": "/v1/auth/mfa/enroll",
        "ConfirmMfa": "/v1/auth/mfa/confirm",
    }

    def __call__(self, name: str, token: str = "", **values: Any) -> Any:
        if self.way == "rest":
            reply = self.exchange.call("POST", self.PATHS[name], values, token=token)
            return reply.body if reply.status == 200 else reply.reason
        request = json_format.ParseDict(values, getattr(auth_pb2, f"{name}Request")())
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        with self.exchange.channel() as channel:
            stub = auth_pb2_grpc.AuthServiceStub(channel)
            try:
                found = getattr(stub, name)(request, metadata=metadata)
            except grpc.RpcError as error:
                return refusal_of(error).reason
        return json_format.MessageToDict(found, preserving_proto_field_name=True)

    def person(self) -> tuple[str, Any]:
        """Registers somebody; returns the address and the tokens."""
        email = f"{uuid.uuid4().hex}@example.com"
        self("Register", email=email, password=PASSWORD, display_name="Amara", role="ROLE_FARMER")
        return email, self("Login", email=email, password=PASSWORD)


@pytest.fixture(params=["rest", "grpc"])
def call(request: pytest.FixtureRequest, exchange: Exchange) -> Caller:
    return Caller(exchange, request.param)


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, "It never comes."
        time.sleep(0.1)


def test_a_copied_refresh_token_ends_its_family(call: Caller) -> None:
    """A15, AUT-009: the family ends, its owner and the audit log are told."""
    email, stolen = call.person()
    renewed = call("Refresh", refresh_token=stolen["refresh_token"])
    assert call("Refresh", refresh_token=stolen["refresh_token"]) == "REFRESH_REUSED"
    assert call("Refresh", refresh_token=renewed["refresh_token"]) == "TOKEN_INVALID"
    exchange = call.exchange
    for token in (stolen["access_token"], renewed["access_token"]):
        assert exchange.call("GET", "/v1/auth/me", token=token).reason == "TOKEN_INVALID"
    anew = call("Login", email=email, password=PASSWORD)

    def is_told() -> bool:
        reply = exchange.call("GET", "/v1/notifications", token=anew["access_token"])
        types = [one["type"] for one in reply.body["notifications"]]
        return types.count("auth.refresh_reuse") == 1

    until(is_told)
    user_id = anew["user"]["user_id"]
    path = f"/v1/admin/audit-logs?actor_id={user_id}"
    rows = exchange.call("GET", path, token=exchange.token("auditor")).body
    reuses = [one for one in rows["logs"] if one["resource_type"] == "session"]
    assert [one["action"].rpartition("/")[2] for one in reuses].count("Refresh") == 2


class Wallet:
    """A key that signs challenges."""

    def __init__(self) -> None:
        self._key = Account.create()
        self.address = self._key.address

    def signed(self, message: str) -> str:
        signature = self._key.sign_message(encode_defunct(text=message)).signature.hex()
        return "0x" + signature.removeprefix("0x")


def linked(call: Caller) -> tuple[Wallet, str]:
    """Registers somebody and links a wallet; returns it and an access token."""
    wallet, (_, tokens) = Wallet(), call.person()
    token = tokens["access_token"]
    path = "/v1/users/me/wallet"
    found = call.exchange.call(
        "POST", f"{path}/challenge", {"address": wallet.address}, token=token
    ).body
    body = {
        "address": wallet.address, "nonce": found["nonce"], "message": found["message"],
        "signature": wallet.signed(found["message"]),
    }  # fmt: skip
    assert call.exchange.call("PATCH", path, body, token=token).status == 200
    return wallet, token


def test_each_fault_of_a_wallet_has_a_reason_of_its_own(call: Caller) -> None:
    """A16, USR-002: wrong domain, expired, replayed, of another address."""
    wallet, _ = linked(call)
    message = call("WalletLoginChallenge", address=wallet.address)["message"]

    def sign_in(text: str, by: Wallet = wallet) -> Any:
        return call("WalletLogin", message=text, signature=by.signed(text))

    domain = message.partition(" ")[0]
    reasons = [
        sign_in(message.replace(f"{domain} wants", "evil.example wants")),
        sign_in(_earlier(message)),
        sign_in(message, Wallet()),
    ]
    assert sign_in(message)["access_token"], "What was refused used nothing up."
    reasons.append(sign_in(message))
    assert reasons == [
        "WALLET_DOMAIN_MISMATCH", "WALLET_CHALLENGE_EXPIRED", "SIGNER_WALLET_MISMATCH",
        "WALLET_NONCE_INVALID",
    ]  # fmt: skip


def _earlier(message: str) -> str:
    lines = message.splitlines()
    year = int(lines[-1].removeprefix("Expiration Time: ")[:4])
    return message.replace(f": {year}-", f": {year - 1}-")


def test_a_wallet_is_no_way_around_the_second_factor(call: Caller) -> None:
    """AUT-027: the wallet stands for the password, and not for the code."""
    wallet, token = linked(call)
    secret = call("EnrollMfa", token, password=PASSWORD)["secret"]
    device = pyotp.TOTP(secret)
    assert call("ConfirmMfa", token, code=device.now())["recovery_codes"]
    message = call("WalletLoginChallenge", address=wallet.address)["message"]
    proof = {"message": message, "signature": wallet.signed(message)}
    assert call("WalletLogin", **proof) == "MFA_REQUIRED"
    assert call("WalletLogin", **proof, mfa_code="000000") == "MFA_INVALID"
    # The code that switched it on is used up; the next one is good a little before its time.
    code = device.at(int(time.time()) + 30)
    assert call("WalletLogin", **proof, mfa_code=code)["access_token"]
    assert call("WalletLogin", **proof, mfa_code=code) == "WALLET_NONCE_INVALID"
