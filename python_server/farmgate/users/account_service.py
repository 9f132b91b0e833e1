"""The gRPC face of leaving the exchange and of what it knows about a user."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from farmgate.api.users.v1 import accounts_pb2
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer
from farmgate.users.data_exports import DataExports
from farmgate.users.departures import Departures
from farmgate.users.export_store import Export
from farmgate.users.messages import timestamp

_CHUNK_BYTES: Final = 64 * 1024


class AccountServicer(Servicer):
    """Serves `AccountService`."""

    SERVICE = accounts_pb2.DESCRIPTOR.services_by_name["AccountService"]

    def __init__(self, departures: Departures, exports: DataExports) -> None:
        self._departures = departures
        self._exports = exports

    async def DeleteAccount(
        self, request: accounts_pb2.DeleteAccountRequest, call: Call
    ) -> accounts_pb2.DeleteAccountResponse:
        def render(at: datetime) -> accounts_pb2.DeleteAccountResponse:
            return accounts_pb2.DeleteAccountResponse(erase_time=timestamp(at))

        return await self._departures.close(
            call.caller.user_id, request.reason, call.effect(render)
        )

    async def ExportMyData(
        self, request: accounts_pb2.ExportMyDataRequest, call: Call
    ) -> accounts_pb2.ExportMyDataResponse:
        def render(export: Export) -> accounts_pb2.ExportMyDataResponse:
            return accounts_pb2.ExportMyDataResponse(export=_message(export))

        return await self._exports.start(call.caller.user_id, call.effect(render))

    async def GetMyDataExport(
        self, request: accounts_pb2.GetMyDataExportRequest, call: Call
    ) -> accounts_pb2.GetMyDataExportResponse:
        found = await self._exports.newest(call.caller.user_id)
        none = accounts_pb2.DataExport(state=accounts_pb2.EXPORT_STATE_NONE)
        return accounts_pb2.GetMyDataExportResponse(export=_message(found) if found else none)

    async def DownloadMyDataExport(
        self, request: accounts_pb2.DownloadMyDataExportRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        data = await self._exports.archive(call.caller.user_id)
        for start in range(0, len(data), _CHUNK_BYTES):
            part = data[start : start + _CHUNK_BYTES]
            yield HttpBody(content_type="application/zip", data=part)


def _message(export: Export) -> accounts_pb2.DataExport:
    return accounts_pb2.DataExport(
        export_id=export.id,
        state=accounts_pb2.ExportState.Value(f"EXPORT_STATE_{export.state}"),
        size_bytes=export.size_bytes,
        sha256=export.sha256,
        request_time=timestamp(export.requested_at),
        expire_time=timestamp(export.expires_at),
    )
