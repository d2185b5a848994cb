"""The exit code of each error: 1 the work failed, 2 wrong usage."""

from sqlite3 import DatabaseError

from server.cli.open_engine import WorkFailed
from server.engine.definitions.definitions import DefinitionsInvalid
from server.engine.errors import EngineError, RequestInvalid
from server.settings import SettingsWrong
from storage.errors import StorageError

CODES: dict[type[BaseException], int] = {
    WorkFailed: 1,
    EngineError: 1,
    StorageError: 1,
    DefinitionsInvalid: 1,
    DatabaseError: 1,
    OSError: 1,
    RequestInvalid: 2,
    SettingsWrong: 2,
}


def words_of(error: BaseException) -> str:
    """Returns an error's text; for a file its name and the reason, without the errno."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def exit_code(error: BaseException) -> int | None:
    """Returns the exit code; None for an unexpected error, which is a bug."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
