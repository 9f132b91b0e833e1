"""The gRPC face of jobs and caches."""

from farmgate.admin.caching import Caching
from farmgate.admin.operations import Operations
from farmgate.api.admin.v1 import operations_pb2
from farmgate.db.outbox import text_of
from farmgate.jobs.store import JobFilter, JobRow
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer


class OperationsServicer(Servicer):
    """Serves `OperationsService`."""

    SERVICE = operations_pb2.DESCRIPTOR.services_by_name["OperationsService"]

    def __init__(self, operations: Operations, caching: Caching, pager: Pager) -> None:
        self._operations = operations
        self._caching = caching
        self._pager = pager

    async def PurgeCache(
        self, request: operations_pb2.PurgeCacheRequest, call: Call
    ) -> operations_pb2.PurgeCacheResponse:
        return await self._caching.purge(
            request.names,
            request.key,
            request.reason,
            call.effect(lambda count: operations_pb2.PurgeCacheResponse(purged_count=count)),
        )

    async def GetCacheStats(
        self, request: operations_pb2.GetCacheStatsRequest, call: Call
    ) -> operations_pb2.GetCacheStatsResponse:
        return operations_pb2.GetCacheStatsResponse(
            caches=[
                operations_pb2.CacheStats(
                    name=one.name, entries=one.entries, size_bytes=one.size_bytes,
                    hits=one.hits + one.shared_hits, misses=one.misses, ttl_s=one.ttl_s,
                )
                for one in self._caching.figures()
            ],
            is_shared=self._caching.is_shared,
        )  # fmt: skip

    async def ListJobs(
        self, request: operations_pb2.ListJobsRequest, call: Call
    ) -> operations_pb2.ListJobsResponse:
        place = self._pager.after(request, request.page_token, caller=call.caller.user_id)
        limit = page_size(request.page_size)
        wanted = JobFilter(request.queue, request.kind, request.state)
        page = await self._operations.page(
            wanted, before=str(place[0]) if place else "", limit=limit + 1
        )
        reply = operations_pb2.ListJobsResponse(
            jobs=map(_message, page.jobs[:limit]), paused_queues=page.paused
        )
        if len(page.jobs) > limit:
            reply.next_page_token = self._pager.token(
                request, (page.jobs[limit - 1].id,), caller=call.caller.user_id
            )
        return reply

    async def GetJob(
        self, request: operations_pb2.GetJobRequest, call: Call
    ) -> operations_pb2.GetJobResponse:
        return operations_pb2.GetJobResponse(
            job=_message(await self._operations.job(request.job_id))
        )

    async def RetryJob(
        self, request: operations_pb2.RetryJobRequest, call: Call
    ) -> operations_pb2.RetryJobResponse:
        return await self._operations.retry(
            request.job_id,
            request.reason,
            call.effect(lambda job: operations_pb2.RetryJobResponse(job=_message(job))),
        )

    async def CancelJob(
        self, request: operations_pb2.CancelJobRequest, call: Call
    ) -> operations_pb2.CancelJobResponse:
        return await self._operations.cancel(
            request.job_id,
            request.reason,
            call.effect(lambda job: operations_pb2.CancelJobResponse(job=_message(job))),
        )

    async def PauseQueue(
        self, request: operations_pb2.PauseQueueRequest, call: Call
    ) -> operations_pb2.PauseQueueResponse:
        def render(is_paused: bool) -> operations_pb2.PauseQueueResponse:  # noqa: FBT001 - The result.
            return operations_pb2.PauseQueueResponse(queue=request.queue, is_paused=is_paused)

        return await self._operations.pause(
            request.queue, request.reason, call.effect(render), is_resumed=request.is_resumed
        )


def _message(job: JobRow) -> operations_pb2.Job:
    message = operations_pb2.Job(
        job_id=job.id, queue=job.queue, kind=job.kind,
        state=operations_pb2.JobState.ValueType(job.state), priority=job.priority,
        attempts=job.attempts, max_attempts=job.max_attempts, payload_json=text_of(job.payload),
        last_error=job.last_error,
    )  # fmt: skip
    message.run_time.FromDatetime(job.run_at)
    message.create_time.FromDatetime(job.created_at)
    if job.ended_at is not None:
        message.end_time.FromDatetime(job.ended_at)
    return message
