"""Operators look at jobs and decide what becomes of them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from farmgate.api.admin.v1 import audit_pb2, operations_pb2, operations_pb2_grpc
from farmgate.jobs.execution import Execution
from farmgate.jobs.in_process import InProcess
from farmgate.jobs.kinds import MAIL, REPORTS, Job, Kind, Run
from farmgate.jobs.store import State
from farmgate.jobs.tables import jobs
from service.admin.operators import Operators, with_role
from support import Api, refused

REASON = "asked for by the farmer"
LETTER = Kind("test.letter", queue=MAIL, priority=7, max_attempts=2)
REPORT = Kind("test.report", queue=REPORTS)


def stub(api: Api) -> Any:
    return operations_pb2_grpc.OperationsServiceStub(api.channel)


async def enqueue(api: Api, kind: Kind, payload: Any, **given: Any) -> str:
    base = api.application.base
    return await base.database.write(lambda tx: base.jobs.enqueue(tx, kind, payload, **given))


async def set_state(api: Api, job_id: str, state: State) -> None:
    await api.application.base.database.write(
        lambda tx: tx.execute(update(jobs).where(jobs.c.id == job_id).values(state=state))
    )


async def test_jobs_are_listed_and_shown(api_on_any: Api) -> None:
    """ADM-050."""
    api = api_on_any
    auditor, calls = await with_role(api, "AUDITOR"), stub(api)
    ids = [await enqueue(api, LETTER, {"to": name}) for name in ("amara", "jan", "li")]
    other = await enqueue(api, REPORT, {})
    await set_state(api, ids[0], State.DEAD)

    async def listed(**given: Any) -> list[str]:
        request = operations_pb2.ListJobsRequest(page_size=2, **given)
        found: list[str] = []
        while True:
            reply = await calls.ListJobs(request, metadata=auditor.metadata)
            assert len(reply.jobs) <= 2
            found += [job.job_id for job in reply.jobs]
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    assert await listed() == [other, *reversed(ids)]
    assert await listed(queue="mail") == list(reversed(ids))
    assert await listed(kind="test.report") == [other]
    assert await listed(state=operations_pb2.JOB_STATE_DEAD) == [ids[0]]
    assert await listed(queue="none such") == []
    request = operations_pb2.GetJobRequest(job_id=ids[1])
    job = (await calls.GetJob(request, metadata=auditor.metadata)).job
    assert (job.queue, job.kind, job.priority, job.max_attempts) == ("mail", "test.letter", 7, 2)
    assert (job.state, job.payload_json) == (operations_pb2.JOB_STATE_QUEUED, '{"to":"jan"}')
    assert not job.HasField("end_time")
    assert job.run_time == job.create_time


async def test_jobs_are_tried_again_and_cancelled(api_on_any: Api) -> None:
    """ADM-051."""
    api = api_on_any
    admin, calls = await with_role(api, "ADMIN"), stub(api)
    job_id = await enqueue(api, LETTER, {})
    cancel = operations_pb2.CancelJobRequest(job_id=job_id, reason=REASON)
    cancelled = (await calls.CancelJob(cancel, metadata=admin.metadata)).job
    assert cancelled.state == operations_pb2.JOB_STATE_CANCELLED
    assert cancelled.HasField("end_time")
    refusal = await refused(calls.CancelJob(cancel, metadata=admin.metadata))
    assert (refusal.reason, refusal.metadata) == (
        "JOB_STATE", {"state": "CANCELLED", "action": "cancelling"},
    )  # fmt: skip
    retry = operations_pb2.RetryJobRequest(job_id=job_id, reason=REASON)
    again = (await calls.RetryJob(retry, metadata=admin.metadata)).job
    assert again.state == operations_pb2.JOB_STATE_QUEUED
    assert not again.HasField("end_time")
    for state in (State.QUEUED, State.RUNNING, State.SUCCEEDED):
        await set_state(api, job_id, state)
        refusal = await refused(calls.RetryJob(retry, metadata=admin.metadata))
        assert (refusal.reason, refusal.metadata["state"]) == ("JOB_STATE", state.name)
    await set_state(api, job_id, State.RUNNING)
    refusal = await refused(calls.CancelJob(cancel, metadata=admin.metadata))
    assert refusal.reason == "JOB_STATE"
    request = audit_pb2.ListAuditLogsRequest(resource_type="job", resource_id=job_id)
    logs = (await Operators(api).audit.ListAuditLogs(request, metadata=admin.metadata)).logs
    assert [(log.action.rpartition("/")[2], log.reason) for log in logs] == [
        ("RetryJob", REASON), ("CancelJob", REASON),
    ]  # fmt: skip


async def test_a_repeat_with_the_same_key_is_one_change(api: Api) -> None:
    """ADM-051."""
    admin, calls = await with_role(api, "ADMIN"), stub(api)
    job_id = await enqueue(api, LETTER, {})
    request = operations_pb2.CancelJobRequest(job_id=job_id, reason=REASON)
    metadata = (*admin.metadata, ("idempotency-key", "cancel-once"))
    first = await calls.CancelJob(request, metadata=metadata)
    assert await calls.CancelJob(request, metadata=metadata) == first


async def test_a_paused_queue_waits(api: Api) -> None:
    """ADM-052."""
    admin, calls = await with_role(api, "ADMIN"), stub(api)
    base = api.application.base
    ran: list[str] = []

    async def note(run: Run) -> None:
        ran.append(run.job_id)

    execution = Execution(base.database, base.clock, [Job(LETTER, note)], "test")
    runner = InProcess(base.database, base.clock, execution, base.jobs)
    pause = operations_pb2.PauseQueueRequest(queue="mail", reason=REASON)
    for _ in range(2):
        reply = await calls.PauseQueue(pause, metadata=admin.metadata)
        assert (reply.queue, reply.is_paused) == ("mail", True)
    listed = await calls.ListJobs(operations_pb2.ListJobsRequest(), metadata=admin.metadata)
    assert list(listed.paused_queues) == ["mail"]
    job_id = await enqueue(api, LETTER, {})
    await runner.settle()
    assert ran == []
    pause.is_resumed = True
    assert not (await calls.PauseQueue(pause, metadata=admin.metadata)).is_paused
    await runner.settle()
    assert ran == [job_id]
    pause.queue = "no-such-queue"
    assert (await refused(calls.PauseQueue(pause, metadata=admin.metadata))).reason == "NOT_FOUND"


@pytest.mark.parametrize("method", ["ListJobs", "GetJob", "RetryJob", "CancelJob", "PauseQueue"])
async def test_others_see_no_jobs(api: Api, method: str) -> None:
    """ADM-053."""
    job_id = await enqueue(api, LETTER, {})
    given: dict[str, str] = {}
    if method != "ListJobs":
        given = {"queue": "mail"} if method == "PauseQueue" else {"job_id": job_id}
    if method not in {"ListJobs", "GetJob"}:
        given["reason"] = REASON
    request = getattr(operations_pb2, f"{method}Request")
    call = getattr(stub(api), method)
    assert (await refused(call(request(**given)))).reason == "UNAUTHENTICATED"
    farmer, auditor = await asyncio.gather(api.person(), with_role(api, "AUDITOR"))
    refusal = await refused(call(request(), metadata=farmer.metadata))
    assert refusal.reason == "PERMISSION_DENIED", "before what is asked is looked at"
    if method not in {"ListJobs", "GetJob"}:
        refusal = await refused(call(request(**given), metadata=auditor.metadata))
        assert refusal.reason == "PERMISSION_DENIED"
    admin = await with_role(api, "ADMIN")
    if "job_id" in given:
        refusal = await refused(
            call(request(**given | {"job_id": "0" * 26}), metadata=admin.metadata)
        )
        assert refusal.reason == "NOT_FOUND"
    bad = {"page_size": -1} if method == "ListJobs" else {}
    refusal = await refused(call(request(**bad), metadata=admin.metadata))
    assert refusal.reason == "INVALID_ARGUMENT"
