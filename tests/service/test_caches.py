"""Caches and the bus as callers meet them: never old news, over one process and over two."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import update

from conformance.test_bus import until
from farmgate.api.admin.v1 import audit_pb2, operations_pb2, operations_pb2_grpc
from farmgate.api.auth.v1 import auth_pb2
from farmgate.api.market.v1 import market_pb2, market_pb2_grpc
from farmgate.api.users.v1 import users_pb2
from farmgate.app import wire
from farmgate.app.settings import Settings
from farmgate.errors import DomainError
from farmgate.market.tables import commodities, instruments
from redises import RedisServer
from redises import running as redis_running
from service.admin.operators import Operators, with_role
from support import Api, FakeAccounts, SignedIn, bearer, refused, running

REASON = "prices looked old"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["alone", "two"])
async def pair(
    request: pytest.FixtureRequest, make_settings: Callable[..., Settings],
    accounts: FakeAccounts, tmp_path: Any,
) -> AsyncIterator[tuple[Api, Api]]:  # fmt: skip
    """A server, or two over one database and one Redis."""
    if request.param == "alone":
        async with running(wire.build(make_settings(), accounts=accounts)) as api:
            yield api, api
        return
    server: RedisServer = request.getfixturevalue("redis")
    given = {
        "redis_url": server.address,
        "database_url": f"sqlite:///{tmp_path / 'shared.db'}",
    }
    first = wire.build(make_settings(**given), accounts=accounts)
    second = wire.build(make_settings(**given, data_dir=tmp_path / "second"), accounts=accounts)
    async with running(first) as one, running(second) as two:
        yield one, two


def market(api: Api) -> Any:
    return market_pb2_grpc.MarketServiceStub(api.channel)


def operations(api: Api) -> Any:
    return operations_pb2_grpc.OperationsServiceStub(api.channel)


async def name_of(api: Api, code: str) -> str:
    request = market_pb2.GetCommodityRequest(code=code)
    return str((await market(api).GetCommodity(request)).commodity.name)


async def display_name(api: Api, who: SignedIn) -> str:
    request = users_pb2.GetMyProfileRequest()
    return str((await api.users.GetMyProfile(request, metadata=who.metadata)).user.display_name)


async def figures(api: Api, admin: SignedIn) -> dict[str, Any]:
    request = operations_pb2.GetCacheStatsRequest()
    reply = await operations(api).GetCacheStats(request, metadata=admin.metadata)
    return {cache.name: cache for cache in reply.caches}


async def describe(api: Api, name: str) -> None:
    values = {
        "code": "TEFF", "name": name, "category": "GRAIN", "base_unit": "qtl",
        "unit_mass_kg": "100", "harvest_months": "11,12", "description": "",
    }  # fmt: skip

    def write(connection: Any) -> None:
        if not connection.execute(
            update(commodities).where(commodities.c.code == "TEFF").values(name=name)
        ).rowcount:
            connection.execute(commodities.insert().values(values))

    await api.application.base.database.write(write)


async def test_what_is_written_is_read(pair: tuple[Api, Api]) -> None:
    """OPS-072."""
    one, two = pair
    await describe(one, "Teff")
    assert [await name_of(api, "TEFF") for api in pair] == ["Teff", "Teff"]
    await describe(one, "White teff")
    assert await name_of(one, "TEFF") == "White teff", "At once where it was written."
    end = time.monotonic() + 10
    while await name_of(two, "TEFF") != "White teff":
        assert time.monotonic() < end
    person = await one.person()
    assert [await display_name(api, person) for api in pair] == ["Amara Okafor"] * 2
    change = users_pb2.UpdateMyProfileRequest(
        user=users_pb2.User(display_name="Amara Bello"), update_mask={"paths": ["display_name"]}
    )
    await one.users.UpdateMyProfile(change, metadata=person.metadata)
    assert await display_name(one, person) == "Amara Bello"
    while await display_name(two, person) != "Amara Bello":
        assert time.monotonic() < end


async def test_what_is_not_committed_is_not_told(api: Api) -> None:
    """OPS-072."""
    await describe(api, "Teff")
    assert await name_of(api, "TEFF") == "Teff"
    admin = await with_role(api, "ADMIN")
    before = (await figures(api, admin))["reference"].entries

    def fails(connection: Any) -> None:
        connection.execute(update(commodities).values(name="Undone"))
        raise LookupError

    with pytest.raises(LookupError):
        await api.application.base.database.write(fails)
    await api.application.base.database.write(
        lambda tx: tx.execute(update(instruments).values(version=2))
    )
    assert (await figures(api, admin))["reference"].entries == before > 0
    assert await name_of(api, "TEFF") == "Teff"


async def test_hits_are_counted(pair: tuple[Api, Api]) -> None:
    """OPS-077."""
    one, two = pair
    admin = await with_role(one, "ADMIN")
    await describe(one, "Teff")
    for _ in range(4):
        await name_of(one, "TEFF")
    await name_of(two, "TEFF")
    found = await figures(one, admin)
    assert set(found) == {"instruments", "prices", "profiles", "reference", "summaries"}
    ttls = {name: cache.ttl_s for name, cache in found.items()}
    assert (ttls["prices"], ttls["profiles"], ttls["summaries"]) == (60, 300, 30)
    reference = found["reference"]
    assert (reference.misses, reference.entries) == (1, 1)
    assert reference.hits == (4 if one is two else 3)
    assert reference.size_bytes > 0
    assert (await figures(two, admin))["reference"].misses == (1 if one is two else 0)
    told = generate_latest(one.application.base.metrics).decode()
    assert 'farmgate_cache_requests_total{answer="miss",cache="reference"} 1.0' in told
    assert f'{{answer="hit",cache="reference"}} {float(reference.hits)}' in told
    assert 'farmgate_cache_entries{cache="reference"} 1.0' in told
    request = operations_pb2.GetCacheStatsRequest()
    reply = await operations(one).GetCacheStats(request, metadata=admin.metadata)
    assert reply.is_shared == (one is not two)


async def test_caches_are_warm(api: Api) -> None:
    """OPS-073."""
    admin = await with_role(api, "ADMIN")
    assert (await figures(api, admin))["instruments"].entries == 1


async def test_a_purge_empties_them_everywhere(pair: tuple[Api, Api]) -> None:
    """OPS-078."""
    one, two = pair
    admin = await with_role(one, "ADMIN")
    await describe(one, "Teff")
    for api in pair:
        await name_of(api, "TEFF")
        await display_name(api, admin)
    purge = operations_pb2.PurgeCacheRequest(names=["reference"], reason=REASON)
    metadata = (*admin.metadata, ("idempotency-key", "purge-once"))
    reply = await operations(one).PurgeCache(purge, metadata=metadata)
    assert reply.purged_count == 1
    assert await operations(one).PurgeCache(purge, metadata=metadata) == reply
    for api in pair:
        cache = api.application.base.caches.named("reference")
        assert cache is not None
        await until(lambda cache=cache: cache.count() == 0)
    assert (await figures(two, admin))["profiles"].entries > 0, "Others are kept."
    request = audit_pb2.ListAuditLogsRequest(resource_type="cache", resource_id="reference")
    logs = (await Operators(one).audit.ListAuditLogs(request, metadata=admin.metadata)).logs
    assert [(log.action.rpartition("/")[2], log.reason) for log in logs] == [("PurgeCache", REASON)]
    one_entry = operations_pb2.PurgeCacheRequest(
        names=["profiles"], key=admin.user.user_id, reason=REASON
    )
    assert (await operations(one).PurgeCache(one_entry, metadata=admin.metadata)).purged_count == 1
    everything = operations_pb2.PurgeCacheRequest(reason=REASON)
    await operations(one).PurgeCache(everything, metadata=admin.metadata)
    assert {cache.entries for cache in (await figures(one, admin)).values()} == {0}


async def test_purges_that_are_refused(api: Api) -> None:
    """OPS-078."""
    admin, auditor = await with_role(api, "ADMIN"), await with_role(api, "AUDITOR")
    farmer, calls = await api.person(), operations(api)
    unknown = operations_pb2.PurgeCacheRequest(names=["no-such"], reason=REASON)
    refusal = await refused(calls.PurgeCache(unknown, metadata=admin.metadata))
    assert (refusal.reason, refusal.metadata["id"]) == ("NOT_FOUND", "no-such")
    for bad in ({}, {"reason": "no"}, {"reason": REASON, "names": [""]}):
        request = operations_pb2.PurgeCacheRequest(**bad)
        assert (await refused(calls.PurgeCache(request, metadata=admin.metadata))).reason in {
            "INVALID_ARGUMENT", "FIELD_REQUIRED",
        }  # fmt: skip
        for other in (farmer, auditor):
            refusal = await refused(calls.PurgeCache(request, metadata=other.metadata))
            assert refusal.reason == "PERMISSION_DENIED"
    for other in (farmer, auditor):
        request = operations_pb2.GetCacheStatsRequest()
        refusal = await refused(calls.GetCacheStats(request, metadata=other.metadata))
        assert refusal.reason == "PERMISSION_DENIED"
    for call in (
        calls.PurgeCache(unknown), calls.GetCacheStats(operations_pb2.GetCacheStatsRequest()),
    ):  # fmt: skip
        assert (await refused(call)).reason == "UNAUTHENTICATED"


async def test_an_ended_session_ends_everywhere_at_once(
    make_settings: Callable[..., Settings], accounts: FakeAccounts, redis: RedisServer,
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """OPS-079."""
    # Only the bus can tell: the other server does not look at the database again in time.
    monkeypatch.setattr("farmgate.app.parts.auth.REVOCATIONS_INTERVAL_S", 3_600.0)
    given = {
        "redis_url": redis.address,
        "database_url": f"sqlite:///{tmp_path / 'shared.db'}",
    }
    first = wire.build(make_settings(**given), accounts=accounts)
    second = wire.build(make_settings(**given, data_dir=tmp_path / "second"), accounts=accounts)
    async with running(first) as one, running(second) as two:
        person = await one.person()
        token = person.tokens.access_token
        await two.me(token)
        await one.auth.Logout(auth_pb2.LogoutRequest(), metadata=bearer(token))
        heard = two.application.base.grants

        def is_refused() -> bool:
            try:
                heard.cached(token)
            except DomainError as error:
                return error.reason == "TOKEN_INVALID"
            return False

        await until(is_refused)
        assert (await refused(two.me(token))).reason == "TOKEN_INVALID"
