"""Where the parts of a JSON document stand, and the messages that say so."""

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.mapping.language.control import mistakes, validate
from server.mapping.language.processes import ProcessInvalid, parse_process
from server.mapping.model.model import ModelInvalid, parse_model
from server.mapping.model.positions import positions
from server.mapping.program.rehearsal import rehearse
from server.readers.formats import FORMATS

PEOPLE = parse_model(
    {
        "name": "people",
        "destinations": [{"name": "profile", "table": "people", "kind": "object", "names": {"email": {}}}],
    },
    "people.json",
)
MODELS = {PEOPLE.name: PEOPLE}
READERS = {"json": lambda options: None}

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def expected(value: Any, path: tuple[Any, ...], line: Any) -> tuple[Any, ...]:
    """Line of each part as `json.dumps(indent=1)` lays it out, and the line of the part's end."""
    found = {path: line}
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in parts:
        below, line = expected(inner, (*path, key), line + 1)
        found |= below
    return found, line + 1 if parts and value else line


def lines_in(part: Any, path: tuple[Any, ...] = ()) -> dict[Any, Any]:
    below = [lines_in(inner, (*path, step)) for step, inner in part.inner.items()]
    return {path: part.line} | {place: line for found in below for place, line in found.items()}


@given(DOCUMENTS, st.booleans())
def test_every_part_is_where_the_text_has_it(document: Any, ascii_only: Any) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=ascii_only)
    assert lines_in(positions(text).whole) == expected(document, (), 1)[0]


@given(DOCUMENTS)
def test_one_line_has_everything(document: Any) -> None:
    assert set(lines_in(positions(orjson.dumps(document).decode()).whole).values()) == {1}


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    found = positions('{"a": {"b": 1},\n "a": {"b":\n 2}}')
    assert found.line(("a",)) == 2
    assert found.line(("a", "b")) == 2


def test_a_part_that_is_missing_is_where_it_should_have_been() -> None:
    found = positions('{\n"a": [\n{"b": 1}]}')
    assert found.line(("a", 0, "missing", "more")) == 3
    assert found.line(("other",)) == 1


@pytest.mark.parametrize("key", ["a.b", "a[0]", "[1]", "a..b", "x" * 999, "a.b.c[0][1]"])
def test_a_name_may_look_like_a_place(key: str) -> None:
    found = positions(json.dumps({"first": 1, key: [0, {key: {"z": 1}}]}, indent=1))
    path = (key, 1, key, "z")
    assert found.line(path) == 7


def test_long_names_around_many_parts_take_no_memory() -> None:
    name = "n" * 100_000
    text = json.dumps({name: {f"m{number}": [1] for number in range(10_000)}})
    tracemalloc.start()
    try:
        found = positions(text)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert found.line((name, "m7", 0)) == 1


CONTROL = """{
  "dataImportControlFileVersion": 1,
  "model": "nobody",
  "files": {
    "DEFAULT": {"read": "json"},
    "other": {
      "read": "papyrus"}
  },
  "instructions": [
    {"action": "new", "destination": "profile"},
    {"action": "if-exists", "source": "a", "then": [
      {"source": "b", "destination": "profile", "name": "email",
       "filters": [
         "haplo:to-lower-case",
         "no:such"]}
    ]}
  ],
  "recordProcessor": "none"
}"""


def lines_of(document_text: Any, found: Any) -> list[Any]:
    at = positions(document_text)
    return [(at.line(mistake.path), mistake.message) for mistake in found]


def test_the_mistakes_of_a_control_file_have_their_lines() -> None:
    found = mistakes(orjson.loads(CONTROL), MODELS, readers=READERS)
    assert lines_of(CONTROL, found) == [
        (2, "Bad version of control file, should be 0"),
        (3, "Model not implemented: nobody"),
        (15, "Filter no:such is not available."),
        (7, "Unknown reader for file other: papyrus"),
        (18, "Unknown record processor specified in recordProcessor property: none"),
    ]
    assert [mistake.message for mistake in found] == validate(orjson.loads(CONTROL), MODELS, readers=READERS)


def test_what_the_instructions_would_say_has_its_line() -> None:
    text = """{"instructions": [
      {"source": "a", "destination": "nowhere", "name": "x"},
      {"action": "for-each", "source": "a", "instructions": [
        {"action": "new", "destination": "profile"},
        {"source": "b", "destination": "profile", "name": "nobody"}]}
    ]}"""
    assert lines_of(text, rehearse(orjson.loads(text), PEOPLE, MODELS)) == [
        (2, "Unknown destination in field: nowhere"),
        (5, "Unknown name in field nobody for destination profile"),
    ]


def test_what_ends_a_run_at_once_has_its_line_too() -> None:
    text = '{"instructions": [\n{"action": "log-error", "message": "a"},\n{"action": "new", "destination": "nowhere"}]}'
    assert lines_of(text, rehearse(orjson.loads(text), PEOPLE, MODELS)) == [(3, "Unknown destination: nowhere")]


def test_the_problems_of_a_model_know_their_places() -> None:
    text = """{"name": "m", "destinations": [
      {"name": "a", "table": "t", "kind": "object", "names": {
        "e": {"type": "nothing"},
        "f": {"color": "red"}}},
      {"name": "b", "kind": "object", "names": {"x": {}}}
    ]}"""
    at = positions(text)
    try:
        parse_model(orjson.loads(text), "m.json")
    except ModelInvalid as error:
        lines = [at.line(problem.path) for problem in error.problems]  # type: ignore[arg-type]
    assert lines == [3, 4, 5]


def test_the_problems_of_a_process_know_their_places() -> None:
    text = '{"id": "p", "model": "people",\n "destination": "nobody",\n "read": 7}'
    try:
        parse_process(orjson.loads(text), "p.json", MODELS, formats=FORMATS, load_control=lambda name: {})
    except ProcessInvalid as error:
        lines = [positions(text).line(problem.path) for problem in error.problems]  # type: ignore[arg-type]
    assert lines == [2, 3, 1]
