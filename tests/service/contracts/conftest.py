"""The demonstration with two parties whose wallets are linked, an inspector and an admin."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from google.protobuf.message_factory import GetMessageClass

from farmgate.api.contracts.v1 import (
    amendments_pb2,
    contract_events_pb2_grpc,
    contract_terms_pb2,
    contract_types_pb2,
    contracts_pb2,
    contracts_pb2_grpc,
    deliveries_pb2,
    deliveries_pb2_grpc,
    delivery_types_pb2,
    disputes_pb2,
    force_majeure_pb2,
    negotiation_pb2,
    negotiation_pb2_grpc,
    pricing_pb2,
    pricing_pb2_grpc,
    remedies_pb2,
    settlements_pb2,
    settlements_pb2_grpc,
    signing_pb2,
    signing_pb2_grpc,
    templates_pb2_grpc,
    weighing_pb2,
    weighing_pb2_grpc,
)
from farmgate.api.users.v1 import users_pb2, wallets_pb2, wallets_pb2_grpc
from farmgate.app import wire
from farmgate.app.parts import blockchain
from farmgate.app.parts import contracts as contracts_part
from farmgate.app.seeding.ground import PASSWORD
from farmgate.app.settings import Settings
from farmgate.market import settlement_store
from farmgate.market.settlement_store import DailySettlement
from farmgate.ports.clock import FakeClock
from support import Api, SignedIn, refused, running

WAIT_S = 40.0
CHI = "CORN-US2Y-CHI"
SELLER_KEY = Account.from_key("0x" + "22" * 32)
BUYER_KEY = Account.from_key("0x" + "11" * 32)
STRANGER_KEY = Account.from_key("0x" + "33" * 32)
KEYS = {"seller": SELLER_KEY, "buyer": BUYER_KEY}
FILES = (
    amendments_pb2, contracts_pb2, deliveries_pb2, disputes_pb2, force_majeure_pb2,
    negotiation_pb2, pricing_pb2, remedies_pb2, settlements_pb2, signing_pb2, weighing_pb2,
)  # fmt: skip
LOADS = (
    ("79540", "26120", {"MOISTURE": "17.3", "TEST_WEIGHT": "53.4", "DAMAGE": "6.2", "BCFM": "4.5"}),
    ("78980", "26100", {"MOISTURE": "14.8", "TEST_WEIGHT": "56.1", "DAMAGE": "2.0", "BCFM": "1.2"}),
)
METHODS = {
    method.name: method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class Deal:
    """Both parties, an inspector, and what they do with contracts."""

    def __init__(self, api: Api, clock: FakeClock) -> None:
        self.api = api
        self.clock = clock
        self.names = {
            "seller": "farmer.amara", "buyer": "trader.meridian", "inspector": "inspector.chi",
            "admin": "admin",
        }  # fmt: skip
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
        for role, name in tuple(self.names.items()):
            await self.also(role, name)

    async def also(self, role: str, name: str) -> SignedIn:
        """Signs somebody in, who is known by a role from then on."""
        self.names[role] = name
        tokens = await self.api.log_in(f"{name}@farmgate.example", PASSWORD)
        person = SignedIn(tokens.user, tokens)
        setattr(self, role, person)
        return person

    async def do(self, role: str, rpc: str, **given: Any) -> Any:
        """Calls a method as somebody; as nobody without a role."""
        method = METHODS[rpc]
        call = self.api.channel.unary_unary(
            f"/{method.containing_service.full_name}/{rpc}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        metadata = getattr(self, role).metadata if role else ()
        request = GetMessageClass(method.input_type)(**given)
        return await call(request, metadata=metadata, timeout=WAIT_S)

    async def no(self, role: str, rpc: str, **given: Any) -> str:
        """Returns the reason for which a call is refused."""
        return (await refused(self.do(role, rpc, **given))).reason

    async def guarded(self, rpc: str, **given: Any) -> None:
        """Checks that a method is not for nobody, and that the contract is not for others."""
        assert await self.no("", rpc, **given) == "UNAUTHENTICATED", rpc
        assert await self.no("stranger", rpc, **given) == "NOT_A_PARTY", rpc

    async def comes(self, ask: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool]) -> Any:
        """Waits until what is asked for is so, as the server's own work makes it."""
        async with asyncio.timeout(WAIT_S):
            while not is_so(found := await ask()):
                await asyncio.sleep(0.05)
        return found

    async def until(self, contract_id: str, is_so: Callable[[Any], bool]) -> Any:
        """Waits until a contract is so."""

        async def ask() -> Any:
            return (await self.do("admin", "GetContract", contract_id=contract_id)).contract

        return await self.comes(ask, is_so)

    async def cash_is(self, role: str, minor: int) -> None:
        """Waits until somebody has an amount in 1e-4 of the currency."""
        who: SignedIn = getattr(self, role)
        await self.comes(lambda: self.cash(who), lambda cash: round(cash * 10_000) == minor)

    async def settled_at(self, day: str, ticks: int, symbol: str = CHI) -> None:
        """Notes the settlement price of a day; a tick is a quarter of a cent."""
        row = DailySettlement(
            symbol, day, ticks, "VWAP", ticks, 0, 0, 0, 0, "NONE", 0, self.clock.now()
        )
        database = self.api.application.base.database
        await database.write(lambda tx: settlement_store.add(tx, [row]))

    async def later(self, **about: float) -> None:
        """Lets time pass; whoever was signed in is so again."""
        self.clock.move(timedelta(**about).total_seconds())
        await self.sign_in()

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

    async def load(
        self, contract_id: str, gross: str, tare: str, quality: dict[str, str], **given: Any
    ) -> Any:
        """Brings a load onto the scale, graded and weighed."""
        day = self.clock.now().date().isoformat()
        made = await self.do(
            "seller", "ScheduleDelivery", contract_id=contract_id, expected_date=day,
            expected_quantity="950", **given,
        )  # fmt: skip
        name = made.delivery.delivery_id
        await self.do(
            "inspector", "WeighIn", delivery_id=name, gross_weight=gross, weight_unit="lb"
        )
        await self.do("inspector", "GradeDelivery", delivery_id=name, quality=readings(quality))
        out = await self.do("inspector", "WeighOut", delivery_id=name, tare_weight=tare)
        return out.delivery

    async def taken(self, contract_id: str, *load: Any) -> Any:
        """Brings a load that the buyer accepts."""
        found = await self.load(contract_id, *load)
        return (await self.do("buyer", "AcceptDelivery", delivery_id=found.delivery_id)).delivery

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


def readings(quality: dict[str, str]) -> list[Any]:
    return [
        delivery_types_pb2.QualityReading(parameter=name, value=value)
        for name, value in quality.items()
    ]


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
        found = Deal(api, clock)
        await found.sign_in()
        await found.link(found.seller, SELLER_KEY)
        await found.link(found.buyer, BUYER_KEY)
        yield found
