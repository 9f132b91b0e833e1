"""Use cases of models: asking for training, following it, ending it, putting a model in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.ai import store
from farmgate.ai.jobs import RENEW, TRAIN
from farmgate.ai.sources import PriceSource
from farmgate.ai.styles import STYLES
from farmgate.ai.values import (
    CANCELLED,
    CHAMPION,
    QUEUED,
    REJECTED,
    Line,
    Model,
    Run,
)
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.db.outbox import Announcement, announce, text_of
from farmgate.errors import DomainError, invalid
from farmgate.jobs.queue import JobQueue
from farmgate.ports.clock import Clock
from farmgate.ports.ids import Ids

M = TypeVar("M", bound=Serializable)
_LINES_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be trained.

    Attributes:
        symbols: Series to learn from; all when empty.
        frequency: "D", "M", or empty for both.
        is_dry_run: Whether the model is thrown away.
        reason: Why.
    """

    symbols: tuple[str, ...]
    frequency: str
    is_dry_run: bool
    reason: str


class Training:
    """Keeps models and training runs.

    Args:
        database: Where they are kept.
        source: Knows the series.
        queue: Carries runs out in the background.
        clock: Tells the time.
        ids: Names runs.
    """

    def __init__(
        self, database: Database, source: PriceSource, queue: JobQueue, clock: Clock, ids: Ids
    ) -> None:
        self._database = database
        self._source = source
        self._queue = queue
        self._clock = clock
        self._ids = ids

    async def retrain(self, user_id: str, wish: Wish, effect: Effect[Run, M]) -> M:
        """Starts a run in the background.

        Raises:
            DomainError: INVALID_ARGUMENT, NOT_FOUND or TRAINING_IN_PROGRESS.
        """
        if wish.frequency and wish.frequency not in STYLES:
            raise invalid("frequency", 'must be "D", "M" or empty for both')

        await self._check_symbols(wish)

        def change(connection: Connection) -> None:
            new = self.begin(connection, wish, user_id)
            effect.record(connection, new, resource=f"training_run/{new.id}", reason=wish.reason)

        await self._database.write(change)
        return effect.reply

    def begin(self, connection: Connection, wish: Wish, user_id: str = "") -> Run:
        """Stores a run and its job in a transaction.

        Raises:
            DomainError: TRAINING_IN_PROGRESS.
        """
        store.lock(connection)
        for other in store.open_runs(connection):
            if not wish.frequency or not other.frequency or wish.frequency == other.frequency:
                raise DomainError("TRAINING_IN_PROGRESS", run_id=other.id)
        new = Run(
            id=self._ids.ulid(), frequency=wish.frequency, symbols=wish.symbols,
            is_dry_run=wish.is_dry_run, reason=wish.reason, state=QUEUED, stage="", done=0,
            total=0, model_id="", error="", requested_by=user_id, requested_at=self._clock.now(),
        )  # fmt: skip
        store.add_run(connection, new)
        self._queue.enqueue(connection, TRAIN, {"run_id": new.id}, key=new.id)
        return new

    async def _check_symbols(self, wish: Wish) -> None:
        for symbol in wish.symbols:
            found = await self._source.one(symbol)
            if found is None or wish.frequency not in {"", found.frequency}:
                raise DomainError("NOT_FOUND", resource="series", id=symbol)

    async def run(self, run_id: str) -> Run:
        """Returns a run.

        Raises:
            DomainError: NOT_FOUND.
        """
        return await self._database.read(lambda tx: _run(tx, run_id))

    async def progress(self, run_id: str, after: int) -> tuple[Run, list[Line]]:
        """Returns a run and its steps after one, both of one moment.

        Raises:
            DomainError: NOT_FOUND.
        """
        return await self._database.read(
            lambda tx: (_run(tx, run_id), store.lines(tx, run_id, after, _LINES_MAX))
        )

    async def cancel(self, run_id: str, reason: str, effect: Effect[Run, M]) -> M:
        """Ends a run that waits, and asks one that is under way to end.

        Raises:
            DomainError: NOT_FOUND or RESOURCE_STATE.
        """

        def change(connection: Connection) -> None:
            store.lock(connection)
            found = _run(connection, run_id)
            if not found.is_open:
                raise _state("training_run", run_id, found.state, "cancellation")
            now = self._clock.now()
            if found.state == QUEUED:
                store.change_open(connection, run_id, state=CANCELLED, ended_at=now)
            store.change_open(connection, run_id, is_cancel_requested=True)
            effect.record(
                connection, _run(connection, run_id), resource=f"training_run/{run_id}",
                reason=reason,
            )  # fmt: skip

        await self._database.write(change)
        return effect.reply

    async def models(self, *, status: str, before: str, limit: int) -> Sequence[Model]:
        """Returns models, newest first."""
        return await self._database.read(
            lambda tx: store.models(tx, status=status, before=before, limit=limit)
        )

    async def promote(
        self, model_id: str, reason: str, effect: Effect[Model, M], *, skips_gate: bool
    ) -> M:
        """Puts a model in use; one that was in use before comes back.

        Raises:
            DomainError: NOT_FOUND, RESOURCE_STATE or MODEL_GATE_FAILED.
        """

        def change(connection: Connection) -> None:
            store.lock(connection)
            found = store.model(connection, model_id)
            if found is None:
                raise DomainError("NOT_FOUND", resource="model", id=model_id)
            if found.status == CHAMPION:
                raise _state("model", model_id, found.status, "promotion")
            if found.status == REJECTED and not skips_gate:
                reasons = " ".join(found.gate_reasons)
                raise DomainError("MODEL_GATE_FAILED", model_id=model_id, reasons=reasons)
            before = store.champion(connection, found.frequency)
            put_in_use(connection, self._queue, found, self._clock.now())
            detail = text_of({
                "is_gate_skipped": skips_gate, "replaces": before.version if before else "",
            })  # fmt: skip
            promoted = store.model(connection, model_id)
            assert promoted is not None, "It was there a moment ago."
            effect.record(
                connection, promoted, resource=f"model/{model_id}", reason=reason, detail=detail
            )

        await self._database.write(change)
        return effect.reply


def put_in_use(connection: Connection, queue: JobQueue, model: Model, now: datetime) -> None:
    """Puts a model in use, has its forecasts made, and tells admins."""
    store.put_in_use(connection, model.id, model.frequency, now)
    queue.enqueue(connection, RENEW, {"model_id": model.id})
    kind = {"D": "daily prices", "M": "monthly prices"}[model.frequency]
    announce(
        connection,
        Announcement(
            "model.promoted", now, role="ADMIN", about=f"{model.id}/{now.isoformat()}",
            data={"version": model.version, "symbol": kind, "model_id": model.id},
        ),
    )  # fmt: skip


def _run(connection: Connection, run_id: str) -> Run:
    found = store.run(connection, run_id)
    if found is None:
        raise DomainError("NOT_FOUND", resource="training run", id=run_id)
    return found


def _state(resource: str, id_: str, state: str, action: str) -> DomainError:
    return DomainError("RESOURCE_STATE", resource=resource, id=id_, state=state, action=action)
