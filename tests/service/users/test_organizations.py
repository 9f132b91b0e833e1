"""Organisations: founded by level 3, joined by invitation, managed by managers."""

import asyncio
from datetime import timedelta
from typing import Any

from farmgate.api.trading.v1 import trading_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import (
    farms_pb2,
    farms_pb2_grpc,
    invitations_pb2,
    invitations_pb2_grpc,
    organization_types_pb2,
    organizations_pb2,
    organizations_pb2_grpc,
    users_pb2,
)
from farmgate.ports.clock import FakeClock
from service.users.hall import CORN, Hall
from support import Api, SignedIn, refused

COOP = types_pb2.ROLE_COOP_MANAGER
MANAGER = organization_types_pb2.ORGANIZATION_ROLE_MANAGER
MEMBER = organization_types_pb2.ORGANIZATION_ROLE_MEMBER
VIEWER = organization_types_pb2.ORGANIZATION_ROLE_VIEWER
NOBODY = "0" * 26


class Coop:
    """Stubs, and what people do with them."""

    def __init__(self, api: Api) -> None:
        self.organizations: Any = organizations_pb2_grpc.OrganizationServiceStub(api.channel)
        self.invitations: Any = invitations_pb2_grpc.InvitationServiceStub(api.channel)
        self.farms: Any = farms_pb2_grpc.FarmServiceStub(api.channel)

    async def found(self, founder: SignedIn, **given: Any) -> Any:
        values = {
            "name": "Heartland Co-op", "kind": organization_types_pb2.ORGANIZATION_KIND_COOP,
            "registration_number": "IA-1", "country": "US", "address": "1 Elevator Road",
            **given,
        }  # fmt: skip
        request = organizations_pb2.CreateOrganizationRequest(**values)
        reply = await self.organizations.CreateOrganization(request, metadata=founder.metadata)
        return reply.organization

    async def invite(self, by: SignedIn, organization_id: str, email: str, **given: Any) -> Any:
        request = invitations_pb2.InviteMemberRequest(
            organization_id=organization_id, email=email, **{"role": MEMBER, **given}
        )
        return (await self.invitations.InviteMember(request, metadata=by.metadata)).invitation

    async def answer(self, who: SignedIn, invitation_id: str, *, is_accepted: bool = True) -> Any:
        request = invitations_pb2.AnswerInvitationRequest(
            invitation_id=invitation_id, is_accepted=is_accepted
        )
        return (await self.invitations.AnswerInvitation(request, metadata=who.metadata)).member

    async def joined(self, by: SignedIn, one: Any, who: SignedIn, **given: Any) -> Any:
        sent = await self.invite(by, one.organization_id, who.user.email, **given)
        return await self.answer(who, sent.invitation_id)

    async def members(self, who: SignedIn, one: Any, **given: Any) -> list[Any]:
        request = organizations_pb2.ListMembersRequest(organization_id=one.organization_id, **given)
        found = []
        while True:
            reply = await self.organizations.ListMembers(request, metadata=who.metadata)
            found += reply.members
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    async def change(self, by: SignedIn, one: Any, user_id: str, **given: Any) -> Any:
        request = organizations_pb2.UpdateMemberRequest(
            organization_id=one.organization_id, user_id=user_id, **given
        )
        return (await self.organizations.UpdateMember(request, metadata=by.metadata)).member

    async def remove(self, by: SignedIn, one: Any, user_id: str) -> None:
        request = organizations_pb2.RemoveMemberRequest(
            organization_id=one.organization_id, user_id=user_id
        )
        await self.organizations.RemoveMember(request, metadata=by.metadata)


async def test_a_coop_is_founded_joined_and_left(hall_on_any: Hall) -> None:
    """USR-030, USR-031."""
    hall = hall_on_any
    coop = Coop(hall.api)
    manager, farmer = await hall.person(3, COOP), await hall.person()
    too_low = await refused(coop.found(farmer))
    assert (too_low.reason, too_low.metadata["level"]) == ("KYC_LEVEL_REQUIRED", "3")
    one = await coop.found(manager)
    assert (one.member_count, one.version) == (1, 1)
    assert one.settlement_account_id == manager.tokens.user.account_id
    other = await hall.person(3)
    assert (await refused(coop.found(other))).reason == "ALREADY_EXISTS"
    assert (await refused(coop.found(manager, registration_number="2"))).reason == "ALREADY_EXISTS"
    for given in ({"kind": 5}, {"name": " "}, {"address": "\x00"}):
        assert (await refused(coop.found(other, **given))).reason == "INVALID_ARGUMENT"
    email = farmer.user.email
    sent = await coop.invite(manager, one.organization_id, email.upper(), share_pct="12.50")
    listed = await coop.invitations.ListMyInvitations(
        invitations_pb2.ListMyInvitationsRequest(), metadata=farmer.metadata
    )
    assert [found.invitation_id for found in listed.invitations] == [sent.invitation_id]
    foreign = await refused(coop.answer(other, sent.invitation_id))
    assert foreign.reason == "NOT_FOUND"
    invited = await coop.members(
        manager, one, status=organization_types_pb2.MEMBERSHIP_STATUS_INVITED
    )
    assert [(found.display_name, found.user_id) for found in invited] == [(email, "")]
    member = await coop.answer(farmer, sent.invitation_id)
    assert (member.role, member.share_pct) == (MEMBER, "12.5")
    assert (await refused(coop.answer(farmer, sent.invitation_id))).reason == "NOT_FOUND"
    assert {found.user_id for found in await coop.members(farmer, one, page_size=1)} == {
        manager.user.user_id, farmer.user.user_id,
    }  # fmt: skip
    await coop.remove(farmer, one, "me")
    assert (await refused(coop.members(farmer, one))).reason == "NOT_FOUND"
    left = await coop.members(manager, one, status=organization_types_pb2.MEMBERSHIP_STATUS_LEFT)
    assert [found.user_id for found in left] == [farmer.user.user_id]
    again = await coop.joined(manager, one, farmer)
    assert again.version == member.version + 2
    assert (await hall.again(farmer)).tokens.user.organization_id == one.organization_id


