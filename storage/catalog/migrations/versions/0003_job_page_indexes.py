"""Indices for pages of jobs, newest first, of one state or of one process."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    op.create_index("ix_jobs_process_id", "jobs", ["process", "id"])
