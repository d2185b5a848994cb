"""A scheduled load has two transactions: the request, which ends at once, and the execution of its schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.String(27)
COLUMNS = (
    "number, id, job, action, name, filename, hierarchy, username, submitted, due, timezone, load, parameters, "
    "request_meta, plan"
)


def upgrade() -> None:
    """Made anew: two transactions may now have one job, and SQLite cannot take a constraint away."""
    op.rename_table("transactions", "old_transactions")
    op.drop_index("ix_transactions_due", "old_transactions")
    op.create_table(
        "transactions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("hierarchy", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("submitted", MOMENT, nullable=False),
        sa.Column("due", MOMENT),
        sa.Column("timezone", sa.Integer()),
        sa.Column("load", sa.Text()),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("request_meta", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON()),
        sa.Column("scheduled_by", sa.Text()),
        sa.PrimaryKeyConstraint("number", name="pk_transactions"),
        sa.UniqueConstraint("id", name="uq_transactions_id"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_transactions_job"),
    )
    op.execute(f"INSERT INTO transactions ({COLUMNS}) SELECT {COLUMNS} FROM old_transactions")
    op.drop_table("old_transactions")
    op.create_index("ix_transactions_job", "transactions", ["job"])
    op.create_index("ix_transactions_due", "transactions", ["due"])
    op.create_index("ix_transactions_scheduled_by", "transactions", ["scheduled_by"])
