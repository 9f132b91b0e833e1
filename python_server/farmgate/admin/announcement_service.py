"""The gRPC face of what the exchange tells the public."""

from farmgate.admin.announcements import Announcements, Draft
from farmgate.admin.messages import announcement_message, moment
from farmgate.admin.store import PublicAnnouncement
from farmgate.api.admin.v1 import announcements_pb2
from farmgate.api.types.v1 import types_pb2
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer


class AnnouncementServicer(Servicer):
    """Serves `AnnouncementService`."""

    SERVICE = announcements_pb2.DESCRIPTOR.services_by_name["AnnouncementService"]

    def __init__(self, announcements: Announcements, pager: Pager) -> None:
        self._announcements = announcements
        self._pager = pager

    async def ListAnnouncements(
        self, request: announcements_pb2.ListAnnouncementsRequest, call: Call
    ) -> announcements_pb2.ListAnnouncementsResponse:
        caller = call.caller_or_none
        role = (
            _name(types_pb2.Role.Name(types_pb2.Role.ValueType(caller.role)), "ROLE_")
            if caller
            else ""
        )
        found, token = await self._page(request, running_only=True, role=role)
        return announcements_pb2.ListAnnouncementsResponse(
            announcements=map(announcement_message, found), next_page_token=token
        )

    async def ListAllAnnouncements(
        self, request: announcements_pb2.ListAllAnnouncementsRequest, call: Call
    ) -> announcements_pb2.ListAllAnnouncementsResponse:
        found, token = await self._page(request, running_only=False, role="")
        return announcements_pb2.ListAllAnnouncementsResponse(
            announcements=map(announcement_message, found), next_page_token=token
        )

    async def CreateAnnouncement(
        self, request: announcements_pb2.CreateAnnouncementRequest, call: Call
    ) -> announcements_pb2.CreateAnnouncementResponse:
        return await self._announcements.create(
            _draft(request),
            request.reason,
            call.effect(
                lambda one: announcements_pb2.CreateAnnouncementResponse(
                    announcement=announcement_message(one)
                )
            ),
        )

    async def UpdateAnnouncement(
        self, request: announcements_pb2.UpdateAnnouncementRequest, call: Call
    ) -> announcements_pb2.UpdateAnnouncementResponse:
        return await self._announcements.update(
            request.announcement_id,
            _draft(request.announcement),
            list(request.update_mask.paths),
            request.reason,
            request.expected_version,
            call.effect(
                lambda one: announcements_pb2.UpdateAnnouncementResponse(
                    announcement=announcement_message(one)
                )
            ),
        )

    async def DeleteAnnouncement(
        self, request: announcements_pb2.DeleteAnnouncementRequest, call: Call
    ) -> announcements_pb2.DeleteAnnouncementResponse:
        return await self._announcements.delete(
            request.announcement_id,
            request.reason,
            call.effect(lambda _: announcements_pb2.DeleteAnnouncementResponse()),
        )

    async def _page(
        self,
        request: announcements_pb2.ListAnnouncementsRequest
        | announcements_pb2.ListAllAnnouncementsRequest,
        *,
        running_only: bool,
        role: str,
    ) -> tuple[list[PublicAnnouncement], str]:
        place = self._pager.after(request, request.page_token)
        limit = page_size(request.page_size)
        found = await self._announcements.page(
            running_only=running_only,
            role=role,
            before=str(place[0]) if place else "",
            limit=limit + 1,
        )
        token = ""
        if len(found) > limit:
            token = self._pager.token(request, (found[limit - 1].id,))
        return found[:limit], token


def _draft(
    message: announcements_pb2.Announcement | announcements_pb2.CreateAnnouncementRequest,
) -> Draft:
    return Draft(
        title=message.title,
        body=message.body,
        severity=message.severity,
        audience=tuple(
            _name(types_pb2.Role.Name(role), "ROLE_") for role in message.audience if role
        ),
        starts_at=moment(message.start_time) if message.HasField("start_time") else None,
        ends_at=moment(message.end_time) if message.HasField("end_time") else None,
    )


def _name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)
