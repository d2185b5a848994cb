"""No pattern runs long over what clients send: each is read by a checker, and timed over texts that almost fit."""

import io
import json
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from re import _constants as sre
from re import _parser as parser
from typing import Any
from unittest.mock import patch

import pytest

from server.mapping.values.types.dates import date_parser
from server.mapping.values.types.phones import export_form
from server.readers import READERS
from server.readers.library.edifact_reader import envelopes
from server.readers.workbooks.fast_sheet import Reading, sheet_pieces
from storage.catalog.cql import patterns as searched
from tests.rules.patterns import PROJECT, Found, as_javascript, found_in, kinds_in, made_at_run_time, modules

CHECKER = PROJECT / ".venv" / "recheck"
LONG = 20_000  # characters
LIMIT = 0.5  # seconds of this process
# With characters of its own, so that the patterns are made for it, and not found as another test left them.
EDIFACT = b"UNA^*.! ~UNB*UNOC^3*a*b*200101^1200*r!~1~UNH*1*ORDERS^D^96A^UN~BGM*220!*1~UNT*3*1~UNZ*1*r~"
SHEET = b'<sheetData><row r="1" spans="1:2"><c r="A1"><v>1</v></c><c r="B1" t="str"><v>x</v></c></row></sheetData>'


@dataclass(frozen=True)
class Made:
    """How to have patterns made that are not written down; `tail` ends every text that they are asked about."""

    asked: str
    make: Callable[[], Any]
    tail: str = ""


MADE = {
    "server.mapping.values.types.dates._compiled": Made(
        "match", lambda: [date_parser(p) for p in ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "Xd" * 8, "EEE, d MMM yy h a z")]
    ),
    "server.mapping.values.types.phones._without_trunk": Made(
        "sub", lambda: [export_form("(0) 20 7946 0000", 44), export_form("1 (212) 555 0100", 1)]
    ),
    "server.readers.library.edifact_segments": Made(
        "match", lambda: list(READERS["edifact"].blocks(io.BytesIO(EDIFACT), {}))
    ),
    "server.readers.library.edifact_reader": Made("sub", lambda: list(envelopes(io.BytesIO(EDIFACT)))),
    "server.readers.workbooks.fast_sheet._row_pattern": Made(
        "findall", lambda: list(sheet_pieces(io.BytesIO(SHEET), Reading((), frozenset()))), tail="</row>"
    ),
    "storage.catalog.cql.patterns": Made(
        "search",
        lambda: [
            re.compile(pattern)
            for term in ("a*b?c*", "** one *two* ?", "é*\\*e")
            for pattern in (
                searched.whole(term, case=False, accents=False),
                searched.phrase(term, case=True, accents=False),
                *searched.single_words(term, case=False, accents=True),
            )
        ],
    ),
}  # fmt: skip

# By time alone: JavaScript has no way to write that a group gives nothing back, or the checker finds no answer.
TIMED = {
    "server.engine.batches.failure_causes._VALUE",
    "server.mapping.values.types.dates._compiled",
    "server.readers.library.edifact_segments",
    "server.readers.json.limits._NUMBERS",
    "server.readers.json.json_reader._BETWEEN",
    "server.readers.json.json_reader._INSIDE",
    "server.readers.json.json_reader._SEPARATOR",
    "server.readers.workbooks.fast_sheet._row_pattern",
    "storage.catalog.cql.patterns",
}


def made(name: str) -> Iterator[Found]:
    asked = MADE[name].asked
    seen: dict[tuple[object, int], None] = {}
    compile_, own = re._compile, re._cache.copy()  # type: ignore[attr-defined]

    def noted(pattern: object, flags: int) -> object:
        if not isinstance(pattern, re.Pattern):
            seen[pattern, int(flags)] = None
        return compile_(pattern, flags)

    with patch.object(re, "_compile", noted):
        MADE[name].make()
    re._cache.update(own)  # type: ignore[attr-defined]
    return (Found(name, pattern, flags, asked) for pattern, flags in seen)  # type: ignore[arg-type]


def everything() -> list[Found]:
    written = [found for module in modules() for found in found_in(module)]
    both = [*written, *(found for name in MADE for found in made(name))]
    return list({(found.pattern, found.flags, found.asked): found for found in both}.values())


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return everything()


def checked(found: list[Found]) -> dict[str, str]:
    """By place: what the checker has against a pattern."""
    assert (CHECKER / "node_modules").is_dir(), "recheck is not there; scripts/test installs it with npm"
    lines = [json.dumps([one.place, *as_javascript(one)]) for one in found]
    program = (PROJECT / "tests" / "rules" / "recheck.js").read_text()
    node = shutil.which("node") or "node"
    ran = subprocess.run(
        [node, "-e", program], input="\n".join(lines), cwd=CHECKER, capture_output=True, text=True, check=True
    )
    return dict(json.loads(line) for line in ran.stdout.splitlines())


def is_possessive_group(kind: object, value: tuple[object, ...]) -> bool:
    return kind is sre.POSSESSIVE_REPEAT and (len(value[2]) > 1 or value[2][0][0] in (sre.SUBPATTERN, sre.BRANCH))  # type: ignore[arg-type, index]


# the checker


@pytest.mark.timeout(180)
def test_the_checker_finds_every_pattern_linear(found: list[Found]) -> None:
    assert checked([one for one in found if one.place not in TIMED]) == {}


