"""Operators follow what they need to know, once each, over breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import update

from farmgate.api.admin.v1 import admin_pb2
from farmgate.db.outbox import Announcement, announce
from farmgate.jobs import store
from farmgate.jobs.kinds import MAIL, Kind
from farmgate.jobs.store import State
from farmgate.jobs.tables import jobs
from service.admin.operators import Operators, with_role
from support import Api, SignedIn, refused

LETTER = Kind("test.letter", queue=MAIL)


async def tell(api: Api, type_: str, about: str, **data: Any) -> None:
    base = api.application.base
    one = Announcement(type_, base.clock.now(), role="ADMIN", about=about, data=data)
    await base.database.write(lambda tx: announce(tx, one))


@asynccontextmanager
async def following(api: Api, who: SignedIn, **given: Any) -> AsyncIterator[Any]:
    request = admin_pb2.WatchAdminEventsRequest(**given)
    call = Operators(api).admin.WatchAdminEvents(request, metadata=who.metadata)
    # The first heartbeat says that the stream has found its place.
    yield call
    call.cancel()


async def next_event(call: Any) -> Any:
    async with asyncio.timeout(20):
        async for step in call:
            if not step.is_heartbeat:
                return step.event
    raise AssertionError("The stream ended.")


async def heartbeat(call: Any) -> None:
    async with asyncio.timeout(20):
        async for step in call:
            if step.is_heartbeat:
                return


async def test_events_come_once_and_in_order(api_on_any: Api) -> None:
    """ADM-054."""
    api = api_on_any
    one, two = await with_role(api, "ADMIN"), await with_role(api, "ADMIN")
    async with following(api, one) as first, following(api, two) as second:
        await asyncio.gather(heartbeat(first), heartbeat(second))
        for number in range(3):
            await tell(api, "admin.config_changed", f"key/{number}", key=f"key{number}", value="1")
        # The same within a day is not told again.
        await tell(api, "admin.config_changed", "key/2", key="key2", value="1")
        await tell(api, "admin.chain_stalled", "op", operation_id="op")
        for call in (first, second):
            found = [await next_event(call) for _ in range(4)]
            assert [one.resource_id for one in found] == ["key0", "key1", "key2", "op"]
            assert [one.event_id for one in found] == sorted(one.event_id for one in found)
        assert (found[0].type, found[0].title) == ("admin.config_changed", "key0 changed")
        assert (found[0].resource_type, found[3].resource_type) == ("setting", "chain_operation")
        assert json.loads(found[0].data_json) == {"key": "key0", "value": "1"}
    # After a break of whatever length nothing is missing and nothing comes twice.
    async with following(api, one, after_event_id=found[1].event_id) as again:
        assert [(await next_event(again)).resource_id for _ in range(2)] == ["key2", "op"]
    async with following(api, one, after_event_id="0" * 26, types=["admin.chain_stalled"]) as some:
        assert (await next_event(some)).resource_id == "op"
    async with following(api, one, after_event_id="0" * 26, types=["admin"]) as everything:
        assert (await next_event(everything)).resource_id == "key0"


async def test_a_job_that_was_given_up_is_told(api: Api) -> None:
    """ADM-054."""
    admin, base = await with_role(api, "ADMIN"), api.application.base
    job_id = await base.database.write(lambda tx: base.jobs.enqueue(tx, LETTER, {}))

    def give_up(connection: Any) -> None:
        running = update(jobs).where(jobs.c.id == job_id).values(state=State.RUNNING)
        connection.execute(running)
        job = store.find(connection, job_id)
        assert job is not None
        store.fail(connection, job, base.clock.now(), "no such address")

    async with following(api, admin) as call:
        await heartbeat(call)
        await base.database.write(give_up)
        event = await next_event(call)
        assert (event.type, event.resource_type, event.resource_id) == (
            "admin.job_dead", "job", job_id,
        )  # fmt: skip
        assert event.title


async def test_others_do_not_follow(api: Api) -> None:
    """ADM-055."""
    admin, farmer = await with_role(api, "ADMIN"), await api.person()
    auditor, calls = await with_role(api, "AUDITOR"), Operators(api).admin
    request = admin_pb2.WatchAdminEventsRequest()

    async def first(call: Any) -> Any:
        async for step in call:
            return step
        return None

    assert (await refused(first(calls.WatchAdminEvents(request)))).reason == "UNAUTHENTICATED"
    bad = admin_pb2.WatchAdminEventsRequest(after_event_id="no ULID")
    for other in (farmer, auditor):
        call = calls.WatchAdminEvents(bad, metadata=other.metadata)
        assert (await refused(first(call))).reason == "PERMISSION_DENIED"
    call = calls.WatchAdminEvents(bad, metadata=admin.metadata)
    assert (await refused(first(call))).reason == "INVALID_ARGUMENT"
