"""Jobs as rows: the authority on what is to be done and what was."""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
)

from farmgate.db.schema import Ulid, UtcTime, metadata

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", Ulid, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("payload", Text, nullable=False),
    # What makes two requests for work the same work.
    Column("dedupe_key", String(200), unique=True),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    # Rises with every hand-over to a queue, so what an older one left behind does nothing.
    Column("generation", Integer, nullable=False),
    Column("is_handed", Boolean(create_constraint=False), nullable=False),
    Column("worker", String(64), nullable=False),
    Column("lease_until", UtcTime),
    Column("last_error", String(1_000), nullable=False),
    Column("run_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    CheckConstraint("state BETWEEN 1 AND 6", name="state_is_known"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority_is_known"),
    Index(None, "state", "is_handed", "run_at"),
    Index(None, "queue", "id"),
    Index(None, "kind", "id"),
    Index(None, "ended_at"),
)

# Steps of jobs whose effect is in the database, in the transaction of the effect.
job_steps: Final = Table(
    "job_steps",
    metadata,
    Column("job_id", Ulid, primary_key=True),
    Column("step", String(64), primary_key=True),
    Column("at", UtcTime, nullable=False),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
)

paused_queues: Final = Table(
    "paused_queues",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("paused_at", UtcTime, nullable=False),
)
