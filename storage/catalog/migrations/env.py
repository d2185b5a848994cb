"""Called by Alembic. The connection is handed in, inside a transaction that its owner commits or rolls back."""

from alembic import context

from storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=False,  # the transaction is not Alembic's
)
context.run_migrations()
