"""Shows a JSON document by lines, with each remark under its line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from server.engine.definitions.authoring import Remark, Review
from server.engine.uploads.uploads import SmallForm

MOST_LINES = 2000
AROUND = 10  # lines shown before and after one that has a remark, beyond the first MOST_LINES
LONGEST_LINE = 2000
MOST_REMARKS = 200  # of each kind; more are shown once these are corrected
READABLE = 300  # a longer line is not readable, so the document is laid out again
BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    number: int
    text: str
    faults: Sequence[str]
    doubts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines to show. `skipped` counts lines that are not shown, `unsaid` remarks that are left out."""

    lines: Sequence[Line]
    skipped: int
    faults: Sequence[Remark]
    doubts: Sequence[Remark]
    unsaid: int


def numbered(content: bytes, review: Review | None = None) -> Lines:
    review = review or Review()
    text = content.decode("utf-8", "backslashreplace")
    listed = _listed(review.faults), _listed(review.doubts)
    faults, doubts = map(_by_line, listed)
    all_lines = text.removesuffix("\n").split("\n")
    near = {line + step for line in (*faults, *doubts) for step in range(-AROUND, AROUND + 1)}
    shown = [
        Line(number, _cut(line), faults.get(number, ()), doubts.get(number, ()))
        for number, line in enumerate(all_lines, 1)
        if number <= MOST_LINES or number in near
    ]
    unsaid = len(review.faults) + len(review.doubts) - sum(map(len, listed))
    return Lines(shown, len(all_lines) - len(shown), *listed, unsaid)


def _listed(remarks: Sequence[Remark]) -> Sequence[Remark]:
    return [remark._replace(message=_cut(remark.message)) for remark in remarks[:MOST_REMARKS]]


def sent_document(form: SmallForm) -> bytes:
    """Returns the chosen file, else the text of the field; empty where both are missing."""
    file = form.files.get("file")
    content = file.content if file is not None else b""
    return (content or form.fields.get("text", "").replace("\r\n", "\n").encode()).removeprefix(BOM)


def laid_out(content: bytes) -> bytes:
    """Returns a document that has a very long line with one line for each part; any other as it is."""
    if all(len(line) <= READABLE for line in content.splitlines()):
        return content
    try:
        return orjson.dumps(orjson.loads(content), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except (orjson.JSONDecodeError, TypeError):  # TypeError: nested too deeply to be written
        return content


def _by_line(remarks: Iterable[Remark]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for remark in remarks:
        if remark.line is not None:
            found.setdefault(remark.line, []).append(remark.message)
    return found


def _cut(line: str) -> str:
    line = line.removesuffix("\r")
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…"
