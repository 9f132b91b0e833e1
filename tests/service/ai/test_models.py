"""Models and their training, as admins see them."""

import asyncio
from typing import Any

import pytest

from farmgate.api.ai.v1 import models_pb2
from farmgate.api.ai.v1.models_pb2 import (
    MODEL_STATUS_CHAMPION,
    MODEL_STATUS_REJECTED,
    MODEL_STATUS_RETIRED,
    TRAINING_RUN_STATE_CANCELLED,
    TRAINING_RUN_STATE_FAILED,
    TRAINING_RUN_STATE_QUEUED,
    TRAINING_RUN_STATE_REJECTED,
    TRAINING_RUN_STATE_SUCCEEDED,
)
from farmgate.api.ai.v1.models_pb2 import CancelTrainingRunRequest as Cancel
from farmgate.api.ai.v1.models_pb2 import ListModelsRequest as ListRequest
from farmgate.api.ai.v1.models_pb2 import PromoteModelRequest as Promote
from service.ai.harvest import DAILY, MONTHLY_SYMBOL, SYMBOL, Harvest
from support import SignedIn, refused

NO_ID = "01JD8Z3N6V7Q2X4T5Y6R8W9A0B"
REASON = "A test of it."


async def promote(harvest: Harvest, admin: SignedIn, model_id: str, **given: Any) -> Any:
    request = Promote(model_id=model_id, reason=REASON, **given)
    return (await harvest.models.PromoteModel(request, metadata=admin.metadata)).model


async def cancel(harvest: Harvest, admin: SignedIn, run_id: str) -> Any:
    request = Cancel(run_id=run_id, reason=REASON)
    return (await harvest.models.CancelTrainingRun(request, metadata=admin.metadata)).run


def watched(harvest: Harvest, admin: SignedIn, run_id: str) -> Any:
    request = models_pb2.WatchTrainingRunRequest(run_id=run_id)
    return harvest.models.WatchTrainingRun(request, metadata=admin.metadata)


async def challenger(harvest: Harvest, admin: SignedIn) -> tuple[SignedIn, Any]:
    """Has a model trained on prices of one more day; chance has nothing to offer it."""
    for name, series in harvest.market.known.items():
        if series.frequency == DAILY:
            harvest.market.follow(name, 1.01)
    await harvest.pass_minutes(24 * 60)
    admin = await harvest.again(admin)
    asked = await harvest.retrain(admin, frequency=DAILY)
    await harvest.settle()
    return admin, await harvest.run(admin, asked.run_id)


async def test_a_run_is_asked_for_followed_and_remembered(bare: Harvest) -> None:
    """AIM-031."""
    admin = await bare.admin()
    asked = await bare.retrain(admin, frequency=DAILY)
    assert (asked.state, asked.frequency, asked.reason) == (
        TRAINING_RUN_STATE_QUEUED, DAILY, REASON,
    )  # fmt: skip
    for frequency in (DAILY, ""):
        refusal = await refused(bare.retrain(admin, frequency=frequency))
        assert refusal.reason == "TRAINING_IN_PROGRESS"
        assert refusal.metadata == {"run_id": asked.run_id}
    steps: list[Any] = []

    async def follow() -> None:
        steps.extend([step async for step in watched(bare, admin, asked.run_id)])

    await asyncio.gather(follow(), bare.settle())
    done = await bare.run(admin, asked.run_id)
    assert done.state == TRAINING_RUN_STATE_SUCCEEDED
    assert steps[-1].end_reason == "RUN_ENDED"
    assert steps[-1].run == done
    lines = [step for step in steps if not step.is_heartbeat and not step.end_reason]
    stages = list(dict.fromkeys(step.run.stage for step in lines))
    assert stages[-1] == "SUCCEEDED"
    assert {"TRAIN", "BACKTEST"} < set(stages)
    assert all(0 <= step.run.done <= step.run.total for step in lines)
    # Somebody who comes late sees the same steps.
    again = [step async for step in watched(bare, admin, asked.run_id)]
    assert [step.log_line for step in again[:-1]] == [step.log_line for step in lines]
    (model,) = [one for one in await bare.listed(admin) if one.run_id == asked.run_id]
    assert model.model_id == done.model_id
    assert (model.status, model.series_count) == (MODEL_STATUS_CHAMPION, 3)
    # Months are looked at as well, and have their first model.
    told = await bare.told(admin, "model.promoted", 2)
    assert any(model.version in one.data_json for one in told)


async def test_the_same_prices_give_the_model_there_is(harvest: Harvest) -> None:
    """AIM-011."""
    admin = await harvest.admin()
    known = await harvest.listed(admin)
    asked = await harvest.retrain(admin, frequency=DAILY)
    await harvest.settle()
    done = await harvest.run(admin, asked.run_id)
    assert done.model_id in {one.model_id for one in known if one.frequency == DAILY}
    assert await harvest.listed(admin) == known


async def test_a_dry_run_leaves_no_model(harvest: Harvest) -> None:
    """AIM-032."""
    admin = await harvest.admin()
    known = await harvest.listed(admin)
    harvest.market.follow(MONTHLY_SYMBOL, 1.02)
    asked = await harvest.retrain(admin, frequency="M", is_dry_run=True)
    await harvest.settle()
    done = await harvest.run(admin, asked.run_id)
    assert done.state in {TRAINING_RUN_STATE_SUCCEEDED, TRAINING_RUN_STATE_REJECTED}
    assert not done.model_id
    assert await harvest.listed(admin) == known


