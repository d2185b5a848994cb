"""What is found in the documents that people write: models, processes and control files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]
"""The keys and list numbers that lead to a part of a JSON document: `("instructions", 3, "source")`."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake, or with severity "warning" what a run would log before its first record.

    `source` is the file, where it is known, and `path` the place in it; a path of None is no place at all. `way_out`
    is what would be right: vendors' messages have none. `place` is what the sentence calls the place, where that is not
    the path. `about` names the definition (`model people`) where definitions were compared without their files.
    """

    message: str
    path: Path | None = ()
    way_out: str = ""
    source: str = ""
    place: str | None = None
    about: str = ""
    severity: Literal["error", "warning"] = "error"

    @property
    def text(self) -> str:
        """The message with the way out, without the place."""
        return f"{self.message.rstrip('.')}; {self.way_out}" if self.way_out else self.message

    @property
    def sentence(self) -> str:
        """The text behind its place."""
        place = as_where(self.path or ()) if self.place is None else self.place
        return f"{place}: {self.text}" if place else self.text

    def __str__(self) -> str:
        return f"{self.source}: {self.sentence}" if self.source else self.sentence


class DocumentInvalid(Exception):
    """A document that cannot be used; each problem names file, key, value and what would be right."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def as_where(path: Path) -> str:
    """Returns a place as messages write it: `destinations[0].names.email`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
