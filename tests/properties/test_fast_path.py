"""The plan by columns gives the rows of the general evaluator, for any control file and any records."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.mapping.language.control import parse_control
from server.mapping.model.model import Types
from server.mapping.program.compile import compile_control
from server.mapping.program.fast_path import fast_path
from tests.support.mapping_world import World, destination, job, model, name

HOSTILE = st.sampled_from(
    [
        "{v}", "{", "}", "{}", "{0}", "{v.__class__}", "{v.__doc__[11]}", "{n/a}", "%s", "%(v)s", "$v", "\\", "'", '"',
        '''"""''', "x{v.__doc__[11]};raise SystemExit#", "__import__('os')", "\n", "\r", "\x00", "\u2028", "\u202e",
        "a\nb: c", "v0", "k0", "record", "NOTHING", "None", "class", "x" * 300, "e@x", "1", "01", "-0", "1e3", "1_0",
        " 1", "\u0661", "true", "false", "2020-01-02",
    ]
)  # fmt: skip
TEXTS = HOSTILE | st.text(max_size=4)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.sampled_from([2**53, 2**63, -(2**63) - 1, 10**400]),
    st.floats(), TEXTS, TEXTS,
)  # fmt: skip
VALUES = SCALARS | st.sampled_from([[], {}, ["x"], {"a": 1}, [""], [[]]])
NAMES = {
    "title": "text", "key": "text", "n": "integer", "x": "number", "u": "url", "ok": "boolean", "mail": "email-address",
    "day": "datetime", "tel": "telephone-number", "long": "text-paragraph", "any": "json", "who": "person-name",
    "set": "configuration-name", "isbn": "isbn",
}  # fmt: skip
KINDS = ["text", "integer", "number", "boolean", "email-address", *NAMES.values()]
USUAL = {
    "integer": st.integers(-9, 9) | st.sampled_from(["1", "-7", "0", 2**62]),
    "number": st.floats(-9, 9) | st.integers(-9, 9) | st.sampled_from(["1.5", "-2", "1e3"]),
    "url": st.sampled_from(["http://x/{v}", "mailto:'"]),
    "boolean": st.booleans() | st.sampled_from(["true", "false"]),
    "email-address": HOSTILE.map(lambda text: f"a{text}@x"),
    "datetime": st.sampled_from(["2020-01-02", "2021-12-31 {v}"]),
    "telephone-number": st.sampled_from(["020 7946 0000", "+1 212 555 0100"]),
    "json": st.sampled_from([["{v}"], {"{v}": "'"}]),
    "configuration-name": st.just("a:b"),
}
FILTERS = st.sampled_from(["haplo:to-string", "haplo:to-lower-case", "haplo:fix-up-url", "haplo:trim", "{v}"])
OPTIONS = st.fixed_dictionaries(
    {"dateFormat": st.sampled_from(["yyyy-MM-dd", "Xd", "'{v}'yyyy"])},
    optional={
        "filters": st.lists(FILTERS, max_size=2),
        "mapInputValue": st.dictionaries(TEXTS, SCALARS, max_size=2),
        "mapInputValueDefault": SCALARS,
        "trueValue": SCALARS,
        "falseValue": SCALARS,
        "multivalue": st.booleans(),
        "qualifier": HOSTILE,
        "country": st.sampled_from(["GB", "US", "{v}"]),
    },
)


@dataclass(frozen=True)
class Case:
    """A control file over one destination, and the sources that it reads with the types of what they are for."""

    model: object
    control: object
    sources: dict[str, Any]


@st.composite
def cases(draw: Any) -> "Case":
    names = [name("title"), name("key"), *(name(f"n{i}", draw(st.sampled_from(KINDS)), multivalue=draw(st.booleans()))
             for i in range(draw(st.integers(0, 4))))]  # fmt: skip
    flags = {"kind": "dictionary"} if draw(st.booleans()) else {"title": "title"}
    types = draw(st.none() | st.just(Types("{v}", ("{v}",))))
    kinds = [name("kind", "object-type", multivalue=draw(st.booleans()))] if draw(st.booleans()) else []
    owner = destination("d", *names, *kinds, key=("key",), types=types, **flags)
    sources = draw(st.lists(TEXTS, min_size=len(names), max_size=len(names), unique=True))
    control_file = {"model": "test:model", "files": {}, "instructions": draw(instructions(names, sources, flags))}
    types_of = {source: one.type for source, one in zip(sources, names, strict=True)}
    return Case(model(owner, qualifiers=("{v}", "'")), parse_control(control_file), types_of)


@st.composite
def instructions(draw: Any, names: Any, sources: Any, flags: Any) -> list[Any]:
    head = {"action": draw(st.sampled_from(["new", "upsert"])), "destination": "d"}
    steps = [draw(step(one.name, source)) for one, source in zip(names, sources, strict=True)]
    kept = draw(st.integers(0 if flags.get("kind") else 2, len(steps)))
    guard = [{"action": "only-columns", "columns": [*sources, "more"]}] if draw(st.booleans()) else []
    return [*guard, head, *steps[:kept]]


@st.composite
def step(draw: Any, column: Any, source: Any) -> Any:
    target = {"destination": "d", "name": column}
    options = {"dateFormat": "yyyy-MM-dd"} if draw(st.integers(0, 3)) else draw(OPTIONS)
    field = {**options, "action": "field", "source": source, **target}
    constant = {**options, "action": "set-value", "value": draw(VALUES), **target}
    kind = draw(st.sampled_from(["field", "field", "field", "constant", "either"]))
    if kind == "either":
        either = {"action": "if-value-one-of", "source": source, "values": [False]}
        return {**either, "then": [constant], "else": [field]}
    return field if kind == "field" else constant


def usual_of(kind: Any) -> Any:
    return USUAL.get(kind, HOSTILE)


def records(sources: Any) -> Any:
    usual = {source: usual_of(kind) for source, kind in sources.items()}
    full = st.fixed_dictionaries(usual) | st.fixed_dictionaries({s: v | SCALARS for s, v in usual.items()})
    sparse = st.dictionaries(st.sampled_from([*sources, "more", "other"]), VALUES, max_size=6)
    return st.lists(full | full | full | sparse | VALUES, max_size=5)


def check(case: Any, fast: Any, rows: Any, slow: Any, documents: Any) -> None:
    """Every record is a row as the evaluator makes it, without a word, or is left to it."""
    assert slow == sorted(slow)
    assert sorted([*slow, *(row[-1] for row in rows)]) == list(range(len(documents)))
    work = job(case.model)
    work.program = compile_control(case.control, case.model, {case.model.name: case.model})
    for *values, number in rows:
        work.world = World()
        result = work.run(documents[number])
        assert (result.aborted, work.messages) == (False, [])
        stored = {c: v for c, v in zip(fast.columns, values, strict=True) if v is not None}
        assert [change.values for change in result.changes] == [stored]
        assert list(map(type, stored.values())) == [type(result.changes[0].values[c]) for c in stored]


def planned(case: Any) -> Any:
    return fast_path(case.control, case.model, {case.model.name: case.model})


@settings(max_examples=300)
@given(data=st.data(), case=cases())
def test_records_of_a_hostile_control_file_are_stored_as_the_evaluator_stores_them(data: Any, case: Any) -> None:
    fast = planned(case)
    if fast is None:
        return
    documents, rows, slow = [], [], []  # type: ignore[var-annotated]
    for block in data.draw(st.lists(records(case.sources), max_size=3)):
        missed: list[Any] = []
        fast.of_dicts(block, len(documents), rows, missed)
        slow += [len(documents) + index for index in missed]
        documents += block
    check(case, fast, rows, slow, documents)


@settings(max_examples=200)
@given(data=st.data(), case=cases())
def test_cells_under_a_hostile_header_are_stored_as_the_evaluator_stores_them(data: Any, case: Any) -> None:
    fast = planned(case)
    if fast is None:
        return
    again = st.lists(st.sampled_from([*case.sources, "more"]), max_size=3)
    header = [*data.draw(st.permutations(list(case.sources))), *data.draw(again)]
    lines = data.draw(st.lists(st.lists(SCALARS, max_size=8) | st.just(object()), max_size=8))
    usual = [usual_of(case.sources.get(source)) for source in header]
    lines += data.draw(st.lists(st.tuples(*usual).map(list), max_size=4))
    rows, slow = [], []  # type: ignore[var-annotated]
    fast.of_lists(header)(lines, 0, rows, slow)
    whole = [i for i, line in enumerate(lines) if type(line) is list and len(line) == len(header)]
    assert {row[-1] for row in rows} <= set(whole)
    documents = [dict(zip(header, line, strict=True)) if i in whole else None for i, line in enumerate(lines)]
    check(case, fast, rows, slow, documents)


@pytest.mark.parametrize("kind", sorted(set(NAMES.values())))
@settings(max_examples=60)
@given(column=st.lists(SCALARS, min_size=1, max_size=8), boolean=st.booleans())
def test_a_column_of_any_mixture_is_stored_as_the_evaluator_stores_it(kind: Any, column: Any, boolean: Any) -> None:
    owner = destination("d", name("n", kind), kind="dictionary")
    field = {"action": "field", "source": "s", "destination": "d", "name": "n", "dateFormat": "yyyy-MM-dd"}
    if kind != "datetime":
        del field["dateFormat"]
    false = {"action": "set-value", "destination": "d", "name": "n", "value": False}
    either = {"action": "if-value-one-of", "source": "s", "values": [False], "then": [false], "else": [field]}
    steps = [{"action": "new", "destination": "d"}, either if boolean else field]
    case = Case(model(owner), parse_control({"model": "test:model", "files": {}, "instructions": steps}), {})
    fast = planned(case)
    if fast is None:
        assert boolean
        return
    rows, slow, documents = [], [], [{"s": value} for value in column]  # type: ignore[var-annotated]
    fast.of_dicts(documents, 0, rows, slow)
    check(case, fast, rows, slow, documents)
