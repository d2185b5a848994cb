"""Imports that are proposed on the site: what their dry run found, and what was decided."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("batch", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=False, nullable=False),
        sa.Column("found", sa.JSON()),
        sa.Column("decision", sa.Text()),
        sa.Column("decided", MOMENT),
        sa.Column("imported", sa.Text()),
        sa.Column("dropped", sa.JSON()),
        sa.PrimaryKeyConstraint("batch", name="pk_proposals"),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name="fk_proposals_batch"),
    )
