"""Carries training runs out: reads prices, has the worker train, keeps what it made."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from farmgate.ai import forecast_store, histories, store
from farmgate.ai.outcomes import of_backtest
from farmgate.ai.sources import PriceSource
from farmgate.ai.styles import HISTORY_MIN, STYLES
from farmgate.ai.training import put_in_use
from farmgate.ai.values import (
    CANCELLED,
    CANDIDATE,
    FAILED,
    REJECTED,
    SUCCEEDED,
    Model,
    Run,
)
from farmgate.ai.worker import TRAIN
from farmgate.ai.workshop import Done, Step, WorkCancelledError, WorkError, Workshop
from farmgate.db import audit
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.jobs import kinds
from farmgate.jobs.queue import JobQueue
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids
from farmgate.telemetry.logs import logger

_log = logger(__name__)
_FAMILY: Final = "ensemble"
# A transaction of this many rows holds the writer for a few dozen milliseconds.
_OUTCOMES_AT_ONCE: Final = 2_000
_ERROR_LENGTH_MAX: Final = 500
_ATTEMPTS_MAX: Final = 3


class Trainer:
    """Does the jobs of training.

    Args:
        database: Where models are kept.
        source: Gives prices.
        workshop: Runs the worker.
        queue: Has forecasts made of a model that came into use.
        clock: Tells the time.
        ids: Names models.
    """

    def __init__(
        self, database: Database, source: PriceSource, workshop: Workshop, queue: JobQueue,
        clock: Clock, ids: Ids,
    ) -> None:  # fmt: skip
        self._database = database
        self._source = source
        self._workshop = workshop
        self._queue = queue
        self._clock = clock
        self._ids = ids

    async def train(self, job: kinds.Run) -> None:
        """Carries a run out.

        Raises:
            GiveUpError: It failed for good; the run says why.
        """
        run_id = str(job.payload["run_id"])
        now = self._clock.now()
        run = await self._database.write(lambda tx: store.take_run(tx, run_id, now))
        if run is None:
            return
        try:
            state, model_id = await self._frequencies(run)
        except WorkCancelledError:
            await self._end(run_id, state=CANCELLED)
        except WorkError as error:
            await self._end(run_id, state=FAILED, error=str(error))
            raise kinds.GiveUpError(str(error)) from error
        except Exception:
            if job.attempt >= _ATTEMPTS_MAX:
                await self._end(run_id, state=FAILED, error="It broke off; see the log.")
            raise
        else:
            await self._end(run_id, state=state, model_id=model_id)

    async def _frequencies(self, run: Run) -> tuple[str, str]:
        """Trains for each frequency that is asked for and has prices; returns state and model."""
        wanted = [run.frequency] if run.frequency else list(STYLES)
        state, model_id, told = SUCCEEDED, "", 0
        for frequency in wanted:
            done = await self._one(run, frequency)
            if done is None:
                continue
            told += 1
            state, model_id = await self._keep(run, done)
        if not told:
            raise WorkError(f"No series has {HISTORY_MIN} prices.")
        return state, model_id

    async def _one(self, run: Run, frequency: str) -> Done | None:
        """Has a model trained; returns None when there are no prices to learn from."""
        read = await histories.read(self._source, frequency)
        usable = [one for one in read if len(one[1]) >= HISTORY_MIN]
        if not usable or (run.symbols and not _named(usable, run.symbols)):
            return None
        champion, data, losses = await self._database.read(lambda tx: _champion(tx, frequency))
        task: dict[str, Any] = {
            "kind": TRAIN, "frequency": frequency, "wanted": list(run.symbols), "champion": None,
        }  # fmt: skip
        if champion is not None:
            task["champion"] = {
                "artifact_sha256": champion.artifact_sha256,
                "data_cutoff": champion.data_cutoff, "losses": losses,
            }  # fmt: skip
        return await self._workshop.run(task, usable, data, lambda steps: self._hear(run.id, steps))

    async def _hear(self, run_id: str, steps: Sequence[Step]) -> bool:
        """Keeps the progress; returns whether the run is still wanted."""
        now = self._clock.now()

        def note(connection: Connection) -> bool:
            changed: dict[str, Any] = {"beat_at": now}
            if steps:
                last = steps[-1]
                changed |= {name: last[name] for name in ("stage", "done", "total")}
                store.add_lines(connection, run_id, steps, now)
            if not store.change_open(connection, run_id, **changed):
                return False
            found = store.run(connection, run_id)
            return found is not None and not found.is_cancel_requested

        try:
            return await self._database.write(note)
        except DomainError:
            # A database that is away for a moment ends no training.
            return True

    async def _keep(self, run: Run, done: Done) -> tuple[str, str]:
        """Stores the model and what it forecast in its backtest; returns state and model ID."""
        result = done.result
        state = REJECTED if result["reasons"] else SUCCEEDED
        if run.is_dry_run:
            return state, ""
        version = _version(result)
        known = await self._database.read(lambda tx: store.model_of_version(tx, version))
        if known is not None:
            # The same prices give the same bytes: it is the same model.
            return REJECTED if known.status == REJECTED else SUCCEEDED, known.id
        model_id = self._ids.ulid()
        rows = [of_backtest(told, model_id) for told in result["outcomes"]]
        stamped = [{**one, "resolved_at": self._clock.now()} for one in rows if one is not None]
        for start in range(0, len(stamped), _OUTCOMES_AT_ONCE):
            part = stamped[start : start + _OUTCOMES_AT_ONCE]
            await self._database.write(
                lambda tx, part=part: forecast_store.add_outcomes(tx, part)  # type: ignore[misc] # mypy does not see defaults.
            )
        return await self._database.write(
            lambda tx: self._register(tx, run, done, model_id, version)
        )

    def _register(
        self, connection: Connection, run: Run, done: Done, model_id: str, version: str
    ) -> tuple[str, str]:
        """Stores the model; the first sound one of its frequency comes into use at once."""
        store.lock(connection)
        result, now = done.result, self._clock.now()
        frequency = result["frequency"]
        reasons = tuple(result["reasons"])
        summary = result["summary"] or {}
        is_first = store.champion(connection, frequency) is None
        serves = is_first and bool(summary.get("is_sound", True))
        model = Model(
            id=model_id, family=_FAMILY, version=version, frequency=frequency,
            recipe=json.loads(done.artifact)["recipe"],
            status=REJECTED if reasons and not serves else CANDIDATE,
            train_start=result["train_start"], data_cutoff=result["data_cutoff"],
            series_count=result["series_count"], row_count=result["row_count"],
            data_sha256=result["data_sha256"], artifact_sha256=result["artifact_sha256"],
            metrics={"backtest": result["summary"], "against": result["against"]},
            gate_reasons=reasons, run_id=run.id, created_at=now, promoted_at=None,
            is_fallback=False,
        )  # fmt: skip
        store.add_model(connection, model, done.artifact)
        if serves:
            put_in_use(connection, self._queue, model, now)
            self._audit(connection, model)
        _log.info("model trained", version=version, status=model.status, reasons=list(reasons))
        return (REJECTED if reasons and not serves else SUCCEEDED), model_id

    def _audit(self, connection: Connection, model: Model) -> None:
        entry = audit.Entry(
            self._clock.now(), "", "SYSTEM", "farmgate.api.ai.v1.ModelService/PromoteModel",
            f"model/{model.id}", model.run_id, "", "The first model of its frequency.",
        )  # fmt: skip
        audit.append(connection, entry)

    async def _end(self, run_id: str, *, state: str, model_id: str = "", error: str = "") -> None:
        now = self._clock.now()

        def end(connection: Connection) -> None:
            step = {"stage": state, "done": 1, "total": 1, "line": error}
            store.add_lines(connection, run_id, [step], now)
            store.change_open(
                connection, run_id, state=state, stage=state, model_id=model_id,
                error=error[:_ERROR_LENGTH_MAX], ended_at=now,
            )  # fmt: skip

        await self._database.write(end)


def _named(read: histories.Histories, symbols: Sequence[str]) -> bool:
    """Returns whether any of these series is named."""
    return any(one.series_id in symbols for one, _ in read)


def _champion(
    connection: Connection, frequency: str
) -> tuple[Model | None, bytes, list[tuple[str, str, float]]]:
    """Returns the model in use, its bytes and the losses of its backtest."""
    found = store.champion(connection, frequency)
    if found is None:
        return None, b"", []
    data = store.artifact(connection, found.artifact_sha256)
    return found, data, forecast_store.losses(connection, found.id)


def _version(result: dict[str, Any]) -> str:
    return f"{result['frequency']}-{result['data_cutoff']}-{result['artifact_sha256'][:12]}"
