"""Every value of a record that is read is stored, or its record failed, or a loss names it. On both ways to a row."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.mapping.language.control import parse_control
from server.mapping.program.compile import compile_control
from server.mapping.program.fast_path import fast_path
from server.mapping.values.javascript import is_skipped
from tests.support.mapping_world import RecordScope, World, destination, model, name

TYPES = {
    "t": "text", "i": "integer", "n": "number", "b": "boolean", "d": "datetime", "e": "email-address", "u": "url",
    "p": "telephone-number", "j": "json", "k": "configuration-name", "w": "person-name", "a": "postal-address",
    "r": "ref", "o": "object-type",
}  # fmt: skip
THING = destination(
    "thing", *(name(key, type_) for key, type_ in TYPES.items()), name("m", multivalue=True), kind="dictionary"
)
MODEL = model(THING)
SOURCES = st.sampled_from(["s1", "s2", "s3", "s4", "s5"])
NUMBERS = ["1", "0", "1,250.00", "1.250,5", "42", "4.0", "2.0E+09", "+44 1", "020 7946 0018", "\u202a+44 20 7946 0018"]
WORDS = ["yes", "No", "TRUE", "31/01/2026", "2026-01-31", "a@b", "x:y", "GB", "", " ", "std:type:book"]
NEAR = st.sampled_from([*NUMBERS, *WORDS])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | NEAR
PARTS = st.dictionaries(st.sampled_from(["last", "first", "country", "city", "other"]), SCALARS, max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | PARTS
RECORDS = st.dictionaries(SOURCES | st.just("unread"), VALUES, max_size=6)


@st.composite
def fields(draw: Any) -> list[Any]:
    """A field for each of some sources; several may go to one Name."""
    sources = draw(st.lists(SOURCES, min_size=1, max_size=5, unique=True))
    return [field(draw, source) for source in sources]


def field(draw: Any, source: Any) -> Any:
    key = draw(st.sampled_from([*TYPES, "m"]))
    made = {"action": "field", "source": source, "destination": "thing", "name": key, "dateFormat": "yyyy-MM-dd"}
    if draw(st.booleans()):
        made["keepFalse"] = True
    if key in ("i", "n") and draw(st.booleans()):
        made["decimal"] = draw(st.sampled_from([".", ","]))
    if key == "b" and draw(st.booleans()):
        made |= {"trueValue": ["yes", "1"], "falseValue": ["no", "0"]}
    if key == "m":
        made["multivalue"] = True
    if draw(st.integers(0, 3)) == 0:
        made["filters"] = [draw(st.sampled_from(["haplo:to-string", "haplo:fix-up-url", "haplo:string-to-ref"]))]
    return made


def control(instructions: Any, **more: Any) -> Any:
    steps = [{"action": "new", "destination": "thing"}, *instructions]
    return parse_control({"model": MODEL.name, "files": {}, "instructions": steps, **more})


def run(instructions: Any, record: Any, **more: Any) -> tuple[Any, ...]:
    scope = RecordScope(World())
    program = compile_control(control(instructions, **more), MODEL, {MODEL.name: MODEL})
    return program.run(record, scope), scope


def is_there(instruction: Any, record: Any) -> Any:
    value = record.get(instruction["source"])
    if value is False:
        return "keepFalse" in instruction or instruction["name"] == "b"
    return not is_skipped(value) and value not in ([], {})


@given(fields(), RECORDS)
def test_no_value_that_is_read_vanishes(instructions: Any, record: Any) -> None:
    result, scope = run(instructions, record)
    lost = [loss.source for loss in scope.losses]
    if result.aborted:
        assert scope.messages
        return
    (change,) = result.changes
    for one in instructions:
        if is_there(one, record) and one["source"] not in lost:
            assert change.values.get(one["name"]) is not None, one
    for key in TYPES:
        kept = [one for one in instructions if one["name"] == key and is_there(one, record)]
        alone = [run([one], record)[0].changes[0].values[key] for one in kept if one["source"] not in lost]
        assert all(value == change.values[key] for value in alone)


@given(fields(), RECORDS)
def test_a_record_of_which_a_value_is_lost_fails_in_short_form_and_no_other_does(
    instructions: Any, record: Any
) -> None:
    dropping, scope = run(instructions, record)
    failing, said = run(instructions, record, onBadValue="fail")
    assert failing.aborted is (dropping.aborted or bool(scope.losses))
    assert not failing.aborted or said.messages
    assert said.losses == []


@given(fields(), st.lists(RECORDS, max_size=4))
def test_a_record_that_takes_the_fast_way_has_lost_nothing(instructions: Any, records: Any) -> None:
    fast = fast_path(control(instructions), MODEL, {MODEL.name: MODEL})
    if fast is None:
        return
    rows, slow = [], []  # type: ignore[var-annotated]
    fast.of_dicts(records, 0, rows, slow)
    for place in set(range(len(records))) - set(slow):
        result, scope = run(instructions, records[place])
        assert (result.aborted, scope.losses, scope.messages) == (False, [], [])
    assert [row[-1] for row in rows] == [place for place in range(len(records)) if place not in slow]
