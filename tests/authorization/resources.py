"""What people of the tests own, one of each kind."""

import asyncio
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import insert, update

from authorization.declared import METHODS, Declared
from authorization.people import NUMBERS, Exchange
from farmgate.contracts.tables import deliveries
from farmgate.notifications.tables import notifications, webhooks
from support import SignedIn, move_outside

_BY_NAME: Final = {method.path.rpartition(".")[2]: method for method in METHODS}
SYMBOL: Final = "CORN-US2Y-TOL"
_LATER: Final = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
TERMS: Final = {
    "commodity_code": "CORN", "grade_code": "US-2-YELLOW", "quantity": "1900",
    "price": {"fixed_price": "4.6125"},
    "delivery": {"start": _LATER, "end": _LATER, "location_code": "CHI"},
}  # fmt: skip
_GOODS: Final = {
    "commodity_code": "CORN", "grade_code": "US2Y", "location_code": "CHI", "quantity": "5000",
    "unit": "bu", "crop_year": "2026", "storage_paid_to": "2026-12-31",
    "quality": [{"parameter": "MOISTURE", "value": "14.5", "unit": "%"}],
}  # fmt: skip
_FARM: Final = {"name": "North field", "country": "NL", "area_ha": "48.5"}
# Where the OpenAPI document's samples do not come as far as the resource.
_VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "AmendmentService/ProposeAmendment": {"update_mask": "quantity", "terms": {"quantity": "1"}},
    "NegotiationService/CounterContract": {"update_mask": "quantity", "terms": {"quantity": "1"}},
    "NegotiationService/UpdateContract": {"update_mask": "quantity", "terms": {"quantity": "1"}},
    "ContractService/CreateContract": {
        "counterparty_user_id": "", "broker_user_id": "", "own_party": "PARTY_SELLER",
        "template_code": "US-CASH-FWD", "terms": TERMS,
    },
    "DeliveryService/ScheduleDelivery": {"splits": []},
    "WebhookService/UpdateWebhook": {"url": "http://127.0.0.1:9/hook", "events": ["contract"]},
    "FarmService/CreateFarm": {**_FARM, "boundary_geojson": "", "location": None, "soil": ""},
    "FarmService/UpdateFarm": {"update_mask": "name", "farm": {"name": "South field"}},
    "OrganizationService/UpdateOrganization": {
        "update_mask": "address", "organization": {"address": "2 Elevator Road"},
    },
    "UserService/UpdateUser": {"update_mask": "locale", "user": {"locale": "fr"}},
    "KycService/SubmitKyc": {"form": {
        "legal_name": "Amara Okafor", "date_of_birth": "1980-02-29", "country": "NG",
        "postal_address": "1 Road",
    }},
    "ReceiptService/IssueReceipt": _GOODS,
}  # fmt: skip


