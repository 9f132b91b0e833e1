"""The gRPC face of reports."""

from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from farmgate.admin.report_store import Report
from farmgate.admin.reports import Reports, WantedReport
from farmgate.api.admin.v1 import reports_pb2
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users.messages import timestamp

_CHUNK_BYTES: Final = 64 * 1024


class ReportServicer(Servicer):
    """Serves `ReportService`."""

    SERVICE = reports_pb2.DESCRIPTOR.services_by_name["ReportService"]

    def __init__(self, reports: Reports, pager: Pager) -> None:
        self._reports = reports
        self._pager = pager

    async def CreateReport(
        self, request: reports_pb2.CreateReportRequest, call: Call
    ) -> reports_pb2.CreateReportResponse:
        def render(report: Report) -> reports_pb2.CreateReportResponse:
            return reports_pb2.CreateReportResponse(report=_message(report))

        wanted = WantedReport(
            request.kind, request.format, request.from_date, request.to_date, request.symbol
        )
        return await self._reports.create(call.caller.user_id, wanted, call.effect(render))

    async def ListReports(
        self, request: reports_pb2.ListReportsRequest, call: Call
    ) -> reports_pb2.ListReportsResponse:
        place = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        limit = page_size(request.page_size)
        before = str(place[0]) if place else ""
        found = await self._reports.page(kind=request.kind, before=before, limit=limit + 1)
        reply = reports_pb2.ListReportsResponse(reports=map(_message, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(
                request, (found[limit - 1].id,), caller=call.caller.user_id
            )
        return reply

    async def GetReport(
        self, request: reports_pb2.GetReportRequest, call: Call
    ) -> reports_pb2.GetReportResponse:
        found = await self._reports.get(request.report_id)
        return reports_pb2.GetReportResponse(report=_message(found))

    async def DownloadReport(
        self, request: reports_pb2.DownloadReportRequest, call: Call
    ) -> AsyncIterator[HttpBody]:
        kind, data = await self._reports.file(request.report_id)
        for start in range(0, len(data), _CHUNK_BYTES):
            yield HttpBody(content_type=kind, data=data[start : start + _CHUNK_BYTES])


def _message(one: Report) -> reports_pb2.Report:
    return reports_pb2.Report(
        report_id=one.id,
        kind=reports_pb2.ReportKind.ValueType(one.kind),
        format=reports_pb2.ReportFormat.ValueType(one.format),
        state=reports_pb2.ReportState.Value(f"REPORT_STATE_{one.state}"),
        from_date=one.from_date,
        to_date=one.to_date,
        symbol=one.symbol,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        requested_by=one.requested_by,
        create_time=timestamp(one.created_at),
        expire_time=timestamp(one.expires_at),
        failure=one.failure,
    )
