"""The gRPC face of notifications: inbox, streams, preferences."""

from collections.abc import AsyncIterator
from typing import Final
from zoneinfo import available_timezones

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.notifications.v1 import events_pb2, notifications_pb2, preferences_pb2
from farmgate.errors import invalid
from farmgate.jobs.feed import Feed
from farmgate.notifications import catalogue
from farmgate.notifications.logic import Inbox, Preferences
from farmgate.notifications.messages import notification_message
from farmgate.notifications.store import Filter
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.rpc.streams import sse_event, sse_open

_HEARTBEAT_S: Final = 1.0
_EVENTS_MAX: Final = 100


class Stream:
    """Follows the notifications of one reader.

    Args:
        inbox: Reads them.
        feed: Tells when there are more.
    """

    def __init__(self, inbox: Inbox, feed: Feed) -> None:
        self._inbox = inbox
        self._feed = feed

    async def steps(
        self, user_id: str, types: list[str], after_id: str, after: int
    ) -> AsyncIterator[tuple[int, notifications_pb2.WatchNotificationsResponse]]:
        """Yields steps with the sequence to resume after."""
        position = after or await self._inbox.place(after_id)
        wanted = Filter(user_id, types=tuple(types))
        while True:
            newest = await self._inbox.place("")
            found, unread = await self._inbox.after(wanted, position, _EVENTS_MAX)
            for one in found:
                position = one.sequence
                yield (
                    one.sequence,
                    notifications_pb2.WatchNotificationsResponse(
                        notification=notification_message(one), unread_count=unread
                    ),
                )
            if len(found) == _EVENTS_MAX:
                continue
            position = max(position, newest)
            if not await self._feed.moved(position, _HEARTBEAT_S):
                yield (
                    position,
                    notifications_pb2.WatchNotificationsResponse(
                        is_heartbeat=True, unread_count=unread
                    ),
                )


class NotificationStreamServicer(Servicer):
    """Serves the stream of `NotificationService`, also in processes that do nothing else.

    Args:
        stream: Follows notifications.
    """

    SERVICE = notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"]

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def WatchNotifications(
        self, request: notifications_pb2.WatchNotificationsRequest, call: Call
    ) -> AsyncIterator[notifications_pb2.WatchNotificationsResponse]:
        steps = self._stream.steps(
            call.caller.user_id, list(request.types), request.after_notification_id, 0
        )
        async for _, step in steps:
            yield step


class NotificationServicer(NotificationStreamServicer):
    """Serves `NotificationService`.

    Args:
        inbox: Reads and marks notifications.
        stream: Follows them.
        pager: Signs page tokens.
    """

    QUIET_METHODS = frozenset({"GetUnreadCount"})

    def __init__(self, inbox: Inbox, stream: Stream, pager: Pager) -> None:
        super().__init__(stream)
        self._inbox = inbox
        self._pager = pager

    async def ListNotifications(
        self, request: notifications_pb2.ListNotificationsRequest, call: Call
    ) -> notifications_pb2.ListNotificationsResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        wanted = Filter(
            me,
            is_unread_only=request.is_unread_only,
            types=tuple(request.types),
            min_severity=request.min_severity,
        )
        before = int(place[0]) if place else None
        found, total, unread = await self._inbox.page(wanted, before=before, limit=limit + 1)
        reply = notifications_pb2.ListNotificationsResponse(
            notifications=map(notification_message, found[:limit]), unread_count=unread
        )
        if request.include_total:
            reply.total_size = total
        if len(found) > limit:
            last = found[limit - 1].sequence
            reply.next_page_token = self._pager.token(request, (last,), caller=me)
        return reply

    async def MarkNotificationRead(
        self, request: notifications_pb2.MarkNotificationReadRequest, call: Call
    ) -> notifications_pb2.MarkNotificationReadResponse:
        return await self._inbox.mark(
            call.caller.user_id,
            request.notification_id,
            is_read=not request.is_unread,
            effect=call.effect(
                lambda one: notifications_pb2.MarkNotificationReadResponse(
                    notification=notification_message(one)
                )
            ),
        )

    async def DeleteNotification(
        self, request: notifications_pb2.DeleteNotificationRequest, call: Call
    ) -> notifications_pb2.DeleteNotificationResponse:
        return await self._inbox.delete(
            call.caller.user_id,
            request.notification_id,
            call.effect(lambda _: notifications_pb2.DeleteNotificationResponse()),
        )

    async def MarkAllRead(
        self, request: notifications_pb2.MarkAllReadRequest, call: Call
    ) -> notifications_pb2.MarkAllReadResponse:
        return await self._inbox.mark_all(
            call.caller.user_id,
            request.before_notification_id,
            call.effect(lambda count: notifications_pb2.MarkAllReadResponse(marked_count=count)),
        )

    async def GetUnreadCount(
        self, request: notifications_pb2.GetUnreadCountRequest, call: Call
    ) -> notifications_pb2.GetUnreadCountResponse:
        unread, critical = await self._inbox.unread(call.caller.user_id)
        return notifications_pb2.GetUnreadCountResponse(
            unread_count=unread, critical_count=critical
        )


class NotificationEventServicer(Servicer):
    """Serves `NotificationEventService`: notifications for a browser's EventSource.

    Args:
        stream: Follows notifications.
    """

    SERVICE = events_pb2.DESCRIPTOR.services_by_name["NotificationEventService"]

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def StreamNotificationEvents(
        self, request: events_pb2.StreamNotificationEventsRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        yield sse_open()
        steps = self._stream.steps(
            call.caller.user_id,
            list(request.types),
            request.after_notification_id,
            call.resume_after,
        )
        async for sequence, step in steps:
            name = "heartbeat" if step.is_heartbeat else "notification"
            yield HttpBody(data=sse_event(name, sequence, step))


class NotificationPreferenceServicer(Servicer):
    """Serves `NotificationPreferenceService`.

    Args:
        preferences: Reads and changes them.
    """

    SERVICE = preferences_pb2.DESCRIPTOR.services_by_name["NotificationPreferenceService"]

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._zones = frozenset(available_timezones())

    async def GetNotificationPreferences(
        self, request: preferences_pb2.GetNotificationPreferencesRequest, call: Call
    ) -> preferences_pb2.GetNotificationPreferencesResponse:
        document, version = await self._preferences.get(call.caller.user_id)
        found = preferences_pb2.NotificationPreferences.FromString(document)
        found.version = version
        return preferences_pb2.GetNotificationPreferencesResponse(preferences=found)

    async def UpdateNotificationPreferences(
        self, request: preferences_pb2.UpdateNotificationPreferencesRequest, call: Call
    ) -> preferences_pb2.UpdateNotificationPreferencesResponse:
        wanted = request.preferences
        names = [one.type for one in wanted.preferences]
        for name in names:
            if not catalogue.is_known(name):
                raise invalid("preferences", f'may name types, categories or "*", not {name!r}')
        if len(set(names)) != len(names):
            raise invalid("preferences", "may name each type once")
        if wanted.HasField("quiet_hours") and wanted.quiet_hours.timezone not in self._zones:
            raise invalid("quiet_hours.timezone", 'must be a name such as "Africa/Lagos"')
        wanted.ClearField("version")

        def render(version: int) -> preferences_pb2.UpdateNotificationPreferencesResponse:
            reply = preferences_pb2.UpdateNotificationPreferencesResponse(preferences=wanted)
            reply.preferences.version = version
            return reply

        return await self._preferences.put(
            call.caller.user_id,
            wanted.SerializeToString(),
            expected=request.expected_version,
            effect=call.effect(render),
        )