class World:
    """People around one owner, and the makers of what the owner has."""

    owner: SignedIn
    buyer: SignedIn
    bystander: SignedIn
    people: dict[str, SignedIn]

    def __init__(self, found: Exchange) -> None:
        self.found = found
        self.api = found.api
        self.organization_id = self.other_organization_id = ""
        self.made: list[str] = []
        self._numbers = itertools.count(1)

    async def call(self, name: str, who: SignedIn, /, **values: Any) -> Any:
        """Calls a method by its short name; returns the reply."""
        descriptor = _BY_NAME[name].descriptor
        request = GetMessageClass(descriptor.input_type)()
        json_format.ParseDict(values, request)
        data = await self.api.raw(
            _BY_NAME[name].path, request.SerializeToString(), metadata=who.metadata
        )
        return GetMessageClass(descriptor.output_type).FromString(data)

    async def settle(self) -> None:
        """Lets them arrive."""
        farmer, trader, coop = (NUMBERS[one] for one in ("FARMER", "TRADER", "COOP_MANAGER"))
        make = self._person
        self.owner, self.buyer = await make(farmer), await make(trader)
        self.bystander = await make(trader)
        manager, other = await make(coop), await make(coop)
        self.people = {
            "owner": self.owner, "farmer": await make(farmer), "trader": await make(trader),
            "own manager": manager, "other manager": other,
        }  # fmt: skip
        for role in ("INSPECTOR", "AUDITOR", "ADMIN"):
            self.people[role.lower()] = await self.found.person(role)
        for asset, minor in (("USD", 10**10), ("CORN.US2Y.TOL", 10**8)):
            await move_outside(self.api, self.owner, asset, minor)
        self.organization_id = await self._founded(manager, "Heartland")
        self.other_organization_id = await self._founded(other, "Prairie")
        invitation = await self._invited(manager, self.organization_id)
        await self.call(
            "InvitationService/AnswerInvitation", self.owner, invitation_id=invitation,
            is_accepted=True,
        )  # fmt: skip

    async def _person(self, role: int) -> SignedIn:
        person = await self.api.person(role=role)
        await self.found.set_user(person, kyc_level=3)
        tokens = await self.api.log_in(person.user.email)
        return SignedIn(tokens.user, tokens)

    async def _founded(self, by: SignedIn, name: str) -> str:
        reply = await self.call(
            "OrganizationService/CreateOrganization", by, name=name,
            kind="ORGANIZATION_KIND_COOP", registration_number=name, country="US",
            address="1 Elevator Road",
        )  # fmt: skip
        return str(reply.organization.organization_id)

    async def _invited(self, by: SignedIn, organization_id: str) -> str:
        reply = await self.call(
            "InvitationService/InviteMember", by, organization_id=organization_id,
            email=self.owner.user.email, role="ORGANIZATION_ROLE_MEMBER",
        )  # fmt: skip
        return str(reply.invitation.invitation_id)

    def values(self, method: Declared) -> dict[str, Any]:
        """Returns what a request needs besides the ID it is about."""
        values = dict(_VALUES.get(method.path.rpartition(".")[2], {}))
        if "evidence" in method.fields:
            # What is shown need not be, and its sample is no hash.
            values["evidence"] = []
        if "counterparty_user_id" in values:
            values["counterparty_user_id"] = self.buyer.user.user_id
        return values

    async def make(self, kind: str) -> str:
        """Returns the ID of something new that the owner has."""
        thing = str(await getattr(self, f"_{kind}")())
        self.made.append(thing)
        return thing

    async def _user(self) -> str:
        return str(self.owner.user.user_id)

    async def _account(self) -> str:
        return str(self.owner.user.account_id)

    async def _organization(self) -> str:
        return self.organization_id

    async def _invitation(self) -> str:
        founder = await self._person(NUMBERS["COOP_MANAGER"])
        number = next(self._numbers)
        return await self._invited(founder, await self._founded(founder, f"Coop {number}"))

    async def _session(self) -> str:
        await self.api.log_in(self.owner.user.email)
        reply = await self.call("AuthService/ListSessions", self.owner)
        own = await self.api.me(self.owner.tokens.access_token)
        return next(one.session_id for one in reply.sessions if one.session_id != own.session_id)

    async def _key(self) -> str:
        reply = await self.call("AuthService/CreateApiKey", self.owner, name="x", scopes=["read"])
        return str(reply.key.key_id)

    async def _order(self) -> str:
        reply = await self.call(
            "TradingService/CreateOrder", self.owner, symbol=SYMBOL, side="SIDE_BUY",
            type="ORDER_TYPE_LIMIT", time_in_force="TIME_IN_FORCE_GTC", price="4.3000",
            quantity_lots="1",
        )  # fmt: skip
        return str(reply.order.order_id)

    async def _simulation(self) -> str:
        # One runs at a time: the one before may not be over.
        async with asyncio.timeout(60):
            while True:
                try:
                    reply = await self.call(
                        "TradingService/RunSimulation", self.owner, symbol=SYMBOL, command_count=10
                    )
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise
                    await asyncio.sleep(1)
                else:
                    return str(reply.simulation.simulation_id)

    async def _contract(self) -> str:
        reply = await self.call(
            "ContractService/CreateContract", self.owner, own_party="PARTY_SELLER",
            counterparty_user_id=self.buyer.user.user_id, template_code="US-CASH-FWD",
            terms=TERMS,
        )  # fmt: skip
        return str(reply.contract.contract_id)

    async def _delivery(self) -> str:
        base = self.api.application.base
        delivery_id, contract_id = base.ids.ulid(), await self._contract()
        await base.database.write(
            lambda tx: tx.execute(
                insert(deliveries).values(
                    id=delivery_id, contract_id=contract_id, ticket=1, state="SCHEDULED",
                    document=b"", applied_quantity="", statement_id="", version=1,
                )
            )
        )  # fmt: skip
        return delivery_id

    async def _content(self) -> str:
        reply = await self.call(
            "ContentService/UploadToIpfs", self.owner,
            content={"content_type": "application/pdf", "data": "JVBERi0xLjcgYQ=="},
        )  # fmt: skip
        return str(reply.object.cid)

    async def _alert(self) -> str:
        reply = await self.call(
            "MarketService/CreatePriceAlert", self.owner, symbol=SYMBOL,
            source="ALERT_SOURCE_LAST", condition="ALERT_CONDITION_ABOVE", threshold="5.0000",
        )  # fmt: skip
        return str(reply.alert.alert_id)

    async def _webhook(self) -> str:
        # Ten are kept at most; those that were tried go to somebody else.
        kept = update(webhooks).where(webhooks.c.user_id == self.owner.user.user_id)
        await self.api.application.base.database.write(
            lambda tx: tx.execute(kept.values(user_id=self.bystander.user.user_id))
        )
        reply = await self.call(
            "WebhookService/CreateWebhook", self.owner, url="http://127.0.0.1:9/hook",
            events=["contract"],
        )  # fmt: skip
        return str(reply.webhook.webhook_id)

    async def _notification(self) -> str:
        base = self.api.application.base
        notification_id, now = base.ids.ulid(), base.clock.now()
        await base.database.write(
            lambda tx: tx.execute(
                insert(notifications).values(
                    id=notification_id, sequence=-next(self._numbers),
                    user_id=self.owner.user.user_id, type="order.filled", severity=1, title="x",
                    body="x", data="{}", about="", created_at=now,
                    expires_at=now + timedelta(days=1),
                )
            )
        )  # fmt: skip
        return notification_id

    async def _farm(self) -> str:
        reply = await self.call("FarmService/CreateFarm", self.owner, **_FARM)
        return str(reply.farm.farm_id)

    async def _document(self) -> str:
        # There is no case beyond the highest level.
        await self.found.set_user(self.owner, kyc_level=2)
        reply = await self.call(
            "KycService/UploadKycDocument", self.owner, kind="KYC_DOCUMENT_KIND_PASSPORT",
            content={"content_type": "application/pdf", "data": "JVBERi0xLjcgYQ=="},
        )  # fmt: skip
        await self.found.set_user(self.owner, kyc_level=3)
        return str(reply.document.document_id)

    async def _receipt(self) -> str:
        reply = await self.call(
            "ReceiptService/IssueReceipt", self.people["inspector"],
            account_id=self.owner.user.account_id, **_GOODS,
        )  # fmt: skip
        return str(reply.receipt.receipt_id)

    async def _statement(self) -> str:
        reply = await self.call("StatementService/ListStatements", self.owner)
        return str(reply.statements[0].statement_id)

    async def _trade(self) -> str:
        await self.call(
            "TradingService/CreateOrder", self.owner, symbol=SYMBOL, side="SIDE_BUY",
            type="ORDER_TYPE_LIMIT", time_in_force="TIME_IN_FORCE_IOC", price="4.9000",
            quantity_lots="1",
        )  # fmt: skip
        reply = await self.call("TradingService/ListTrades", self.owner, symbol=SYMBOL)
        return str(reply.trades[0].trade_id)
