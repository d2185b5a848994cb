"""The tables of the catalog. Changing one needs a migration beside this file; a test compares the two."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from storage.schema import Moment, Number, Words, metadata

keys = Table(
    "keys",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("hash", Text, nullable=False),
    Column("scopes", Words, nullable=False),
    Column("tenants", Words, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked", Moment),
    Column("last_used", Moment),
    Column("replaced_by", Number, ForeignKey("keys.id")),
)

control_files = Table(
    "control_files",
    metadata,
    Column("id", Number, primary_key=True),
    Column("api", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("comment", Text, nullable=False),
    Column("created", Moment, nullable=False),
    UniqueConstraint("api", "digest", "comment"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Number, primary_key=True),
    Column("identifier", Text, nullable=False, unique=True),
    Column("api", Text, nullable=False),
    Column("process", Text),
    Column("comment", Text, nullable=False),
    Column("control", String(64), index=True),
    Column("state", Text, nullable=False),
    Column("errors", Integer, nullable=False, default=0),
    Column("created", Moment, nullable=False),
    Column("created_by", Number, ForeignKey("keys.id")),
    Column("tenant", Text),
    Column("properties", JSON, nullable=False),
    Column("job", Text),  # no foreign key: jobs point at batches already
    Index(None, "api", "state"),
    Index(None, "state"),
    Index(None, "process"),
)

batch_files = Table(
    "batch_files",
    metadata,
    Column("id", Number, primary_key=True),  # also the order of upload
    Column("batch", Number, ForeignKey("batches.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("filename", Text),
    Column("digest", String(64), nullable=False, index=True),
    Column("size", Number, nullable=False),
    Column("created", Moment, nullable=False),
)

job_log = Table(
    "job_log",
    metadata,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("position", Number, primary_key=True, autoincrement=False),
    Column("level", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created", Moment, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("record", Number, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("file", Text),
    Column("line", Number),
    Column("message", Text),
    Column("original", LargeBinary),
    Column("detail", JSON(none_as_null=True)),
    Index(None, "job", "status", "record"),
)

TABLES = (keys, control_files, batches, batch_files, job_log, outcomes)
