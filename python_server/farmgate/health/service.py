"""The gRPC face of health."""

from google.api import httpbody_pb2

from farmgate.api.health.v1 import health_pb2
from farmgate.errors import DomainError
from farmgate.health import pages
from farmgate.health.logic import Finding, Health, Report
from farmgate.rpc.call import Call
from farmgate.rpc.registry import Servicer


class HealthService(Servicer):
    """Answers the RPCs of `farmgate.api.health.v1.HealthService`."""

    SERVICE = health_pb2.DESCRIPTOR.services_by_name["HealthService"]
    # Balancers ask every few seconds.
    QUIET_METHODS = frozenset({"Healthz", "Readyz", "Livez"})

    def __init__(self, health: Health) -> None:
        self._health = health

    async def Healthz(
        self, request: health_pb2.HealthzRequest, call: Call
    ) -> health_pb2.HealthzResponse:
        report = await self._health.report()
        return health_pb2.HealthzResponse(
            status=_status(report),
            mode=report.mode,
            version=report.version,
            dependencies=map(_dependency, report.findings),
        )

    async def Readyz(
        self, request: health_pb2.ReadyzRequest, call: Call
    ) -> health_pb2.ReadyzResponse:
        report = await self._health.ready_report()
        return health_pb2.ReadyzResponse(
            status=_status(report),
            mode=report.mode,
            version=report.version,
            dependencies=map(_dependency, report.findings),
        )

    async def Livez(self, request: health_pb2.LivezRequest, call: Call) -> health_pb2.LivezResponse:
        return health_pb2.LivezResponse(status="ok")

    async def GetOpenApi(
        self, request: health_pb2.GetOpenApiRequest, call: Call
    ) -> httpbody_pb2.HttpBody:
        return _body(pages.openapi())

    async def GetDocs(
        self, request: health_pb2.GetDocsRequest, call: Call
    ) -> httpbody_pb2.HttpBody:
        page = pages.page(request.page or pages.FIRST_PAGE)
        if page is None:
            raise DomainError("NOT_FOUND", resource="page", id=request.page)
        return _body(page)


def _body(page: pages.Page) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type=page.content_type, data=page.content)


def _status(report: Report) -> str:
    return "ok" if report.is_ready else "unavailable"


def _dependency(finding: Finding) -> health_pb2.DependencyHealth:
    return health_pb2.DependencyHealth(
        name=finding.name,
        is_healthy=finding.is_healthy,
        is_required=finding.is_required,
        detail=finding.detail,
        latency_us=finding.latency_us,
    )
