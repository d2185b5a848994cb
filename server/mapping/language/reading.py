"""The options for reading files that a process of short form or a single import may choose."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from server.mapping.language import decimal_marks
from server.mapping.model.model import Model
from server.mapping.values.types.written_numbers import DECIMAL_MARKS, MARKS_SHOWN

OF_READERS = ("charset", "separator", "quote", "sheet")
DECIMAL = decimal_marks.KEY  # of numbers in the instructions, not of a reader
CHOICES = (*OF_READERS, DECIMAL)
_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
_MARKS = {"comma": ",", "point": "."}


class InputFormat(Protocol):
    """What the import language knows of a file format.

    * `options`: those of OF_READERS that its reader takes.
    * `values`: whether values of records are texts, cells of a workbook, or may be objects and lists ("nested").
    """

    @property
    def options(self) -> Sequence[str]: ...

    @property
    def values(self) -> Literal["texts", "cells", "nested"]: ...


InputFormats = Mapping[str, InputFormat]


class ReadingWrong(ValueError):
    """No file of the control file takes an option, or not with this value. The message names the option."""


def chosen(texts: Mapping[str, str | None]) -> dict[str, object]:
    """Reads options as people type them: empty ones are not chosen, `tab` is a tab, a number is a sheet's number."""
    options: dict[str, object] = {key: text for key, text in texts.items() if key in CHOICES and text}
    separator, sheet, decimal = options.get("separator"), options.get("sheet"), options.get(DECIMAL)
    if isinstance(decimal, str):
        options[DECIMAL] = _MARKS.get(decimal.lower(), decimal)
    if isinstance(separator, str):
        options["separator"] = _SEPARATORS.get(separator.lower(), separator)
    if isinstance(sheet, str) and sheet.isascii() and sheet.isdigit():
        options["sheet"] = int(sheet)
    return options


def read_as(
    control: Mapping[str, object],
    options: Mapping[str, object],
    *,
    formats: InputFormats,
    model: Model | None = None,
) -> Mapping[str, object]:
    """Returns the control file with options for all files that take them. Raises ReadingWrong if none does."""
    files = control.get("files")
    if not options or not isinstance(files, Mapping):
        return control
    of_readers = {key: value for key, value in options.items() if key in OF_READERS}
    for key in of_readers:
        if not any(takes(entry, key, formats) for entry in files.values()):
            right = " or ".join(takers(key, formats))
            raise ReadingWrong(f"{key}: no file of this process takes it; files that are read as {right} do")
    marked = control if DECIMAL not in options else _marked(control, options[DECIMAL], model)
    return {**marked, "files": {name: _with(entry, of_readers, formats) for name, entry in files.items()}}


def _marked(control: Mapping[str, object], mark: object, model: Model | None) -> Mapping[str, object]:
    if mark not in DECIMAL_MARKS:
        raise ReadingWrong(f"{DECIMAL}: {mark!r} is no decimal mark, should be one of {MARKS_SHOWN}")
    marked = None if model is None else decimal_marks.with_mark(control, str(mark), model)
    if marked is None:
        raise ReadingWrong(f"{DECIMAL}: this process reads no number")
    return marked


def choices_of(control: Mapping[str, object], model: Model, formats: InputFormats) -> list[str]:
    """Returns the options that an import by this control file may choose."""
    files = control.get("files")
    entries = list(files.values()) if isinstance(files, Mapping) else []
    found = [key for key in OF_READERS if any(takes(entry, key, formats) for entry in entries)]
    return [*found, DECIMAL] if decimal_marks.reads_numbers(control, model) else found


def takers(key: str, formats: InputFormats) -> list[str]:
    """Returns the formats whose readers have an option."""
    return [name for name, format in formats.items() if key in format.options]


def takes(entry: object, key: str, formats: InputFormats) -> bool:
    """Whether a file's entry in a control file names a reader that has an option."""
    return isinstance(entry, Mapping) and entry.get("read") in takers(key, formats)


def _with(entry: object, options: Mapping[str, object], formats: InputFormats) -> object:
    if not isinstance(entry, Mapping):
        return entry
    return {**entry, **{key: value for key, value in options.items() if takes(entry, key, formats)}}


def differences(control: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object] | None:
    """Returns the options in which two control files differ, or None if more than options differs."""
    files, others = control.get("files"), other.get("files")
    if not isinstance(files, Mapping) or not isinstance(others, Mapping) or files.keys() != others.keys():
        return None
    mine, theirs = decimal_marks.without_marks(control), decimal_marks.without_marks(other)
    if {**mine, "files": None} != {**theirs, "files": None}:
        return None
    found: dict[str, object] = _other_mark(control, other)
    for name, entry in files.items():
        if not isinstance(entry, Mapping) or not isinstance(others[name], Mapping):
            return None
        found |= {key: value for key, value in entry.items() if others[name].get(key) != value}
    return found if found.keys() <= {*CHOICES} else None


def _other_mark(control: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    marks = decimal_marks.marks_of(control)
    if marks == decimal_marks.marks_of(other) and control.get("instructions") == other.get("instructions"):
        return {}
    return {DECIMAL: " and ".join(sorted(map(str, marks))) or None}
