"""Secrets of the server's own, how far a job has come, and the indices that pages and feeds read by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    op.add_column("jobs", sa.Column("fraction", sa.Float()))
    op.create_index("ix_batches_api", "batches", ["api"])
    op.create_index("ix_batches_created", "batches", ["created"])
    op.create_index("ix_jobs_started", "jobs", ["started"])
    op.create_index("ix_jobs_finished", "jobs", ["finished"])
    op.create_index("ix_jobs_state_finished", "jobs", ["state", "finished"])
    op.create_index("ix_jobs_state_mode_kind", "jobs", ["state", "mode", "kind"])
    op.create_index("ix_jobs_state_due_created", "jobs", ["state", "due", "created"])
    some_failed = sa.text("count_failed > 0")
    op.create_index("ix_jobs_some_failed", "jobs", ["finished"], sqlite_where=some_failed, postgresql_where=some_failed)
