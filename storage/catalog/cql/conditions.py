"""A search as a tree: what a query language is parsed into, and what `storage.catalog.cql.searching` makes SQL of.

Condition
├── Everything
├── Comparison(field, relation, term)
└── Both, Either, Without(left, right)
"""

from dataclasses import dataclass, field
from typing import Literal

Relation = Literal["=", "==", "<>", "<", "<=", ">", ">=", "all", "any", "adj"]
Order = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Everything:
    """True of every row."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`term` is as the client wrote it: `*` and `?` are wildcards, a backslash takes their meaning away."""

    field: str
    relation: Relation
    term: str
    case: bool = False  # whether upper and lower case differ
    accents: bool = False  # whether letters with and without accents differ


@dataclass(frozen=True, slots=True)
class Both:
    left: "Condition"
    right: "Condition"


@dataclass(frozen=True, slots=True)
class Either:
    left: "Condition"
    right: "Condition"


@dataclass(frozen=True, slots=True)
class Without:
    """True where the left side is and the right side is not."""

    left: "Condition"
    right: "Condition"


Condition = Everything | Comparison | Both | Either | Without


@dataclass(frozen=True, slots=True)
class SortKey:
    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    condition: Condition = field(default_factory=Everything)
    order: tuple[SortKey, ...] = ()
