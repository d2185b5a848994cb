"""A model: where data can go. Read from imports/models/NAME.json (design: interface.md, "A model")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ColumnKind = Literal["text", "integer", "real"]


@dataclass(frozen=True, slots=True)
class Name:
    """One value of a destination. `column` is where it is stored; `kind` follows from `type` and `multivalue`."""

    name: str
    type: str = "text"
    multivalue: bool = False
    required: bool = False
    column: str = ""
    description: str = ""
    refers_to: str | None = None  # table, for type ref

    @property
    def kind(self) -> ColumnKind:
        if self.multivalue:
            return "text"
        return {"integer": "integer", "ref": "integer", "boolean": "integer", "number": "real"}.get(self.type, "text")  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Types:
    """The object types rows of a destination may have; stored in the column `_type` of its table."""

    default: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    name: str
    table: str
    kind: Literal["object", "dictionary"]
    names: Mapping[str, Name]
    label: str = ""
    optional: bool = False
    depends: str | None = None
    depends_column: str | None = None
    title: str | None = None
    types: Types | None = None
    key: tuple[str, ...] = ()  # Names, not columns
    lookups: Mapping[str, str] = field(default_factory=dict)  # "behaviour" | "username" -> Name
    open: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    destinations: Mapping[str, Destination]  # in the file's order
    label: str = ""
    description: str = ""
    qualifiers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


def safe_column(name: str) -> str:
    """A Name as a column: every character but ASCII letters, digits and `_` becomes `_`."""
    column = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not column or column[0].isdigit() or column.lower() == "id" or column.startswith("_"):
        column = "x" + column if column.startswith("_") or not column or column[0].isdigit() else column + "_"
    return column


def qualified_column(name: Name, qualifier: str) -> str:
    """Where an object keeps the values of a Name under a qualifier."""
    return f"{name.column}__{re.sub(r'[^A-Za-z0-9_]', '_', qualifier)}"