async def test_only_managers_manage(hall: Hall) -> None:
    """USR-032."""
    coop = Coop(hall.api)
    manager, farmer = await hall.person(3, COOP), await hall.person()
    stranger, admin = await hall.person(), await hall.with_role("ADMIN")
    one = await coop.found(manager)
    await coop.joined(manager, one, farmer)
    me = manager.user.user_id
    update = organizations_pb2.UpdateOrganizationRequest(
        organization_id=one.organization_id,
        organization=organization_types_pb2.Organization(name="Heartland"),
        expected_version=1,
    )
    update.update_mask.paths.append("name")
    for who, reason in ((farmer, "ORG_ROLE_REQUIRED"), (stranger, "NOT_FOUND")):
        calls = (
            coop.organizations.UpdateOrganization(update, metadata=who.metadata),
            coop.invite(who, one.organization_id, "new@example.com"),
            coop.change(who, one, me, role=VIEWER),
            coop.remove(who, one, me),
        )
        for call in calls:
            assert (await refused(call)).reason == reason
    get = organizations_pb2.GetOrganizationRequest(organization_id=one.organization_id)
    hidden = await refused(coop.organizations.GetOrganization(get, metadata=stranger.metadata))
    missing = await refused(
        coop.organizations.GetOrganization(
            organizations_pb2.GetOrganizationRequest(organization_id=NOBODY),
            metadata=stranger.metadata,
        )
    )
    assert hidden.message.replace(one.organization_id, "") == missing.message.replace(NOBODY, "")
    seen = await coop.organizations.GetOrganization(get, metadata=admin.metadata)
    assert seen.organization.member_count == 2
    changed = await coop.organizations.UpdateOrganization(update, metadata=manager.metadata)
    assert (changed.organization.name, changed.organization.version) == ("Heartland", 2)
    again = coop.organizations.UpdateOrganization(update, metadata=manager.metadata)
    assert (await refused(again)).reason == "VERSION_CONFLICT"
    update.update_mask.paths[:] = ["country"]
    wrong = coop.organizations.UpdateOrganization(update, metadata=manager.metadata)
    assert (await refused(wrong)).reason == "INVALID_ARGUMENT"


async def test_there_is_always_a_manager_and_shares_fit(hall: Hall) -> None:
    """USR-033."""
    coop = Coop(hall.api)
    manager, farmer = await hall.person(3, COOP), await hall.person()
    one = await coop.found(manager)
    await coop.joined(manager, one, farmer, share_pct="60")
    me = manager.user.user_id
    for call in (coop.change(manager, one, "me", role=MEMBER), coop.remove(manager, one, "me")):
        assert (await refused(call)).reason == "ORG_LAST_MANAGER"
    too_much = await refused(coop.change(manager, one, me, share_pct="40.1"))
    assert too_much.reason == "INVALID_ARGUMENT"
    changed = await coop.change(manager, one, me, share_pct="40", expected_version=1)
    assert (changed.share_pct, changed.version) == ("40", 2)
    stale = await refused(coop.change(manager, one, me, share_pct="1", expected_version=1))
    assert stale.reason == "VERSION_CONFLICT"
    await coop.change(manager, one, farmer.user.user_id, role=MANAGER)
    await coop.remove(manager, one, "me")
    assert (await refused(coop.remove(farmer, one, me))).reason == "NOT_FOUND"
    assert [found.user_id for found in await coop.members(farmer, one)] == [farmer.user.user_id]


