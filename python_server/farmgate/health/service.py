"""The gRPC face of health."""

from farmgate.api.health.v1 import health_pb2
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
