"""The line where each part of a JSON document stands, so that a message can be shown beside its line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

# A string that a colon follows is a key. A string may lack its end, so that no text is scanned again and again.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)(?:\s*:)?|[{}\[\]]|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class DocumentPart:
    """The line where a part begins, and the parts in it by their key or number."""

    line: int
    inner: "dict[str | int, DocumentPart]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Positions:
    """The parts of a document. Lines count from 1; of two equal keys the last one counts, as in the parser.

    A tree takes no more memory than the document, however long its keys are.
    """

    whole: DocumentPart

    def line(self, path: Sequence[str | int]) -> int:
        """Returns the line of a part. A part that is missing has the line of the nearest part around it."""
        part = self.whole
        for step in path:
            if step not in part.inner:
                break
            part = part.inner[step]
        return part.line


def positions(text: str) -> Positions:
    """Finds the parts of a text, which must be valid JSON."""
    around = DocumentPart(1)  # holds the whole document as its first element
    open_parts = [around]
    member: DocumentPart | None = None  # begins at its key, and its value comes next
    for token, line in _tokens(text):
        part = open_parts[-1]
        if token in "}]":
            open_parts.pop()
        elif token.endswith(":"):
            member = part.inner[orjson.loads(token.rstrip(": \t\r\n"))] = DocumentPart(line)
        else:
            value = member or part.inner.setdefault(len(part.inner), DocumentPart(line))
            member = None
            if token in "{[":
                open_parts.append(value)
    return Positions(around.inner.get(0, around))


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, end = 1, 0
    for found in _TOKEN.finditer(text):
        line, end = line + text.count("\n", end, found.start()), found.start()
        yield found[0], line
