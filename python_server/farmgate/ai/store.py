"""SQL of models and training runs."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, text, update

from farmgate.ai.tables import ai_artifacts, ai_models, ai_run_lines, ai_runs
from farmgate.ai.values import CHAMPION, OPEN, RETIRED, RUNNING, Line, Model, Run

# One writer of the registry at a time on PostgreSQL; SQLite has one writer anyway.
_LOCK_KEY: Final = 0x6169
_LINE_LENGTH_MAX: Final = 500


def lock(connection: Connection) -> None:
    """Makes other transactions that change models or start runs wait for this one."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


def model(connection: Connection, model_id: str) -> Model | None:
    """Returns a model."""
    row = connection.execute(select(ai_models).where(ai_models.c.id == model_id)).first()
    return _model(row) if row else None


def model_of_version(connection: Connection, version: str) -> Model | None:
    """Returns the model of a version."""
    row = connection.execute(select(ai_models).where(ai_models.c.version == version)).first()
    return _model(row) if row else None


def champion(connection: Connection, frequency: str) -> Model | None:
    """Returns the model in use for a frequency."""
    query = select(ai_models).where(
        ai_models.c.frequency == frequency, ai_models.c.status == CHAMPION
    )
    row = connection.execute(query).first()
    return _model(row) if row else None


def models(connection: Connection, *, status: str, before: str, limit: int) -> list[Model]:
    """Returns models, newest first, before one."""
    query = select(ai_models)
    if status:
        query = query.where(ai_models.c.status == status)
    if before:
        query = query.where(ai_models.c.id < before)
    rows = connection.execute(query.order_by(ai_models.c.id.desc()).limit(limit))
    return [_model(row) for row in rows]


def add_model(connection: Connection, new: Model, artifact: bytes) -> None:
    """Stores a model and its artifact, which another model may have already."""
    known = select(ai_artifacts.c.sha256).where(ai_artifacts.c.sha256 == new.artifact_sha256)
    if connection.execute(known).first() is None:
        connection.execute(
            insert(ai_artifacts).values(
                sha256=new.artifact_sha256, data=artifact, created_at=new.created_at
            )
        )
    values = {name: getattr(new, name) for name in Model.__slots__}
    values["metrics"] = json.dumps(new.metrics, sort_keys=True)
    values["gate_reasons"] = json.dumps(new.gate_reasons)
    connection.execute(insert(ai_models).values(**values))


def artifact(connection: Connection, sha256: str) -> bytes:
    """Returns the bytes kept under a hash."""
    data: bytes = connection.execute(
        select(ai_artifacts.c.data).where(ai_artifacts.c.sha256 == sha256)
    ).scalar_one()
    return bytes(data)


def put_in_use(connection: Connection, model_id: str, frequency: str, now: datetime) -> None:
    """Makes a model the one in use; the one before is retired."""
    table = ai_models
    connection.execute(
        update(table)
        .where(table.c.frequency == frequency, table.c.status == CHAMPION)
        .values(status=RETIRED)
    )
    connection.execute(
        update(table)
        .where(table.c.id == model_id)
        .values(status=CHAMPION, promoted_at=now, is_fallback=False)
    )


def fall_back(connection: Connection, model_id: str) -> None:
    """Leaves member C of a model out from now on."""
    connection.execute(update(ai_models).where(ai_models.c.id == model_id).values(is_fallback=True))


def run(connection: Connection, run_id: str) -> Run | None:
    """Returns a run."""
    row = connection.execute(select(ai_runs).where(ai_runs.c.id == run_id)).first()
    return _run(row) if row else None


def open_runs(connection: Connection) -> list[Run]:
    """Returns the runs that wait or are under way, oldest first."""
    query = select(ai_runs).where(ai_runs.c.state.in_(OPEN)).order_by(ai_runs.c.id)
    return [_run(row) for row in connection.execute(query)]


def last_request(connection: Connection, frequency: str) -> datetime | None:
    """Returns when training for a frequency was asked for last, dry runs aside."""
    query = select(func.max(ai_runs.c.requested_at)).where(
        ai_runs.c.frequency.in_((frequency, "")), ai_runs.c.is_dry_run.is_(False)
    )
    found: datetime | None = connection.execute(query).scalar()
    return found


def add_run(connection: Connection, new: Run) -> None:
    """Stores a run."""
    values: dict[str, Any] = {name: getattr(new, name) for name in Run.__slots__}
    connection.execute(insert(ai_runs).values(**values | {"symbols": json.dumps(new.symbols)}))


def take_run(connection: Connection, run_id: str, now: datetime) -> Run | None:
    """Returns a run, begun; None when it is over or there is none."""
    table = ai_runs
    begun = connection.execute(
        update(table)
        .where(table.c.id == run_id, table.c.state.in_(OPEN))
        .values(state=RUNNING, beat_at=now, started_at=func.coalesce(table.c.started_at, now))
        .returning(table.c.id)
    ).first()
    return run(connection, run_id) if begun else None


def change_open(connection: Connection, run_id: str, **values: Any) -> bool:
    """Changes fields of a run that is not over; returns whether it is not."""
    changed = connection.execute(
        update(ai_runs)
        .where(ai_runs.c.id == run_id, ai_runs.c.state.in_(OPEN))
        .values(**values)
        .returning(ai_runs.c.id)
    ).first()
    return changed is not None


def add_lines(
    connection: Connection, run_id: str, steps: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Stores steps of a run's progress."""
    rows = [
        {
            "run_id": run_id, "at": now, "stage": step["stage"], "done": step["done"],
            "total": step["total"], "line": str(step["line"])[:_LINE_LENGTH_MAX],
        }
        for step in steps
    ]  # fmt: skip
    if rows:
        connection.execute(insert(ai_run_lines), rows)


def lines(connection: Connection, run_id: str, after: int, limit: int) -> list[Line]:
    """Returns the steps of a run's progress after one."""
    table = ai_run_lines.c
    query = (
        select(table.id, table.run_id, table.stage, table.done, table.total, table.line)
        .where(table.run_id == run_id, table.id > after)
        .order_by(table.id)
        .limit(limit)
    )
    return [Line(*row) for row in connection.execute(query)]


def last_line(connection: Connection) -> int:
    """Returns the number of the newest step of any run; 0 when there is none."""
    return int(connection.execute(select(func.max(ai_run_lines.c.id))).scalar() or 0)


def _model(row: Row[Any]) -> Model:
    values = {name: getattr(row, name) for name in Model.__slots__}
    values["metrics"] = json.loads(row.metrics)
    values["gate_reasons"] = tuple(json.loads(row.gate_reasons))
    return Model(**values)


def _run(row: Row[Any]) -> Run:
    values = {name: getattr(row, name) for name in Run.__slots__}
    values["symbols"] = tuple(json.loads(row.symbols))
    return Run(**values)
