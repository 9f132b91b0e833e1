"""The gRPC face of organisations and invitations."""

from datetime import UTC, datetime
from typing import Final

from farmgate.api.users.v1 import (
    invitations_pb2,
    kyc_pb2,
    organization_types_pb2,
    organizations_pb2,
)
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users.messages import timestamp
from farmgate.users.org_logic import Actor, Organizations
from farmgate.users.org_store import Invitation, Member, Organization

_ME: Final = "me"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class OrganizationServicer(Servicer):
    """Serves `OrganizationService`.

    Args:
        organizations: Keeps organisations.
        pager: Signs page tokens.
    """

    SERVICE = organizations_pb2.DESCRIPTOR.services_by_name["OrganizationService"]

    def __init__(self, organizations: Organizations, pager: Pager) -> None:
        self._organizations = organizations
        self._pager = pager

    async def CreateOrganization(
        self, request: organizations_pb2.CreateOrganizationRequest, call: Call
    ) -> organizations_pb2.CreateOrganizationResponse:
        def render(one: Organization) -> organizations_pb2.CreateOrganizationResponse:
            message = organization_message(one)
            return organizations_pb2.CreateOrganizationResponse(organization=message)

        draft = _organization(request, "")
        return await self._organizations.create(call.caller.user_id, draft, call.effect(render))

    async def GetOrganization(
        self, request: organizations_pb2.GetOrganizationRequest, call: Call
    ) -> organizations_pb2.GetOrganizationResponse:
        found = await self._organizations.get(_actor(call), request.organization_id)
        return organizations_pb2.GetOrganizationResponse(organization=organization_message(found))

    async def UpdateOrganization(
        self, request: organizations_pb2.UpdateOrganizationRequest, call: Call
    ) -> organizations_pb2.UpdateOrganizationResponse:
        def render(one: Organization) -> organizations_pb2.UpdateOrganizationResponse:
            message = organization_message(one)
            return organizations_pb2.UpdateOrganizationResponse(organization=message)

        return await self._organizations.update(
            _actor(call),
            _organization(request.organization, request.organization_id),
            list(request.update_mask.paths),
            request.expected_version,
            call.effect(render),
        )

    async def ListMembers(
        self, request: organizations_pb2.ListMembersRequest, call: Call
    ) -> organizations_pb2.ListMembersResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        after = (str(place[0]), str(place[1])) if place else ("", "")
        limit = page_size(request.page_size)
        name = organization_types_pb2.MembershipStatus.Name(request.status or _ACTIVE)
        found = await self._organizations.members(
            _actor(call),
            request.organization_id,
            name.removeprefix("MEMBERSHIP_STATUS_"),
            after=after,
            limit=limit + 1,
        )
        reply = organizations_pb2.ListMembersResponse(members=map(member_message, found[:limit]))
        if len(found) > limit:
            last = found[limit - 1]
            place = (last.display_name, last.user_id)
            reply.next_page_token = self._pager.token(request, place, caller=me)
        return reply

    async def UpdateMember(
        self, request: organizations_pb2.UpdateMemberRequest, call: Call
    ) -> organizations_pb2.UpdateMemberResponse:
        def render(one: Member) -> organizations_pb2.UpdateMemberResponse:
            return organizations_pb2.UpdateMemberResponse(member=member_message(one))

        wanted = Member(
            request.organization_id, _user_id(request.user_id, call), _role(request.role),
            request.share_pct, "ACTIVE", None, 0,
        )  # fmt: skip
        return await self._organizations.change_member(
            _actor(call), wanted, request.expected_version, call.effect(render)
        )

    async def RemoveMember(
        self, request: organizations_pb2.RemoveMemberRequest, call: Call
    ) -> organizations_pb2.RemoveMemberResponse:
        return await self._organizations.remove_member(
            _actor(call),
            request.organization_id,
            _user_id(request.user_id, call),
            call.effect(lambda _: organizations_pb2.RemoveMemberResponse()),
        )


