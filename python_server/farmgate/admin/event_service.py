"""The stream for operators: a part of the gRPC face of `AdminService`."""

import json
from collections.abc import AsyncIterator
from typing import Final

from farmgate.api.admin.v1 import admin_pb2
from farmgate.notifications.operator_events import OperatorEvent, OperatorEvents
from farmgate.rpc.call import Call

# What an event is about, and which of its data names it.
_RESOURCES: Final = {
    "admin.job_dead": ("job", "job_id"),
    "admin.chain_stalled": ("chain_operation", "operation_id"),
    "admin.trade_review": ("trade", "trade_id"),
    "admin.kyc_queue": ("kyc_case", "case_id"),
    "admin.config_changed": ("setting", "key"),
    "admin.model_failing": ("model", "model_id"),
    "model.promoted": ("model", "model_id"),
}


class OperatorStreamMethods:
    """Streams what operators need to know.

    Attributes:
        _events: Follows it.
    """

    _events: OperatorEvents

    async def WatchAdminEvents(
        self, request: admin_pb2.WatchAdminEventsRequest, call: Call
    ) -> AsyncIterator[admin_pb2.WatchAdminEventsResponse]:
        async for event in self._events.follow(list(request.types), request.after_event_id):
            if event is None:
                yield admin_pb2.WatchAdminEventsResponse(is_heartbeat=True)
            else:
                yield admin_pb2.WatchAdminEventsResponse(event=_message(event))


def _message(event: OperatorEvent) -> admin_pb2.AdminEvent:
    resource, key = _RESOURCES.get(event.type, ("", ""))
    message = admin_pb2.AdminEvent(
        event_id=event.id, type=event.type, title=event.title, resource_type=resource,
        resource_id=str(json.loads(event.data).get(key, "")) or event.about if resource else "",
        data_json=event.data,
    )  # fmt: skip
    message.event_time.FromDatetime(event.at)
    return message
