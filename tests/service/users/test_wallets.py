"""Wallets are linked and sign in by EIP-4361; a challenge is good once."""

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.users.v1 import wallets_pb2, wallets_pb2_grpc
from farmgate.ports.clock import FakeClock
from support import Api, SignedIn, refused

KEY = Account.from_key("0x" + "22" * 32)
OTHER = Account.from_key("0x" + "11" * 32)


def stub(api: Api) -> Any:
    return wallets_pb2_grpc.WalletLinkServiceStub(api.channel)


def signed(message: str, key: Any = KEY) -> str:
    return "0x" + key.sign_message(encode_defunct(text=message)).signature.hex().removeprefix("0x")


async def challenge(api: Api, person: SignedIn, address: str = KEY.address) -> Any:
    request = wallets_pb2.CreateWalletChallengeRequest(address=address)
    return await stub(api).CreateWalletChallenge(request, metadata=person.metadata)


async def link(api: Api, person: SignedIn, found: Any, **given: Any) -> Any:
    values = {
        "address": KEY.address, "nonce": found.nonce, "message": found.message,
        "signature": signed(given.get("message", found.message)), **given,
    }  # fmt: skip
    request = wallets_pb2.UpdateMyWalletRequest(**values)
    return await stub(api).UpdateMyWallet(request, metadata=person.metadata)


async def linked(api: Api) -> SignedIn:
    person = await api.person()
    await link(api, person, await challenge(api, person))
    return person


async def test_a_wallet_is_linked_signed_in_by_and_unlinked(api_on_any: Api) -> None:
    """USR-001, USR-004."""
    api = api_on_any
    person = await api.person()
    user = (await link(api, person, await challenge(api, person))).user
    assert user.wallet_address == KEY.address
    found = await api.auth.WalletLoginChallenge(
        auth_pb2.WalletLoginChallengeRequest(address=KEY.address.lower())
    )
    login = auth_pb2.WalletLoginRequest(message=found.message, signature=signed(found.message))
    tokens = await api.auth.WalletLogin(login)
    assert tokens.user.user_id == person.user.user_id
    assert (await api.me(tokens.access_token)).user.user_id == person.user.user_id
    assert (await refused(api.auth.WalletLogin(login))).reason == "WALLET_NONCE_INVALID"
    gone = await stub(api).UnlinkWallet(wallets_pb2.UnlinkWalletRequest(), metadata=person.metadata)
    assert gone.user.wallet_address == ""
    found = await api.auth.WalletLoginChallenge(
        auth_pb2.WalletLoginChallengeRequest(address=KEY.address)
    )
    login = auth_pb2.WalletLoginRequest(message=found.message, signature=signed(found.message))
    assert (await refused(api.auth.WalletLogin(login))).reason == "BAD_CREDENTIALS"


async def test_each_fault_of_a_proof_has_its_own_reason(api: Api, clock: FakeClock) -> None:
    """USR-002: scenario A16."""
    person = await api.person()
    found = await challenge(api, person)
    stranger = found.message.replace("localhost:3000", "evil.example")
    refusal = await refused(link(api, person, found, message=stranger))
    assert refusal.reason == "WALLET_DOMAIN_MISMATCH"
    refusal = await refused(link(api, person, found, signature=signed(found.message, OTHER)))
    assert refusal.reason == "SIGNER_WALLET_MISMATCH"
    refusal = await refused(link(api, person, found, signature="0x" + "00" * 65))
    assert refusal.reason == "WALLET_SIGNATURE_INVALID"
    refusal = await refused(link(api, person, found, signature="0x" + "zz" * 65))
    assert refusal.reason == "WALLET_SIGNATURE_INVALID"
    for change in (
        ("Chain ID: 31337", "Chain ID: 1"),
        ("Version: 1", "Version: 2"),
        ("\n\n", "\n"),
    ):
        refusal = await refused(link(api, person, found, message=found.message.replace(*change)))
        assert refusal.reason == "INVALID_ARGUMENT"
    later = found.message.replace("Expiration Time: 2026", "Expiration Time: 2027")
    assert (await refused(link(api, person, found, message=later))).reason == "WALLET_NONCE_INVALID"
    nobody = await api.person()
    refusal = await refused(link(api, nobody, found))
    assert refusal.reason == "WALLET_NONCE_INVALID", "It was another person's challenge."
    await link(api, person, found)
    assert (await refused(link(api, person, found))).reason == "WALLET_NONCE_INVALID"
    fresh = await challenge(api, person)
    clock.move(601)
    assert (await refused(link(api, person, fresh))).reason == "WALLET_CHALLENGE_EXPIRED"


async def test_a_wallet_belongs_to_one_person(api_on_any: Api) -> None:
    """USR-003."""
    api = api_on_any
    await linked(api)
    second = await api.person()
    refusal = await refused(link(api, second, await challenge(api, second)))
    assert refusal.reason == "WALLET_IN_USE"
    found = await challenge(api, second, OTHER.address)
    done = await link(
        api, second, found, address=OTHER.address, signature=signed(found.message, OTHER)
    )
    assert done.user.wallet_address == OTHER.address


async def test_a_wallet_that_something_holds_stays(api: Api) -> None:
    """USR-005."""
    person = await linked(api)
    wallets = next(
        one._links._wallets
        for one in api.application.servicers
        if type(one).__name__ == "WalletLinkServicer"
    )
    wallets.lock_by(lambda _tx, user_id: user_id == person.user.user_id)
    refusal = await refused(
        stub(api).UnlinkWallet(wallets_pb2.UnlinkWalletRequest(), metadata=person.metadata)
    )
    assert refusal.reason == "WALLET_LOCKED_BY_CONTRACT"
    found = await challenge(api, person, OTHER.address)
    refusal = await refused(
        link(api, person, found, address=OTHER.address, signature=signed(found.message, OTHER))
    )
    assert refusal.reason == "WALLET_LOCKED_BY_CONTRACT"
    await link(api, person, await challenge(api, person))


@pytest.mark.parametrize("message", ["", "x", "a\n" * 10, "\x00" * 40, "é" * 100])
async def test_messages_that_are_none_are_refused(api: Api, message: str) -> None:
    """USR-002."""
    person = await api.person()
    found = await challenge(api, person)
    refusal = await refused(link(api, person, found, message=message))
    assert refusal.reason == "INVALID_ARGUMENT"
