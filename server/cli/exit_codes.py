"""Errors a command may end in, and the exit code of each: 1 the work failed, 2 wrong usage."""

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
    """An error for people: of a file its name and what is wrong, without the system's number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def exit_code(error: BaseException) -> int | None:
    """None for an error that nobody expected: a fault of this program."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
