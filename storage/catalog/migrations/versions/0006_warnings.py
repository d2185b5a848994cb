"""Records that are stored with warnings: how many a job has, and each one's warnings."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.add_column("jobs", sa.Column("count_with_warnings", number, nullable=False, server_default="0"))
    op.add_column("outcomes", sa.Column("warnings", sa.JSON()))
    warned = sa.text("warnings IS NOT NULL")
    op.create_index("ix_outcomes_warned", "outcomes", ["job", "record"], sqlite_where=warned, postgresql_where=warned)
