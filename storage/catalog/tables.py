"""The tables of the catalog. Changing one needs a migration beside this file; a test compares the two."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.schema import Number, StringList, UtcDateTime, metadata

keys = Table(
    "keys",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("hash", Text, nullable=False),
    Column("scopes", StringList, nullable=False),
    Column("tenants", StringList, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", UtcDateTime),
    Column("last_used", UtcDateTime),
    Column("replaced_by", Number, ForeignKey("keys.id")),
)

control_files = Table(
    "control_files",
    metadata,
    Column("id", Number, primary_key=True),
    Column("api", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("comment", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
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
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", Number, ForeignKey("keys.id")),
    Column("tenant", Text),
    Column("properties", JSON, nullable=False),
    Column("job", Text),  # no foreign key: jobs point at batches already
    Index(None, "api", "state"),
    Index(None, "api"),
    Index(None, "state"),
    Index(None, "process"),
    Index(None, "created"),
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
    Column("created", UtcDateTime, nullable=False),
)

job_log = Table(
    "job_log",
    metadata,
    Column("job", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("position", Number, primary_key=True, autoincrement=False),
    Column("level", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False, server_default="note"),
    Column("record", Number),
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
    Column("warnings", JSON(none_as_null=True)),
    Index(None, "job", "status", "record"),
    Index(
        "ix_outcomes_warned",
        "job",
        "record",
        sqlite_where=text("warnings IS NOT NULL"),
        postgresql_where=text("warnings IS NOT NULL"),
    ),
)

upload_definitions = Table(
    "upload_definitions",
    metadata,
    Column("number", Number, primary_key=True),  # also the order of creation
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("status", Text),
    Column("create_date", UtcDateTime),
    Column("meta_job", Text),
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", Text),
    Column("updated", UtcDateTime, nullable=False),
    Column("updated_by", Text),
    Index(None, "tenant", "number"),
)

file_definitions = Table(
    "file_definitions",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("definition", Number, ForeignKey("upload_definitions.number"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("ui_key", Text),
    Column("declared_size", Number),
    Column("created", UtcDateTime, nullable=False),
    Column("job", Text),
    Column("digest", String(64), index=True),
    Column("size", Number),
    Column("uploaded", UtcDateTime),
    Column("failed", Boolean, nullable=False),
    Column("processed", UtcDateTime),
    Index(None, "definition", "position"),
)

tenants = Table(
    "tenants",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

file_extensions = Table(
    "file_extensions",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, ForeignKey("tenants.name"), nullable=False, index=True),
    Column("extension", Text, nullable=False),
    Column("import_blocked", Boolean, nullable=False),
    Column("data_types", StringList, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", Text),
    Column("updated", UtcDateTime, nullable=False),
    Column("updated_by", Text),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("key", Number, ForeignKey("keys.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("expires", UtcDateTime, nullable=False, index=True),
)

staged_uploads = Table(
    "staged_uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False, index=True),
)

staged_parts = Table(
    "staged_parts",
    metadata,
    Column("upload", Text, ForeignKey("staged_uploads.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size", Number, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

job_executions = Table(
    "job_executions",
    metadata,
    Column("number", Number, primary_key=True),  # also the order of creation
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("hr_id", Number, nullable=False),
    Column("parent", Text, nullable=False, index=True),
    Column("subordination", Text, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("file_name", Text),
    Column("user", Text),
    Column("profile", JSON(none_as_null=True)),
    Column("status", Text, nullable=False),
    Column("error_status", Text),
    Column("whole", Boolean, nullable=False),
    Column("expected", Number),
    Column("created", UtcDateTime, nullable=False),
    Column("started", UtcDateTime),
    Column("completed", UtcDateTime),
    Column("deleted", UtcDateTime),
    UniqueConstraint("tenant", "hr_id"),
)

job_rounds = Table(
    "job_rounds",
    metadata,
    Column("batch", Number, ForeignKey("batches.id"), primary_key=True, autoincrement=False),
    Column("execution", Text, ForeignKey("job_executions.id"), nullable=False, index=True),
)

record_chunks = Table(
    "record_chunks",
    metadata,
    Column("execution", Text, ForeignKey("job_executions.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("batch", Number, ForeignKey("batches.id")),
    Column("records", Integer, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

uploaded_files = Table(
    "uploaded_files",
    metadata,
    Column("number", Number, primary_key=True),  # also the order of upload
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("size", Number, nullable=False),
    Column("hierarchy", Text),
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", Number, ForeignKey("keys.id")),
    Index(None, "name", "number"),
)

bulk_loads = Table(
    "bulk_loads",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("file", Text),
    Column("description", Text, nullable=False),
    Column("hierarchy", Text),
    Column("owner", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

transactions = Table(
    "transactions",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("job", Text, ForeignKey("jobs.id"), nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("hierarchy", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("submitted", UtcDateTime, nullable=False),
    Column("due", UtcDateTime, index=True),
    Column("timezone", Integer),
    Column("load", Text),
    Column("parameters", JSON, nullable=False),
    Column("request_meta", JSON, nullable=False),
    Column("plan", JSON(none_as_null=True)),
    Column("scheduled_by", Text, index=True),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

proposals = Table(
    "proposals",
    metadata,
    Column("batch", Number, ForeignKey("batches.id"), primary_key=True, autoincrement=False),
    Column("found", JSON(none_as_null=True)),
    Column("decision", Text),
    Column("decided", UtcDateTime),
    Column("imported", Text),  # the identifier of the batch that imports it
    Column("dropped", JSON(none_as_null=True)),  # files that were deleted
)

TABLES = (
    *(keys, control_files, batches, batch_files, job_log, outcomes),
    *(upload_definitions, file_definitions, tenants, file_extensions, sessions, staged_uploads, staged_parts),
    *(job_executions, job_rounds, record_chunks),
    *(uploaded_files, bulk_loads, transactions, secrets, proposals),
)