def test_the_checker_sees_an_exponential_and_a_quadratic_pattern() -> None:
    comments = Found("exponential", r"<a>\s*(?:<!--.*?-->\s*)*<b>", re.S, "match")
    blanks = Found("quadratic", r",\s*(?=[A-Za-z_ ]+\s*[:=])", 0, "search")
    adjacent = Found("adjacent", r"\s*a\s*=(b*)\s*b*", 0, "fullmatch")
    assert checked([comments, blanks, adjacent]).keys() == {"exponential", "quadratic", "adjacent"}


# time


@pytest.mark.timeout(120)
def test_texts_that_almost_fit_take_no_time(found: list[Found]) -> None:
    assert {one.place: text[:60] for one in found for text in [slow_text(one)] if text} == {}


def slow_text(one: Found) -> str:
    """A text over which the pattern takes too long; "" where there is none."""
    asked = getattr(re.compile(one.pattern, one.flags), one.asked)
    tail = MADE[one.place].tail if one.place in MADE else ""
    for text in almost_fitting(one):
        given = (text + tail).encode("latin-1", "replace") if isinstance(one.pattern, bytes) else text + tail
        begun = time.process_time()
        ask(asked, one.asked, given)
        if time.process_time() - begun > LIMIT:
            return text
    return ""


def ask(pattern: Callable[..., Any], way: str, given: str | bytes) -> None:
    answer = pattern(given[:0], given) if way in ("sub", "subn") else pattern(given)
    if way == "finditer":
        deque(answer, maxlen=0)


def almost_fitting(one: Found) -> Iterator[str]:
    """A text that fits, with pieces of it repeated in every place, and something strange at its end."""
    fits = sample(parser.parse(one.pattern, one.flags))
    for place in range(min(len(fits), 40)):
        for length in (1, 2, 3, 7):
            piece = fits[place : place + length]
            yield fits[:place] + piece * (LONG // len(piece)) + "\x00"
            yield piece * (LONG // len(piece)) + "\x00"
    for piece in (" ", "\t", "0", "a", '"', "'", "<", "\\", '"\\', "\\'", "a ", "<!--", "-->"):
        yield fits + piece * (LONG // len(piece)) + "\x00"


def sample(items: object) -> str:
    return "".join(map(one_of, items))  # type: ignore[call-overload]


def one_of(item: tuple[object, Any]) -> str:
    """The shortest text that such a node takes, but that something stands where something may."""
    kind, value = item
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return sample(value[2]) * max(1, value[0])  # type: ignore[no-any-return]
    return TAKEN.get(kind, lambda value: "")(value)


def member(items: list[tuple[object, Any]]) -> str:
    if items[0][0] is sre.NEGATE:
        return next(sign for sign in "x 0<\"'" if not re.match(set_text(items[1:]), sign))
    kind, value = items[0]
    return CATEGORIES.get(value, "x") if kind is sre.CATEGORY else chr(value[0] if kind is sre.RANGE else value)


def set_text(items: list[tuple[object, Any]]) -> str:
    return "[" + "".join(re.escape(member([item])) for item in items) + "]"


CATEGORIES = {sre.CATEGORY_DIGIT: "1", sre.CATEGORY_SPACE: " ", sre.CATEGORY_WORD: "a", sre.CATEGORY_NOT_WORD: "-"}
TAKEN = {
    sre.LITERAL: chr,
    sre.NOT_LITERAL: lambda code: "x" if code != ord("x") else "y",
    sre.ANY: lambda _: "x",
    sre.IN: member,
    sre.BRANCH: lambda value: sample(value[1][0]),
    sre.SUBPATTERN: lambda value: sample(value[3]),
    sre.ATOMIC_GROUP: sample,
}


def test_the_clock_sees_a_quadratic_pattern() -> None:
    quadratic = Found("quadratic", r"(?:ab|cd)+e", 0, "search")
    assert slow_text(quadratic)
    assert not slow_text(replace(quadratic, asked="match"))


# what is the same on every Python, and in every place


def test_every_pattern_that_is_made_at_run_time_is_known() -> None:
    places = {name for module in modules() for name in made_at_run_time(module)}
    assert {name for name in places if name not in MADE and name.rpartition(".")[0] not in MADE} == set()


def test_patterns_are_found_where_they_are_kept() -> None:
    places = {one.place for one in everything()}
    assert {"server.readers.sniff._FIRST_CHILD", "server.mapping.values.values._SCHEME"} <= places
    assert len(places) > 80


def test_no_pattern_ends_with_a_sign_that_a_line_end_may_follow(found: list[Found]) -> None:
    """`$` takes "A\\n" for "A"; `\\Z` does not."""
    loose = [one.place for one in found if not one.flags & re.M and ends_loosely(one)]
    assert loose == []
    assert ends_loosely(Found("", "a$", 0, "match"))
    assert not ends_loosely(Found("", r"a\Z", 0, "match"))


def ends_loosely(one: Found) -> bool:
    return any(item == (sre.AT, sre.AT_END) for item in kinds_in(one))


def test_groups_are_possessive_only_where_a_round_cannot_fail(found: list[Found]) -> None:
    """Before Python 3.11.5 such a group forgets where it was when a round fails after it took something."""
    doubtful = {one.place for one in found if any(is_possessive_group(*item) for item in kinds_in(one))}
    assert doubtful <= {place for place in TIMED if place.startswith("server.readers.json")}
    assert any(is_possessive_group(*item) for item in kinds_in(Found("", "(?:ab?c)*+", 0, "match")))
