"""The one table of the queue. It is in the catalog database, so that a job is put in the transaction that needs it."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from storage.schema import Number, UtcDateTime, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("batch", Number, ForeignKey("batches.id"), index=True),
    Column("process", Text),
    Column("control", String(64), index=True),
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lane", Text),
    Column("priority", Integer, nullable=False),
    Column("due", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("max_attempts", Integer, nullable=False),
    Column("furthest", Number, nullable=False, default=0),  # the most records that any attempt has read
    Column("owner", Text),
    Column("lease_until", UtcDateTime),
    Column("created", UtcDateTime, nullable=False),
    Column("started", UtcDateTime),
    Column("finished", UtcDateTime),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    *(
        Column(f"count_{name}", Number, nullable=False, default=0)
        for name in ("read", "created", "updated", "unchanged", "deleted", "failed", "skipped")
    ),
    Column("errors", Integer, nullable=False, default=0),
    Column("error", Text),
    Column("payload", JSON, nullable=False),
    Column("fraction", Float),  # of its input that a job has read, 0 to 1; empty where it is not known
    Column("count_with_warnings", Number, nullable=False, default=0, server_default="0"),
    Index(None, "state", "priority", "due", "created"),
    Index(None, "lane", "state"),
    Index(None, "state", "id"),
    Index(None, "process", "id"),
    Index(None, "state", "mode", "kind"),
    Index(None, "started"),
    Index(None, "finished"),
    Index(None, "state", "finished"),
    Index(None, "state", "due", "created"),
    Index(
        "ix_jobs_some_failed",
        "finished",
        sqlite_where=text("count_failed > 0"),
        postgresql_where=text("count_failed > 0"),
    ),
)

TABLES = (jobs,)
