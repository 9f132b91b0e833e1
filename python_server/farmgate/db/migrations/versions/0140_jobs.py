"""Background jobs.

Revision 0140.
"""

import sqlalchemy as sa
from alembic import op

revision = "0140"
down_revision = "0120"
branch_labels = None
depends_on = None

_Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=200), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("is_handed", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("lease_until", _Time, nullable=True),
        sa.Column("last_error", sa.String(length=1000), nullable=False),
        sa.Column("run_at", _Time, nullable=False),
        sa.Column("created_at", _Time, nullable=False),
        sa.Column("ended_at", _Time, nullable=True),
        sa.CheckConstraint("state BETWEEN 1 AND 6", name=op.f("ck_jobs_state_is_known")),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("ck_jobs_priority_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_jobs_dedupe_key")),
    )
    for columns in (
        ["state", "is_handed", "run_at"],
        ["queue", "id"],
        ["kind", "id"],
        ["ended_at"],
    ):
        op.create_index(op.f(f"ix_jobs_{'_'.join(columns)}"), "jobs", columns, unique=False)
    op.create_table(
        "job_steps",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("at", _Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_steps_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "step", name=op.f("pk_job_steps")),
    )
    op.create_table(
        "paused_queues",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("paused_at", _Time, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_paused_queues")),
    )


def downgrade() -> None:
    op.drop_table("paused_queues")
    op.drop_table("job_steps")
    op.drop_table("jobs")