class InvitationServicer(Servicer):
    """Serves `InvitationService`.

    Args:
        organizations: Keeps organisations.
        pager: Signs page tokens.
    """

    SERVICE = invitations_pb2.DESCRIPTOR.services_by_name["InvitationService"]

    def __init__(self, organizations: Organizations, pager: Pager) -> None:
        self._organizations = organizations
        self._pager = pager

    async def InviteMember(
        self, request: invitations_pb2.InviteMemberRequest, call: Call
    ) -> invitations_pb2.InviteMemberResponse:
        def render(one: Invitation) -> invitations_pb2.InviteMemberResponse:
            return invitations_pb2.InviteMemberResponse(invitation=invitation_message(one))

        draft = Invitation(
            "", request.organization_id, request.email, _role(request.role), request.share_pct,
            "OPEN", _NEVER, _NEVER,
        )  # fmt: skip
        return await self._organizations.invite(_actor(call), draft, call.effect(render))

    async def ListMyInvitations(
        self, request: invitations_pb2.ListMyInvitationsRequest, call: Call
    ) -> invitations_pb2.ListMyInvitationsResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        before = str(place[0]) if place else ""
        found = await self._organizations.invitations(me, before=before, limit=limit + 1)
        reply = invitations_pb2.ListMyInvitationsResponse(
            invitations=map(invitation_message, found[:limit])
        )
        if len(found) > limit:
            last = found[limit - 1].id
            reply.next_page_token = self._pager.token(request, (last,), caller=me)
        return reply

    async def AnswerInvitation(
        self, request: invitations_pb2.AnswerInvitationRequest, call: Call
    ) -> invitations_pb2.AnswerInvitationResponse:
        def render(joined: Member | None) -> invitations_pb2.AnswerInvitationResponse:
            message = member_message(joined) if joined else None
            return invitations_pb2.AnswerInvitationResponse(member=message)

        return await self._organizations.answer(
            call.caller.user_id,
            request.invitation_id,
            is_accepted=request.is_accepted,
            effect=call.effect(render),
        )


_ACTIVE: Final = organization_types_pb2.MEMBERSHIP_STATUS_ACTIVE


def organization_message(one: Organization) -> organization_types_pb2.Organization:
    """Returns the message of an organisation."""
    return organization_types_pb2.Organization(
        organization_id=one.id,
        name=one.name,
        kind=organization_types_pb2.OrganizationKind.ValueType(one.kind),
        registration_number=one.registration_number,
        tax_id=one.tax_id,
        country=one.country,
        address=one.address,
        kyb_status=kyc_pb2.KycStatus.Value(f"KYC_STATUS_{one.kyb_status}"),
        settlement_account_id=one.settlement_account_id,
        member_count=one.member_count,
        create_time=timestamp(one.created_at),
        version=one.version,
    )


def member_message(one: Member) -> organization_types_pb2.OrganizationMember:
    """Returns the message of a membership; one who is invited is known by the address."""
    is_invited = one.status == "INVITED"
    return organization_types_pb2.OrganizationMember(
        organization_id=one.organization_id,
        user_id="" if is_invited else one.user_id,
        display_name=one.display_name,
        role=organization_types_pb2.OrganizationRole.Value(f"ORGANIZATION_ROLE_{one.role}"),
        share_pct=one.share_pct,
        status=organization_types_pb2.MembershipStatus.Value(f"MEMBERSHIP_STATUS_{one.status}"),
        join_time=timestamp(one.joined_at) if one.joined_at else None,
        version=one.version,
    )


def invitation_message(one: Invitation) -> organization_types_pb2.OrganizationInvitation:
    """Returns the message of an invitation."""
    return organization_types_pb2.OrganizationInvitation(
        invitation_id=one.id,
        organization_id=one.organization_id,
        organization_name=one.organization_name,
        email=one.email,
        role=organization_types_pb2.OrganizationRole.Value(f"ORGANIZATION_ROLE_{one.role}"),
        expire_time=timestamp(one.expires_at),
    )


def _actor(call: Call) -> Actor:
    return Actor(call.caller.user_id, call.bypasses_ownership)


def _user_id(user_id: str, call: Call) -> str:
    return call.caller.user_id if user_id == _ME else user_id


def _role(role: organization_types_pb2.OrganizationRole.ValueType) -> str:
    name = organization_types_pb2.OrganizationRole.Name(role)
    return name.removeprefix("ORGANIZATION_ROLE_") if role else ""


def _organization(
    message: organizations_pb2.CreateOrganizationRequest | organization_types_pb2.Organization,
    organization_id: str,
) -> Organization:
    return Organization(
        id=organization_id,
        name=message.name,
        kind=message.kind,
        registration_number=message.registration_number,
        tax_id=message.tax_id,
        country=message.country,
        address=message.address,
        kyb_status="NONE",
        settlement_account_id="",
        created_at=_NEVER,
        version=0,
    )
