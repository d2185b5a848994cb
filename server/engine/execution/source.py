"""One file of a run, and the mapper of its records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from server.mapping.language.name_rows import ReadNames
from server.mapping.model.scope import Result, Scope
from server.mapping.program.fast_path import FastPath
from server.readers.base import Reader


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read. `name` is its role in the control file.

    `weight` is its size beside the others: all in bytes, or all in records; None if unknown.
    """

    name: str
    reader: Reader
    options: Mapping[str, object]
    open: Callable[[], BinaryIO]
    mapper: "Mapper | None" = None  # if this file's records differ from those of the others
    weight: int | None = None
    title: str | None = None  # what the client called the file

    def remark(self, sentence: str) -> str:
        """Returns a reader's remark with the file's name before it."""
        return f"{self.title or self.name}: {sentence}"


class RecordProgram(Protocol):
    """Maps one record to the changes it asks for."""

    def run(self, record: object, scope: Scope) -> Result: ...


@dataclass(frozen=True, slots=True)
class Mapper:
    """The compiled control file: `fast_path` where there is one, `program` for all records."""

    program: RecordProgram
    fast_path: FastPath | None
    reads: ReadNames | None = None  # the names of which a file must have some; None: not checked
