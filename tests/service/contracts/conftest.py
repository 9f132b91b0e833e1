"""The demonstration with two parties whose wallets are linked, an inspector and an admin."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import patch

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data

from farmgate.api.contracts.v1 import (
    contract_events_pb2_grpc,
    contract_terms_pb2,
    contract_types_pb2,
    contracts_pb2,
    contracts_pb2_grpc,
    deliveries_pb2_grpc,
    negotiation_pb2,
    negotiation_pb2_grpc,
    pricing_pb2_grpc,
    settlements_pb2_grpc,
    signing_pb2,
    signing_pb2_grpc,
    templates_pb2_grpc,
    weighing_pb2_grpc,
)
from farmgate.api.users.v1 import users_pb2, wallets_pb2, wallets_pb2_grpc
from farmgate.app import wire
from farmgate.app.parts import blockchain
from farmgate.app.parts import contracts as contracts_part
from farmgate.app.seeding.ground import PASSWORD
from farmgate.app.settings import Settings
from farmgate.ports.clock import FakeClock
from support import Api, SignedIn, running

WAIT_S = 40.0
SELLER_KEY = Account.from_key("0x" + "22" * 32)
BUYER_KEY = Account.from_key("0x" + "11" * 32)
KEYS = {"seller": SELLER_KEY, "buyer": BUYER_KEY}


class Deal:
    """Both parties, an inspector, and what they do with contracts."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.contracts: Any = contracts_pb2_grpc.ContractServiceStub(api.channel)
        self.talks: Any = negotiation_pb2_grpc.NegotiationServiceStub(api.channel)
        self.signing: Any = signing_pb2_grpc.ContractSigningServiceStub(api.channel)
        self.events: Any = contract_events_pb2_grpc.ContractEventServiceStub(api.channel)
        self.templates: Any = templates_pb2_grpc.TemplateServiceStub(api.channel)
        self.deliveries: Any = deliveries_pb2_grpc.DeliveryServiceStub(api.channel)
        self.weighing: Any = weighing_pb2_grpc.WeighingServiceStub(api.channel)
        self.pricing: Any = pricing_pb2_grpc.PricingServiceStub(api.channel)
        self.settlement: Any = settlements_pb2_grpc.SettlementServiceStub(api.channel)
        self.seller: SignedIn
        self.buyer: SignedIn
        self.inspector: SignedIn
        self.admin: SignedIn

    async def sign_in(self) -> None:
        names = {
            "seller": "farmer.amara", "buyer": "trader.meridian", "inspector": "inspector.chi",
            "admin": "admin",
        }  # fmt: skip
        for role, name in names.items():
            tokens = await self.api.log_in(f"{name}@farmgate.example", PASSWORD)
            setattr(self, role, SignedIn(tokens.user, tokens))

    async def link(self, who: SignedIn, key: Any) -> None:
        stub: Any = wallets_pb2_grpc.WalletLinkServiceStub(self.api.channel)
        found = await stub.CreateWalletChallenge(
            wallets_pb2.CreateWalletChallengeRequest(address=key.address), metadata=who.metadata
        )
        signature = key.sign_message(encode_defunct(text=found.message)).signature.hex()
        await stub.UpdateMyWallet(
            wallets_pb2.UpdateMyWalletRequest(
                address=key.address, nonce=found.nonce, message=found.message,
                signature="0x" + signature.removeprefix("0x"),
            ),
            metadata=who.metadata,
        )  # fmt: skip

    async def draft(self, **given: Any) -> Any:
        stated = terms()
        stated.MergeFrom(given.pop("terms", contract_terms_pb2.ContractTerms()))
        request = contracts_pb2.CreateContractRequest(**{
            "own_party": contract_terms_pb2.PARTY_SELLER,
            "counterparty_user_id": self.buyer.tokens.user.user_id,
            "template_code": "US-CASH-FWD",
            "terms": stated,
            **given,
        })  # fmt: skip
        reply = await self.contracts.CreateContract(request, metadata=self.seller.metadata)
        return reply.contract

    async def submitted(self, **given: Any) -> Any:
        drafted = await self.draft(**given)
        return await self.submit(drafted.contract_id)

    async def submit(self, contract_id: str, who: SignedIn | None = None) -> Any:
        request = negotiation_pb2.SubmitContractRequest(contract_id=contract_id)
        metadata = (who or self.seller).metadata
        return (await self.talks.SubmitContract(request, metadata=metadata)).contract

    async def sign(self, contract_id: str, side: str, **given: Any) -> Any:
        who: SignedIn = getattr(self, side)
        payload = await self.signing.GetSigningPayload(
            signing_pb2.GetSigningPayloadRequest(contract_id=contract_id), metadata=who.metadata
        )
        message = encode_typed_data(full_message=json.loads(payload.typed_data_json))
        signature = KEYS[side].sign_message(message).signature.hex()
        request = signing_pb2.SignContractRequest(**{
            "contract_id": contract_id,
            "contract_version": payload.contract_version,
            "digest": payload.digest,
            "signature": "0x" + signature.removeprefix("0x"),
            **given,
        })  # fmt: skip
        return (await self.signing.SignContract(request, metadata=who.metadata)).contract

    async def reaches(self, contract_id: str, state: str) -> Any:
        wanted = contract_types_pb2.ContractState.Value(f"CONTRACT_STATE_{state}")
        request = contracts_pb2.GetContractRequest(contract_id=contract_id)
        async with asyncio.timeout(WAIT_S):
            while True:
                reply = await self.contracts.GetContract(request, metadata=self.seller.metadata)
                if reply.contract.state == wanted:
                    return reply.contract
                await asyncio.sleep(0.1)

    async def active(self, **given: Any) -> Any:
        contract = await self.submitted(**given)
        await self.sign(contract.contract_id, "seller")
        await self.sign(contract.contract_id, "buyer")
        return await self.reaches(contract.contract_id, "ACTIVE")

    async def cash(self, who: SignedIn) -> float:
        reply = await self.api.wallet.GetBalances(
            users_pb2.GetBalancesRequest(), metadata=who.metadata
        )
        return next(float(one.total) for one in reply.balances if one.asset == "USD")


def terms(**given: Any) -> contract_terms_pb2.ContractTerms:
    """Returns the terms of the example: 1,900 bushels of corn."""
    stated = contract_terms_pb2.ContractTerms(
        commodity_code="CORN", grade_code="US-2-YELLOW", quantity="1900", **given
    )
    stated.price.fixed_price = "4.6125"
    stated.delivery.start = "2026-06-01"
    stated.delivery.end = "2026-07-31"
    stated.delivery.location_code = "CHI"
    return stated


@pytest.fixture
async def deal(make_settings: Callable[..., Settings], clock: FakeClock) -> AsyncIterator[Deal]:
    settings = make_settings(demo=True)
    speeds = {"_FIRST_S": 0.02, "_IDLE_S": 0.1, "_BUSY_S": 0.05, "_NODE_S": 0.2}
    with patch.multiple(blockchain, **speeds), patch.object(contracts_part, "_TICK_S", 0.05):
        application = wire.build(settings, clock=clock)
    async with running(application) as api:
        found = Deal(api)
        await found.sign_in()
        await found.link(found.seller, SELLER_KEY)
        await found.link(found.buyer, BUYER_KEY)
        yield found
