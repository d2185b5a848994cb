"""Runs Alembic's scripts in the transaction at hand."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage.errors import DatabaseNewer

FOLDER = Path(__file__).with_name("migrations")


def upgrade(connection: Connection, name: str, to: str = "head") -> None:
    """Raises DatabaseNewer when the database knows a revision that this program does not."""
    config = configuration(connection)
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseNewer(name, found)
    command.upgrade(config, to)


def configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
