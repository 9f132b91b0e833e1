"""The gRPC face of operators: people, audit log, settings."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToJson
from sqlalchemy import Connection

from farmgate.admin import store
from farmgate.admin.configuration import Configuration, Outcome, Wanted
from farmgate.admin.event_service import OperatorStreamMethods
from farmgate.admin.messages import (
    audit_message,
    config_message,
    moment,
    statistics_message,
)
from farmgate.admin.people import People, StatusChange
from farmgate.admin.statistics import Statistics
from farmgate.admin.store import AuditFilter
from farmgate.api.admin.v1 import (
    admin_pb2,
    audit_pb2,
    config_pb2,
)
from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import users_pb2
from farmgate.db import audit
from farmgate.db.engine import Database
from farmgate.errors import invalid
from farmgate.notifications.operator_events import OperatorEvents
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users.facade import UserFilter
from farmgate.users.messages import user_message

_CSV: Final = audit_pb2.AUDIT_EXPORT_FORMAT_CSV
_CSV_FIELDS: Final = (
    "sequence", "log_time", "actor_id", "actor_role", "action", "resource_type", "resource_id",
    "ip_address", "request_id", "reason", "after_json", "previous_hash", "hash",
)  # fmt: skip


class AdminServicer(OperatorStreamMethods, Servicer):
    """Serves `AdminService`."""

    SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]

    def __init__(
        self, people: People, statistics: Statistics, events: OperatorEvents, pager: Pager
    ) -> None:
        self._events = events
        self._people = people
        self._statistics = statistics
        self._pager = pager

    async def GetStatistics(
        self, request: admin_pb2.GetStatisticsRequest, call: Call
    ) -> admin_pb2.GetStatisticsResponse:
        figures = await self._statistics.figures(request.from_date, request.to_date)
        return statistics_message(figures, self._statistics.now)

    async def ListUsers(
        self, request: admin_pb2.ListUsersRequest, call: Call
    ) -> admin_pb2.ListUsersResponse:
        if request.order_by not in {"", "create_time desc"}:
            raise invalid("order_by", 'may be "create_time desc" only')
        place = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        limit = page_size(request.page_size)
        after = moment(request.registered_after) if request.HasField("registered_after") else None
        wanted = UserFilter(
            query=request.query.strip(),
            role=_name(types_pb2.Role.Name(request.role), "ROLE_") if request.role else "",
            status=_name(users_pb2.UserStatus.Name(request.status), "USER_STATUS_")
            if request.status
            else "",
            kyc_level=request.kyc_level if request.HasField("kyc_level") else None,
            registered_after=after,
        )
        found, total = await self._people.page(
            wanted, before=str(place[0]) if place else "", limit=limit + 1
        )
        reply = admin_pb2.ListUsersResponse(users=map(user_message, found[:limit]))
        if request.include_total:
            reply.total_size = total
        if len(found) > limit:
            reply.next_page_token = self._pager.token(
                request, (found[limit - 1].id,), caller=call.caller.user_id
            )
        return reply

    async def UpdateUserStatus(
        self, request: admin_pb2.UpdateUserStatusRequest, call: Call
    ) -> admin_pb2.UpdateUserStatusResponse:
        if request.HasField("lock_until"):
            raise invalid("lock_until", "is not offered; set the status back by hand")
        wanted = StatusChange(
            request.user_id,
            _name(users_pb2.UserStatus.Name(request.status), "USER_STATUS_"),
            request.reason,
            request.is_orders_cancelled,
            request.expected_version,
        )
        return await self._people.set_status(
            call.caller.user_id,
            wanted,
            call.effect(lambda user: admin_pb2.UpdateUserStatusResponse(user=user_message(user))),
        )


class AuditServicer(Servicer):
    """Serves `AuditService`."""

    SERVICE = audit_pb2.DESCRIPTOR.services_by_name["AuditService"]

    def __init__(self, database: Database, pager: Pager) -> None:
        self._database = database
        self._pager = pager

    async def ListAuditLogs(
        self, request: audit_pb2.ListAuditLogsRequest, call: Call
    ) -> audit_pb2.ListAuditLogsResponse:
        place = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        limit = page_size(request.page_size)
        resource = request.resource_type
        if resource or request.resource_id:
            if not resource:
                raise invalid("resource_type", "must go with a resource_id")
            resource = f"{resource}/{request.resource_id}"
        wanted = AuditFilter(
            request.actor_id,
            request.action,
            resource,
            moment(request.from_time) if request.HasField("from_time") else None,
            moment(request.to_time) if request.HasField("to_time") else None,
        )
        before = int(place[0]) if place else None
        found = await self._database.read(
            lambda tx: store.audit_page(tx, wanted, before=before, limit=limit + 1)
        )
        reply = audit_pb2.ListAuditLogsResponse(logs=map(audit_message, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(
                request, (found[limit - 1].sequence,), caller=call.caller.user_id
            )
        return reply

    async def ExportAuditLogs(
        self, request: audit_pb2.ExportAuditLogsRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        wanted = AuditFilter(
            since=moment(request.from_time) if request.HasField("from_time") else None,
            until=moment(request.to_time) if request.HasField("to_time") else None,
        )
        is_csv = request.format == _CSV
        kind = "text/csv; charset=utf-8" if is_csv else "application/x-ndjson"
        head = ",".join(_CSV_FIELDS) + "\r\n" if is_csv else ""
        yield HttpBody(content_type=kind, data=head.encode())
        after = 0
        while page := await self._database.read(
            lambda tx, after=after: store.audit_after(tx, wanted, after)  # type: ignore[misc] # mypy does not see defaults.
        ):
            after = page[-1].sequence
            messages = map(audit_message, page)
            lines = map(_csv_line if is_csv else _json_line, messages)
            yield HttpBody(data="".join(lines).encode())

    async def VerifyAuditChain(
        self, request: audit_pb2.VerifyAuditChainRequest, call: Call
    ) -> audit_pb2.VerifyAuditChainResponse:
        first = request.from_sequence or 1
        last = min(request.to_sequence or 2**62, 2**62)
        if first > last:
            raise invalid("from_sequence", "must not be above to_sequence")

        def verify(connection: Connection) -> audit_pb2.VerifyAuditChainResponse:
            log = audit.Checked(store.audit_from(connection, first, last))
            bad = audit.first_fault(log, after=first - 1)
            return audit_pb2.VerifyAuditChainResponse(
                is_good=bad is None,
                checked_count=max(0, log.count - (first > 1)),
                first_bad_sequence=bad or 0,
                head_hash=log.last_hash,
            )

        return await self._database.read(verify)


class ConfigServicer(Servicer):
    """Serves `ConfigService`."""

    SERVICE = config_pb2.DESCRIPTOR.services_by_name["ConfigService"]

    def __init__(self, configuration: Configuration, pager: Pager) -> None:
        self._configuration = configuration
        self._pager = pager

    async def SetSystemConfig(
        self, request: config_pb2.SetSystemConfigRequest, call: Call
    ) -> config_pb2.SetSystemConfigResponse:
        def render(outcome: Outcome) -> config_pb2.SetSystemConfigResponse:
            return config_pb2.SetSystemConfigResponse(
                entry=config_message(outcome.version),
                previous_value=outcome.previous,
                is_changed=outcome.is_changed,
            )

        at = moment(request.effective_time) if request.HasField("effective_time") else None
        wanted = Wanted(
            request.key, request.value, request.reason, call.caller.user_id, at,
            request.expected_version,
        )  # fmt: skip
        return await self._configuration.set(
            wanted, call.effect(render), is_dry_run=request.is_dry_run
        )

    async def GetSystemConfig(
        self, request: config_pb2.GetSystemConfigRequest, call: Call
    ) -> config_pb2.GetSystemConfigResponse:
        found = await self._configuration.entries(request.prefix)
        return config_pb2.GetSystemConfigResponse(entries=map(config_message, found))

    async def GetConfigHistory(
        self, request: config_pb2.GetConfigHistoryRequest, call: Call
    ) -> config_pb2.GetConfigHistoryResponse:
        place = self._pager.after(request, request.page_token)
        limit = page_size(request.page_size)
        before = int(place[0]) if place else None
        found = await self._configuration.history(request.key, before=before, limit=limit + 1)
        reply = config_pb2.GetConfigHistoryResponse(entries=map(config_message, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(request, (found[limit - 1].version,))
        return reply

    async def RollbackConfig(
        self, request: config_pb2.RollbackConfigRequest, call: Call
    ) -> config_pb2.RollbackConfigResponse:
        return await self._configuration.roll_back(
            request.key,
            request.config_version,
            request.reason,
            call.caller.user_id,
            call.effect(
                lambda outcome: config_pb2.RollbackConfigResponse(
                    entry=config_message(outcome.version)
                )
            ),
        )


def _name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)


def _json_line(message: audit_pb2.AuditLog) -> str:
    return MessageToJson(message, preserving_proto_field_name=True, indent=None) + "\n"


def _csv_line(message: audit_pb2.AuditLog) -> str:
    text = io.StringIO()
    values = [getattr(message, name) for name in _CSV_FIELDS]
    values[1] = message.log_time.ToJsonString()
    values[3] = _name(types_pb2.Role.Name(message.actor_role), "ROLE_")
    # A spreadsheet takes what begins so for a formula.
    safe = [f"'{v}" if isinstance(v, str) and v[:1] in {"=", "+", "-", "@"} else v for v in values]
    csv.writer(text).writerow(safe)
    return text.getvalue()
