"""The responses to refusals, in the documented form: a text, or for 422 a set of errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson

from server.dialects.folio.cql import QueryInvalid
from server.engine.errors import (
    AccessRefused,
    DefinitionNotFound,
    DiskFull,
    EngineError,
    ExtensionTaken,
    ExtensionWrong,
    FileNotFound,
    FilesRefused,
    KeyThrottled,
    NotFound,
    Refused,
    UploadTooLarge,
    UploadTooSlow,
)
from server.web.errors import Answer

VALIDATION = 422


class Problem(NamedTuple):
    """One error of a set."""

    message: str
    code: str = "-1"
    type: str = "1"
    key: str | None = None
    value: str = ""


class BodyInvalid(Refused):
    """A body that is not JSON, or has a value of a wrong type."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Json content error {reason}")


class ValidationFailed(Refused):
    """A body that is valid JSON but breaks a rule."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class HeaderWrong(Refused):
    """A request header that is missing or wrong."""


class ParameterWrong(Refused):
    """A query parameter that is missing or wrong."""

    def __init__(self, name: str, value: str | None, must: str) -> None:
        shown = "null" if value is None else value
        super().__init__(f"'{name}' parameter is incorrect. parameter value {{{shown}}} is not valid: must {must}")


def as_json(problems: Sequence[Problem]) -> str:
    errors = [
        {
            "message": problem.message,
            "type": problem.type,
            "code": problem.code,
            "parameters": [] if problem.key is None else [{"key": problem.key, "value": problem.value}],
        }
        for problem in problems
    ]
    return orjson.dumps({"errors": errors, "total_records": len(errors)}, option=orjson.OPT_INDENT_2).decode()


def _query(error: QueryInvalid) -> str:
    """Returns the error of a query; its parameter is the text that the message quotes."""
    message = str(error)
    first, last = message.find("'"), message.rfind("'")
    return as_json([Problem(message, key=message[first + 1 : last] if first < last else "")])


def _files(error: FilesRefused) -> str:
    return as_json([Problem(problem, code=name) for name, problem in error.problems])


def _coded(code: str) -> Callable[[EngineError], str]:
    return lambda error: as_json([Problem(str(error), code=code)])


TABLE: Mapping[type[EngineError], Answer] = {
    EngineError: Answer(400),
    NotFound: Answer(404),
    DefinitionNotFound: Answer(404, lambda error: f"Upload Definition with id '{error.name}' not found"),
    FileNotFound: Answer(404, lambda error: f"File not found. FileDefinition ID: {error.name}"),
    ValidationFailed: Answer(VALIDATION, lambda error: as_json(error.problems)),
    QueryInvalid: Answer(VALIDATION, _query),
    FilesRefused: Answer(VALIDATION, _files),
    ExtensionWrong: Answer(VALIDATION, _coded("fileExtension.extension.invalid")),
    ExtensionTaken: Answer(VALIDATION, _coded("fileExtension.duplication.invalid")),
    AccessRefused: Answer(401, lambda error: f"unauthorized: {error}"),
    KeyThrottled: Answer(429),
    UploadTooLarge: Answer(413),
    UploadTooSlow: Answer(408),
    DiskFull: Answer(507),
}