async def test_a_run_that_waits_or_is_under_way_is_cancelled(bare: Harvest) -> None:
    """AIM-033."""
    admin = await bare.admin()
    waiting = await bare.retrain(admin, frequency="M")
    assert (await cancel(bare, admin, waiting.run_id)).state == TRAINING_RUN_STATE_CANCELLED
    running = await bare.retrain(admin, frequency=DAILY)

    async def end_when_it_trains() -> None:
        async for step in watched(bare, admin, running.run_id):
            if step.run.stage == "BACKTEST" and not step.run.end_time.seconds:
                await cancel(bare, admin, running.run_id)
                return

    await asyncio.gather(end_when_it_trains(), bare.settle())
    for run_id in (waiting.run_id, running.run_id):
        assert (await bare.run(admin, run_id)).state == TRAINING_RUN_STATE_CANCELLED
        refusal = await refused(cancel(bare, admin, run_id))
        assert refusal.reason == "RESOURCE_STATE"
        assert refusal.metadata["state"] == "CANCELLED"
    assert not await bare.listed(admin)


async def test_too_few_prices_fail_a_run_in_clear_words(bare: Harvest) -> None:
    """AIM-036."""
    admin = await bare.admin()
    for name in list(bare.market.told):
        bare.market.told[name] = bare.market.told[name][-9:]
    asked = await bare.retrain(admin)
    await bare.settle()
    done = await bare.run(admin, asked.run_id)
    assert (done.state, done.error) == (TRAINING_RUN_STATE_FAILED, "No series has 10 prices.")


async def test_the_gate_keeps_a_model_out_and_an_admin_may_overrule_it(harvest: Harvest) -> None:
    """AIM-030, AIM-037."""
    admin = await harvest.admin()
    (before,) = [one for one in await harvest.listed(admin) if one.frequency == DAILY]
    admin, done = await challenger(harvest, admin)
    assert done.state == TRAINING_RUN_STATE_REJECTED
    (rejected,) = await harvest.listed(admin, status=MODEL_STATUS_REJECTED)
    assert rejected.model_id == done.model_id
    assert rejected.gate_reasons
    served = await harvest.forecast(admin)
    assert served.model_version == before.version
    refusal = await refused(promote(harvest, admin, rejected.model_id))
    assert refusal.reason == "MODEL_GATE_FAILED"
    assert refusal.metadata["reasons"] == " ".join(rejected.gate_reasons)
    forced = await promote(harvest, admin, rejected.model_id, is_gate_skipped=True)
    assert forced.status == MODEL_STATUS_CHAMPION
    await harvest.settle()
    assert (await harvest.forecast(admin)).model_version == rejected.version
    # The one before comes back by the same call.
    retired = {one.model_id: one for one in await harvest.listed(admin)}[before.model_id]
    assert retired.status == MODEL_STATUS_RETIRED
    back = await promote(harvest, admin, before.model_id)
    assert back.status == MODEL_STATUS_CHAMPION
    await harvest.settle()
    assert (await harvest.forecast(admin)).model_version == before.version
    refusal = await refused(promote(harvest, admin, before.model_id))
    assert (refusal.reason, refusal.metadata["state"]) == ("RESOURCE_STATE", "CHAMPION")
    assert len(await harvest.told(admin, "model.promoted", 2)) == 2


async def test_models_are_listed_by_pages_and_status(harvest: Harvest) -> None:
    """AIM-038."""
    person = await harvest.api.person()
    known = await harvest.listed(person)
    assert sorted(one.frequency for one in known) == [DAILY, "M"]
    assert await harvest.listed(person, status=MODEL_STATUS_CHAMPION) == known
    assert not await harvest.listed(person, status=MODEL_STATUS_REJECTED)
    request = ListRequest(page_size=1)
    first = await harvest.models.ListModels(request, metadata=person.metadata)
    request.page_token = first.next_page_token
    second = await harvest.models.ListModels(request, metadata=person.metadata)
    assert [*first.models, *second.models] == known
    assert not second.next_page_token
    request.page_token = "another"
    call = harvest.models.ListModels(request, metadata=person.metadata)
    assert (await refused(call)).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("RetrainModel", models_pb2.RetrainModelRequest(reason=REASON)),
        ("GetTrainingRun", models_pb2.GetTrainingRunRequest(run_id=NO_ID)),
        ("CancelTrainingRun", Cancel(run_id=NO_ID, reason=REASON)),
        ("PromoteModel", Promote(model_id=NO_ID, reason=REASON)),
    ],
)
async def test_only_admins_train_and_promote(bare: Harvest, method: str, request_: Any) -> None:
    """AIM-039."""
    person, admin = await bare.api.person(), await bare.admin()
    call = getattr(bare.models, method)
    assert (await refused(call(request_))).reason == "UNAUTHENTICATED"
    assert (await refused(call(request_, metadata=person.metadata))).reason == "PERMISSION_DENIED"
    if method != "RetrainModel":
        assert (await refused(call(request_, metadata=admin.metadata))).reason == "NOT_FOUND"


async def test_nonsense_is_not_trained(bare: Harvest) -> None:
    """AIM-039."""
    admin = await bare.admin()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"frequency": "W"}, "INVALID_ARGUMENT"),
        ({"symbols": ["NOTHING"]}, "NOT_FOUND"),
        ({"symbols": [SYMBOL], "frequency": "M"}, "NOT_FOUND"),
        ({"symbols": [""]}, "INVALID_ARGUMENT"),
        ({"reason": ""}, "INVALID_ARGUMENT"),
    ]
    for given, reason in cases:
        assert (await refused(bare.retrain(admin, **given))).reason == reason, given
