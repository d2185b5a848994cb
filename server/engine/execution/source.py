"""One file of a run, and what maps its records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from server.mapping.language.name_rows import ReadNames
from server.mapping.model.scope import Result, Scope
from server.mapping.program.fast_path import FastPath
from server.readers.base import Reader


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read: `name` is its role in the control file.

    `weight` is what reading it costs beside the others: bytes, or records for all of them; None where nobody knows.
    """

    name: str
    reader: Reader
    options: Mapping[str, object]
    open: Callable[[], BinaryIO]
    mapper: "Mapper | None" = None  # where a file's records are not what the others' are
    weight: int | None = None
    title: str | None = None  # what the client called the file

    def remark(self, sentence: str) -> str:
        """A reader's remark as the log shows it."""
        return f"{self.title or self.name}: {sentence}"


class RecordProgram(Protocol):
    """From one record to the changes it asks for."""

    def run(self, record: object, scope: Scope) -> Result: ...


@dataclass(frozen=True, slots=True)
class Mapper:
    """The compiled control file: `fast_path` where there is one, `program` for all records."""

    program: RecordProgram
    fast_path: FastPath | None
    reads: ReadNames | None = None  # what a file has to have some of; None: it is not looked at
