"""The gRPC face of models and their training."""

from collections.abc import AsyncIterator
from typing import Final

from farmgate.ai.messages import model_message, run_message
from farmgate.ai.training import Training, Wish
from farmgate.api.ai.v1 import models_pb2
from farmgate.jobs.feed import Feed
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer

_HEARTBEAT_S: Final = 1.0
# The end of a stream that has nothing more to tell.
RUN_ENDED: Final = "RUN_ENDED"


class ModelServicer(Servicer):
    """Serves `ModelService`.

    Args:
        training: Keeps models and runs.
        feed: Tells when runs have got on.
        pager: Signs page tokens.
    """

    SERVICE = models_pb2.DESCRIPTOR.services_by_name["ModelService"]

    def __init__(self, training: Training, feed: Feed, pager: Pager) -> None:
        self._training = training
        self._feed = feed
        self._pager = pager

    async def RetrainModel(
        self, request: models_pb2.RetrainModelRequest, call: Call
    ) -> models_pb2.RetrainModelResponse:
        wish = Wish(
            tuple(sorted(set(request.symbols))),
            request.frequency,
            request.is_dry_run,
            request.reason,
        )
        return await self._training.retrain(
            call.caller.user_id,
            wish,
            call.effect(lambda run: models_pb2.RetrainModelResponse(run=run_message(run))),
        )

    async def GetTrainingRun(
        self, request: models_pb2.GetTrainingRunRequest, call: Call
    ) -> models_pb2.GetTrainingRunResponse:
        run = await self._training.run(request.run_id)
        return models_pb2.GetTrainingRunResponse(run=run_message(run))

    async def WatchTrainingRun(
        self, request: models_pb2.WatchTrainingRunRequest, call: Call
    ) -> AsyncIterator[models_pb2.WatchTrainingRunResponse]:
        position = 0
        while True:
            run, lines = await self._training.progress(request.run_id, position)
            for line in lines:
                position = line.id
                step = models_pb2.WatchTrainingRunResponse(run=run_message(run), log_line=line.line)
                # The run of now, as far as it was then.
                step.run.stage, step.run.done, step.run.total = line.stage, line.done, line.total
                yield step
            if lines:
                continue
            if not run.is_open:
                yield models_pb2.WatchTrainingRunResponse(
                    run=run_message(run), end_reason=RUN_ENDED
                )
                return
            if not await self._feed.moved(position, _HEARTBEAT_S):
                yield models_pb2.WatchTrainingRunResponse(run=run_message(run), is_heartbeat=True)

    async def CancelTrainingRun(
        self, request: models_pb2.CancelTrainingRunRequest, call: Call
    ) -> models_pb2.CancelTrainingRunResponse:
        return await self._training.cancel(
            request.run_id,
            request.reason,
            call.effect(lambda run: models_pb2.CancelTrainingRunResponse(run=run_message(run))),
        )

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, call: Call
    ) -> models_pb2.ListModelsResponse:
        place = self._pager.after(request, request.page_token)
        limit = page_size(request.page_size)
        status = ""
        if request.status:
            status = models_pb2.ModelStatus.Name(request.status).removeprefix("MODEL_STATUS_")
        found = await self._training.models(
            status=status, before=str(place[0]) if place else "", limit=limit + 1
        )
        reply = models_pb2.ListModelsResponse(models=map(model_message, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(request, (found[limit - 1].id,))
        return reply

    async def PromoteModel(
        self, request: models_pb2.PromoteModelRequest, call: Call
    ) -> models_pb2.PromoteModelResponse:
        return await self._training.promote(
            request.model_id,
            request.reason,
            call.effect(lambda model: models_pb2.PromoteModelResponse(model=model_message(model))),
            skips_gate=request.is_gate_skipped,
        )