async def test_invitations_end_and_admit_once(hall: Hall, clock: FakeClock) -> None:
    """USR-034."""
    coop = Coop(hall.api)
    first, second = await hall.person(3, COOP), await hall.person(3, COOP)
    farmer = await hall.person()
    one, two = await coop.found(first), await coop.found(second, registration_number="IA-2")
    sent = [
        (await coop.invite(by, to.organization_id, farmer.user.email)).invitation_id
        for by, to in ((first, one), (second, two))
    ]
    answers = await asyncio.gather(
        *(coop.answer(farmer, invitation_id) for invitation_id in sent), return_exceptions=True
    )
    joined = [found for found in answers if not isinstance(found, BaseException)]
    assert len(joined) == 1, "A person belongs to one organisation."
    bad = await refused(coop.invite(first, one.organization_id, "no address"))
    assert bad.reason == "INVALID_ARGUMENT"
    late, declined = await hall.person(), await hall.person()
    sent = [
        (await coop.invite(first, one.organization_id, who.user.email)).invitation_id
        for who in (late, declined)
    ]
    assert not (await coop.answer(declined, sent[1], is_accepted=False)).user_id
    clock.move(timedelta(days=14).total_seconds())
    late = await hall.again(late)
    assert (await refused(coop.answer(late, sent[0]))).reason == "NOT_FOUND"


async def test_a_coop_manager_reaches_members_and_nobody_else(hall: Hall) -> None:
    """USR-035, USR-036: farms, orders, balances of own members, until they leave."""
    coop, trading = Coop(hall.api), hall.api.trading
    manager, farmer = await hall.person(3, COOP), await hall.person()
    outsider, trader = await hall.person(3, COOP), await hall.person(3, types_pb2.ROLE_TRADER)
    one = await coop.found(manager)
    await coop.found(outsider, registration_number="IA-2")
    await coop.joined(manager, one, farmer)
    await coop.joined(manager, one, trader, role=MANAGER)
    await hall.fund(farmer, CORN, 1_000_000)
    farm = (
        await coop.farms.CreateFarm(
            farms_pb2.CreateFarmRequest(name="North", country="US", area_ha="1"),
            metadata=farmer.metadata,
        )
    ).farm
    placed = [await hall.order(farmer, types_pb2.SIDE_SELL, 2) for _ in range(2)]
    account_id = farmer.tokens.user.account_id
    reads = await _reads(hall, coop, farmer, farm.farm_id, placed[0].order.order_id)
    for who in (outsider, trader):
        for path, request, reason in reads:
            refusal = await refused(path(request, metadata=who.metadata))
            assert refusal.reason in {reason, "PERMISSION_DENIED"}, request
    for path, request, _ in reads:
        assert await path(request, metadata=manager.metadata)
    seen = await trading.GetOrder(reads[2][1], metadata=manager.metadata)
    assert seen.order.account_id == account_id
    cancels = [trading_pb2.CancelOrderRequest(order_id=one.order.order_id) for one in placed]
    foreign = await refused(trading.CancelOrder(cancels[0], metadata=outsider.metadata))
    assert foreign.reason == "ORDER_NOT_FOUND"
    await hall.matching.caught_up()
    await trading.CancelOrder(cancels[0], metadata=manager.metadata)
    assert await hall.balance(farmer, CORN) == ("1000.000", "200.000")
    await coop.remove(manager, one, farmer.user.user_id)
    for path, request, reason in reads:
        assert (await refused(path(request, metadata=manager.metadata))).reason == reason
    gone = await refused(trading.CancelOrder(cancels[1], metadata=manager.metadata))
    assert gone.reason == "ORDER_NOT_FOUND"


async def _reads(
    hall: Hall, coop: Coop, farmer: SignedIn, farm_id: str, order_id: int
) -> list[tuple[Any, Any, str]]:
    account_id = farmer.tokens.user.account_id
    return [
        (
            coop.farms.ListUserFarms,
            farms_pb2.ListUserFarmsRequest(user_id=farmer.user.user_id), "NOT_FOUND",
        ),
        (coop.farms.GetFarm, farms_pb2.GetFarmRequest(farm_id=farm_id), "NOT_FOUND"),
        (
            hall.api.trading.GetOrder,
            trading_pb2.GetOrderRequest(order_id=order_id), "ORDER_NOT_FOUND",
        ),
        (
            hall.api.trading.ListOrders,
            trading_pb2.ListOrdersRequest(account_id=account_id), "ACCOUNT_UNKNOWN",
        ),
        (
            hall.api.trading.ListTrades,
            trading_pb2.ListTradesRequest(account_id=account_id), "ACCOUNT_UNKNOWN",
        ),
        (
            hall.api.wallet.GetBalances,
            users_pb2.GetBalancesRequest(account_id=account_id), "ACCOUNT_UNKNOWN",
        ),
        (
            hall.api.wallet.ListLedger,
            users_pb2.ListLedgerRequest(account_id=account_id), "ACCOUNT_UNKNOWN",
        ),
    ]  # fmt: skip
