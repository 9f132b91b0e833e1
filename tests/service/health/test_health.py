import grpc
from grpc_health.v1 import health_pb2 as standard_pb2
from grpc_health.v1 import health_pb2_grpc as standard_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from farmgate.api.health.v1 import health_pb2
from farmgate.app import wire
from farmgate.ports.clock import FakeClock
from support import Api, FakeAccounts, refused, running

_Serving = standard_pb2.HealthCheckResponse


async def test_health_names_what_it_needs(api_on_any: Api) -> None:
    """OPS-194."""
    answer = await api_on_any.health.Healthz(health_pb2.HealthzRequest())
    assert (answer.status, answer.mode) == ("ok", "embedded")
    assert [one.name for one in answer.dependencies] == [
        "database",
        "matching core",
        "blockchain",
        "content",
        "disk",
        "memory",
    ]
    assert answer.dependencies[0].detail in {"SQLite", "PostgreSQL"}
    assert (await api_on_any.health.Livez(health_pb2.LivezRequest())).status == "ok"
    assert (await api_on_any.health.Readyz(health_pb2.ReadyzRequest())).status == "ok"


async def test_lost_database_makes_it_not_ready_and_alive(api: Api, clock: FakeClock) -> None:
    """OPS-028."""
    api.application.base.database._readers.shutdown()
    clock.move(1)
    answer = await api.health.Healthz(health_pb2.HealthzRequest())
    assert answer.status == "unavailable"
    assert answer.dependencies[0].detail == "RuntimeError"
    refusal = await refused(api.health.Readyz(health_pb2.ReadyzRequest()))
    assert refusal.reason == "DEPENDENCY_DOWN"
    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    assert (await api.health.Livez(health_pb2.LivezRequest())).status == "ok"


async def test_standard_health_follows(api: Api, clock: FakeClock) -> None:
    stub = standard_pb2_grpc.HealthStub(api.channel)
    for service in ("", "farmgate.api.auth.v1.AuthService"):
        answer = await stub.Check(standard_pb2.HealthCheckRequest(service=service))
        assert answer.status == _Serving.SERVING
    changes = stub.Watch(standard_pb2.HealthCheckRequest())
    assert (await changes.read()).status == _Serving.SERVING
    api.application.base.database._readers.shutdown()
    clock.move(1)
    assert (await changes.read()).status == _Serving.NOT_SERVING
    changes.cancel()


async def test_services_are_described_in_development_only(
    make_settings, accounts: FakeAccounts, clock: FakeClock
) -> None:
    for is_described in (True, False):
        settings = make_settings(reflection=None if is_described else False)
        async with running(wire.build(settings, accounts=accounts, clock=clock)) as api:
            path = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            if is_described:
                data = await api.raw(path, request.SerializeToString())
                answer = reflection_pb2.ServerReflectionResponse.FromString(data)
                names = {one.name for one in answer.list_services_response.service}
                assert "farmgate.api.auth.v1.AuthService" in names
            else:
                refusal = await refused(api.raw(path))
                assert refusal.reason == "METHOD_UNKNOWN"
