"""Compares the column names of a file with the names that a control file reads."""

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
    """The names of a file, matched.

    * `names`: the column names, each as the control file spells it.
    * `missed`: the names that are read and that no column has.
    * `close`: those missed names that differ from a column only in case or letter form, with that column.
    * `repeated`: the names that are read and that several columns have.
    * `found`: whether any column is read. True if the control file reads none.
    """

    names: tuple[str, ...]
    missed: Sequence[str]
    close: Mapping[str, str]
    repeated: Sequence[str]
    found: bool


@dataclass(frozen=True, slots=True)
class ReadNames:
    """The names that a control file reads. `needed` are read without a condition, in the order of the instructions."""

    all: frozenset[str]
    needed: tuple[str, ...]

    def is_read(self, column: str) -> bool:
        """Whether a column name is read, or looks the same as one that is read."""
        return column in self.all or _folded(column) in {_folded(name) for name in self.all}

    def match(self, columns: Sequence[str]) -> NameRow:
        """Matches columns to names: by the exact name first, else by one that looks the same."""
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
    """Returns the names that several columns have. A column that looks the same counts, too."""
    twins = {plain_name(name) for name in unread}
    return [name for name, times in read.items() if times > 1 or plain_name(name) in twins]


def read_names(control: Mapping[str, object]) -> ReadNames:
    """Returns the names that are read at the top of a record. A name that is tested for, or under its own test, is not
    needed.

    With `only-columns` each record is checked for unknown columns, so the file is not.
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
    """Returns a name without invisible differences: accents composed, one kind of blank, no invisible marks."""
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
    """Returns why a file without any known column is refused. `place` says where its names come from."""
    message = f"no column of it is read. The import reads {shown(read.needed or sorted(read.all))}; {place}"
    message += f" {shown(columns)}" if columns else " none"
    separator = _separator(read, columns[0]) if len(columns) == 1 else None
    if separator is not None:
        return f"{message}. The names seem to be separated by {separator!r}: set the option `separator`"
    return f"{message}. Check the names, and that nothing stands before them"


def _separator(read: ReadNames, text: str) -> str | None:
    """Returns the character that seems to separate several known names in one."""
    head, wanted = text[:_LOOKED_AT], {_folded(name) for name in read.all}
    found = dict.fromkeys(_SEPARATORS.findall(head))
    return next((one for one in found if any(_folded(name.strip(_AROUND)) in wanted for name in head.split(one))), None)


def close_names(close: Mapping[str, str]) -> str:
    """Returns why a file is refused whose names differ in case. `close` are names that are read, with the file's."""
    pairs = ", ".join(f"{_shown(name)} is read, and {_shown(column)} is there" for name, column in close.items())
    return f"a name differs in case or in the form of its letters: {pairs}. Use the same name in both"


def remarks_on(row: NameRow, columns: Sequence[str]) -> Iterator[str]:
    """Yields warnings for the log about the names of a file that is imported."""
    if row.repeated:
        yield (
            f"more than one column is called {shown(row.repeated)}: only one of them is read, "
            "and the values of the others are not imported"
        )
    if row.missed:
        yield f"no column is called {shown(row.missed)}, which the import reads; the columns are {shown(columns)}"


def remarks_on_documents(read: ReadNames, row: NameRow, records: int) -> Iterator[str]:
    """Yields warnings about records without a name row: a missed name, if an unread one may be meant for it."""
    unread = [name for name in row.names if name not in read.all]
    if row.missed and unread:
        yield (
            f"none of its first {records:,} records has {shown(row.missed)}, which the import reads; "
            f"{shown(unread)} is there and not read"
        )


def shown(names: Sequence[str]) -> str:
    """Returns names in quotes, only the first of many."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_shown, islice(names, _SHOWN))) + more


def _shown(name: str) -> str:
    """Returns a name in quotes, with invisible characters escaped."""
    return ascii_marks(name if len(name) <= _LONGEST else name[:_LONGEST] + "…")


def ascii_marks(name: str) -> str:
    shown = "".join(one if one.isprintable() and one != '"' else f"\\u{ord(one):04x}" for one in name)
    return f'"{shown}"'
