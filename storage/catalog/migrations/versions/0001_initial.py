"""The first form of the catalog."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.String(27)
DIGEST = sa.String(64)
COUNTS = ("read", "created", "updated", "unchanged", "deleted", "failed", "skipped")


def upgrade() -> None:
    _keys()
    _control_files()
    _batches()
    _batch_files()
    _jobs()
    _job_log()
    _outcomes()
    _definitions()
    _file_definitions()
    _file_extensions()
    _sessions()
    _staging()
    _job_executions()
    _transactions()


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("tenants", sa.JSON(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT),
        sa.Column("revoked", MOMENT),
        sa.Column("last_used", MOMENT),
        sa.Column("replaced_by", NUMBER),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.ForeignKeyConstraint(["replaced_by"], ["keys.id"], name="fk_keys_replaced_by"),
        sa.UniqueConstraint("prefix", name="uq_keys_prefix"),
    )


def _control_files() -> None:
    op.create_table(
        "control_files",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_control_files"),
        sa.UniqueConstraint("api", "digest", "comment", name="uq_control_files_api_digest_comment"),
    )
    _index("control_files", "digest")


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("process", sa.Text()),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("control", DIGEST),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("created_by", NUMBER),
        sa.Column("tenant", sa.Text()),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("job", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.ForeignKeyConstraint(["created_by"], ["keys.id"], name="fk_batches_created_by"),
        sa.UniqueConstraint("identifier", name="uq_batches_identifier"),
    )
    for columns in (["control"], ["api", "state"], ["state"], ["process"]):
        _index("batches", *columns)


def _batch_files() -> None:
    op.create_table(
        "batch_files",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("batch", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text()),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batch_files"),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name="fk_batch_files_batch"),
    )
    _index("batch_files", "batch")
    _index("batch_files", "digest")


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("batch", NUMBER),
        sa.Column("process", sa.Text()),
        sa.Column("control", DIGEST),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text()),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("furthest", NUMBER, nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("lease_until", MOMENT),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("started", MOMENT),
        sa.Column("finished", MOMENT),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        *(sa.Column(f"count_{name}", NUMBER, nullable=False) for name in COUNTS),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name="fk_jobs_batch"),
    )
    for columns in (["batch"], ["control"], ["state", "priority", "due", "created"], ["lane", "state"]):
        _index("jobs", *columns)


def _job_log() -> None:
    op.create_table(
        "job_log",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("position", NUMBER, nullable=False, autoincrement=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("job", "position", name="pk_job_log"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_job_log_job"),
    )


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("record", NUMBER, nullable=False, autoincrement=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("file", sa.Text()),
        sa.Column("line", NUMBER),
        sa.Column("message", sa.Text()),
        sa.Column("original", sa.LargeBinary()),
        sa.Column("detail", sa.JSON()),
        sa.PrimaryKeyConstraint("job", "record", name="pk_outcomes"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_outcomes_job"),
    )
    _index("outcomes", "job", "status", "record")


def _definitions() -> None:
    op.create_table(
        "upload_definitions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("status", sa.Text()),
        sa.Column("create_date", MOMENT),
        sa.Column("meta_job", sa.Text()),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("updated", MOMENT, nullable=False),
        sa.Column("updated_by", sa.Text()),
        sa.PrimaryKeyConstraint("number", name="pk_upload_definitions"),
        sa.UniqueConstraint("id", name="uq_upload_definitions_id"),
    )
    _index("upload_definitions", "tenant", "number")


def _file_definitions() -> None:
    op.create_table(
        "file_definitions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("definition", NUMBER, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ui_key", sa.Text()),
        sa.Column("declared_size", NUMBER),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("job", sa.Text()),
        sa.Column("digest", DIGEST),
        sa.Column("size", NUMBER),
        sa.Column("uploaded", MOMENT),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("processed", MOMENT),
        sa.PrimaryKeyConstraint("number", name="pk_file_definitions"),
        sa.ForeignKeyConstraint(["definition"], ["upload_definitions.number"], name="fk_file_definitions_definition"),
        sa.UniqueConstraint("id", name="uq_file_definitions_id"),
    )
    _index("file_definitions", "digest")
    _index("file_definitions", "definition", "position")


def _file_extensions() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tenants"),
    )
    op.create_table(
        "file_extensions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("import_blocked", sa.Boolean(), nullable=False),
        sa.Column("data_types", sa.JSON(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("updated", MOMENT, nullable=False),
        sa.Column("updated_by", sa.Text()),
        sa.PrimaryKeyConstraint("number", name="pk_file_extensions"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_file_extensions_tenant"),
        sa.UniqueConstraint("id", name="uq_file_extensions_id"),
    )
    _index("file_extensions", "tenant")


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("hash", DIGEST, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_sessions"),
        sa.ForeignKeyConstraint(["key"], ["keys.id"], name="fk_sessions_key"),
    )
    _index("sessions", "key")
    _index("sessions", "expires")


def _staging() -> None:
    op.create_table(
        "staged_uploads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staged_uploads"),
    )
    op.create_table(
        "staged_parts",
        sa.Column("upload", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("upload", "number", name="pk_staged_parts"),
        sa.ForeignKeyConstraint(["upload"], ["staged_uploads.id"], name="fk_staged_parts_upload"),
    )
    _index("staged_uploads", "created")
    _index("staged_parts", "digest")


def _job_executions() -> None:
    op.create_table(
        "job_executions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("hr_id", NUMBER, nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("subordination", sa.Text(), nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text()),
        sa.Column("user", sa.Text()),
        sa.Column("profile", sa.JSON()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_status", sa.Text()),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("expected", NUMBER),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("started", MOMENT),
        sa.Column("completed", MOMENT),
        sa.Column("deleted", MOMENT),
        sa.PrimaryKeyConstraint("number", name="pk_job_executions"),
        sa.UniqueConstraint("tenant", "hr_id", name="uq_job_executions_tenant_hr_id"),
        sa.UniqueConstraint("id", name="uq_job_executions_id"),
    )
    _index("job_executions", "parent")
    op.create_table(
        "job_rounds",
        sa.Column("batch", NUMBER, nullable=False, autoincrement=False),
        sa.Column("execution", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("batch", name="pk_job_rounds"),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name="fk_job_rounds_batch"),
        sa.ForeignKeyConstraint(["execution"], ["job_executions.id"], name="fk_job_rounds_execution"),
    )
    _index("job_rounds", "execution")
    op.create_table(
        "record_chunks",
        sa.Column("execution", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("batch", NUMBER),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("execution", "id", name="pk_record_chunks"),
        sa.ForeignKeyConstraint(["execution"], ["job_executions.id"], name="fk_record_chunks_execution"),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name="fk_record_chunks_batch"),
    )


def _transactions() -> None:
    op.create_table(
        "uploaded_files",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("hierarchy", sa.Text()),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("created_by", NUMBER),
        sa.PrimaryKeyConstraint("number", name="pk_uploaded_files"),
        sa.ForeignKeyConstraint(["created_by"], ["keys.id"], name="fk_uploaded_files_created_by"),
        sa.UniqueConstraint("id", name="uq_uploaded_files_id"),
    )
    op.create_table(
        "bulk_loads",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("file", sa.Text()),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("hierarchy", sa.Text()),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_bulk_loads"),
        sa.UniqueConstraint("id", name="uq_bulk_loads_id"),
    )
    op.create_table(
        "transactions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        *(sa.Column(n, sa.Text(), nullable=False) for n in ("action", "name", "filename", "hierarchy", "username")),
        sa.Column("submitted", MOMENT, nullable=False),
        sa.Column("due", MOMENT),
        sa.Column("timezone", sa.Integer()),
        sa.Column("load", sa.Text()),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("request_meta", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON()),
        sa.PrimaryKeyConstraint("number", name="pk_transactions"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_transactions_job"),
        sa.UniqueConstraint("id", name="uq_transactions_id"),
        sa.UniqueConstraint("job", name="uq_transactions_job"),
    )
    _index("uploaded_files", "digest")
    _index("uploaded_files", "name", "number")
    _index("transactions", "due")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
