"""The names that a file gives its columns, against those that a control file reads."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from server.mapping.language.control import ACTIONS, Instruction, action_of

_SHOWN = 10
_LONGEST = 60
_AROUND = " \"'"
_LOOKED_AT = 2_000  # characters of a name row that may hold several names
_SEPARATORS = re.compile("[;,\t|]")
_BLANKS = re.compile(r"\s+")
_INSIDE = ("for-each", "within")  # their own instructions read what lies inside a value


@dataclass(frozen=True, slots=True)
class NameRow:
    """`names`: the file's, each as the control file calls it. `missed`: what is read, and is not there.

    `close`: of those, the ones that a column would be but for its case, with that column. `repeated`: what is read and
    is there more than once. `found`: whether any column is read; True where the control file reads none.
    """

    names: tuple[str, ...]
    missed: Sequence[str]
    close: Mapping[str, str]
    repeated: Sequence[str]
    found: bool


@dataclass(frozen=True, slots=True)
class ReadNames:
    """What a control file reads of a record. `needed`: what it takes for granted, in the order of its instructions."""

    all: frozenset[str]
    needed: tuple[str, ...]

    def is_read(self, column: str) -> bool:
        """Whether a column of this name may be one that is read, also where it only looks the same."""
        return column in self.all or _folded(column) in {_folded(name) for name in self.all}

    def match(self, columns: Sequence[str]) -> NameRow:
        """An exact name is taken first; else one that looks the same."""
        there = set(columns)
        names = self._renamed(columns, there)
        read = Counter(name for name in names if name in self.all)
        unread = [name for name in names if name not in self.all]
        missed = [name for name in self.needed if name not in read]
        close = {_folded(name): name for name in unread} if missed else {}
        return NameRow(
            names,
            missed,
            {name: close[_folded(name)] for name in missed if _folded(name) in close},
            _repeated(read, unread),
            bool(read) or not self.all,
        )

    def _renamed(self, columns: Sequence[str], there: Collection[str]) -> tuple[str, ...]:
        strange = [column for column in columns if column not in self.all]
        if not strange:
            return tuple(columns)
        wanted = {plain_name(name): name for name in self.all if name not in there}
        return tuple(column if column in self.all else wanted.get(plain_name(column), column) for column in columns)


def _repeated(read: Mapping[str, int], unread: Sequence[str]) -> list[str]:
    """A column that only looks like one that is read counts, too."""
    twins = {plain_name(name) for name in unread}
    return [name for name, times in read.items() if times > 1 or plain_name(name) in twins]


def read_names(control: Mapping[str, object]) -> ReadNames:
    """The names at the top of a record; what is asked about only, or under a condition on it, is not needed.

    With `only-columns` each record says for itself which of its columns are unknown, so nothing is asked of the file.
    """
    instructions = control.get("instructions")
    if _judges_records(instructions):
        return ReadNames(frozenset(), ())
    found = list(_read(instructions, frozenset()))
    return ReadNames(frozenset(name for name, _ in found), tuple(dict.fromkeys(name for name, need in found if need)))


def _judges_records(instructions: object) -> bool:
    listed = instructions if isinstance(instructions, list) else ()
    return any(isinstance(each, dict) and action_of(each) == "only-columns" for each in listed)


def _read(instructions: object, asked: frozenset[str]) -> Iterator[tuple[str, bool]]:
    for instruction in instructions if isinstance(instructions, list) else ():
        if isinstance(instruction, dict):
            yield from _read_by(instruction, asked)


def _read_by(instruction: Instruction, asked: frozenset[str]) -> Iterator[tuple[str, bool]]:
    action, source = action_of(instruction), instruction.get("source")
    if action not in ACTIONS:
        return
    reads = [str(source)] if source is not None and "source" in ACTIONS[action].required else []
    asks = action in ("if-exists", "if-value-one-of")
    yield from ((name, not asks and name not in asked) for name in reads)
    columns = instruction.get("columns")
    if action == "identify" and isinstance(columns, dict):
        yield from ((str(column), True) for column in columns)
    if action not in _INSIDE:
        for key in ACTIONS[action].nested:
            yield from _read(instruction.get(key), asked.union(reads) if asks else asked)


def plain_name(name: str) -> str:
    """A name without what cannot be seen: accents composed, one kind of blank, none around it, no invisible marks."""
    if name.isascii() and name.isprintable() and "  " not in name:
        return name.strip()
    visible = "".join(one for one in unicodedata.normalize("NFC", name) if _is_visible(one))
    return _BLANKS.sub(" ", visible).strip()


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category != "Cf" and (category != "Cc" or character.isspace())


def _folded(name: str) -> str:
    return plain_name(unicodedata.normalize("NFKC", plain_name(name)).casefold())


def nothing_read(read: ReadNames, columns: Sequence[str], place: str) -> str:
    """Why a file is refused of which no column is read. `place`: where its names come from."""
    message = f"no column of it is read. The import reads {shown(read.needed or sorted(read.all))}; {place}"
    message += f" {shown(columns)}" if columns else " none"
    separator = _separator(read, columns[0]) if len(columns) == 1 else None
    if separator is not None:
        return f"{message}. The names seem to be separated by {separator!r}: set the option `separator`"
    return f"{message}. Check the names, and that nothing stands before them"


def _separator(read: ReadNames, text: str) -> str | None:
    """What stands between names that are read."""
    head, wanted = text[:_LOOKED_AT], {_folded(name) for name in read.all}
    found = dict.fromkeys(_SEPARATORS.findall(head))
    return next((one for one in found if any(_folded(name.strip(_AROUND)) in wanted for name in head.split(one))), None)


def close_names(close: Mapping[str, str]) -> str:
    """Why a file is refused whose names differ in case. `close`: names that are read, with those that are there."""
    pairs = ", ".join(f"{_shown(name)} is read, and {_shown(column)} is there" for name, column in close.items())
    return f"a name differs in case or in the form of its letters: {pairs}. Use the same name in both"


def remarks_on(row: NameRow, columns: Sequence[str]) -> Iterator[str]:
    """What the log says of a file that is read all the same."""
    if row.repeated:
        yield (
            f"more than one column is called {shown(row.repeated)}: only one of them is read, "
            "and the values of the others are not imported"
        )
    if row.missed:
        yield f"no column is called {shown(row.missed)}, which the import reads; the columns are {shown(columns)}"


def remarks_on_documents(read: ReadNames, row: NameRow, records: int) -> Iterator[str]:
    """What the log says of records without a name row: a missed name, where another may stand for it."""
    unread = [name for name in row.names if name not in read.all]
    if row.missed and unread:
        yield (
            f"none of its first {records:,} records has {shown(row.missed)}, which the import reads; "
            f"{shown(unread)} is there and not read"
        )


def shown(names: Sequence[str]) -> str:
    """Names in quotes, the first few of many."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_shown, islice(names, _SHOWN))) + more


def _shown(name: str) -> str:
    """A name in quotes, with what cannot be seen made visible."""
    return ascii_marks(name if len(name) <= _LONGEST else name[:_LONGEST] + "…")


def ascii_marks(name: str) -> str:
    shown = "".join(one if one.isprintable() and one != '"' else f"\\u{ord(one):04x}" for one in name)
    return f'"{shown}"'
