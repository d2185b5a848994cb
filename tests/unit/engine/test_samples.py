"""What a dry run shows of its files: the first records of each kind and the columns, and never more than that."""

import tracemalloc
from collections.abc import Mapping
from typing import Any

import orjson

from server.engine.execution.samples import LOOKED_AT, MOST_COLUMNS, Samples, digest_of, text_of
from server.mapping.model.model import Model, parse_model
from server.mapping.model.scope import Change
from server.readers.base import BadRecord, Block, Position, table_block
from storage.records.base import Row, Written

DOCUMENT = {
    "name": "test:people",
    "destinations": [
        {
            "name": "person",
            "table": "people",
            "kind": "dictionary",
            "names": {"name": {"type": "person-name"}, "size": {"type": "integer"}, "tags": {"multivalue": True}},
        }
    ],
}
MODEL: Model = parse_model(DOCUMENT, "people.json")
MODELS = {MODEL.name: MODEL}
PERSON = MODEL.destinations["person"]
STORED = {"name": '{"first":"Ada","last":"Moss"}', "size": 1, "tags": '["a","b"]', "_job": "before"}


class Stored:
    """A look-up that knows one row."""

    def find(self, *_: Any) -> list[list[Row]]:
        raise AssertionError("nothing is searched for")

    def get(self, table: str, id: int) -> Row | None:
        return Row(7, STORED) if (table, id) == ("people", 7) else None  # type: ignore[arg-type]

    def reserve(self, table: str) -> int:
        raise AssertionError("nothing is reserved")


def samples(each: int = 5) -> Samples:
    return Samples(MODEL, MODELS, each)


def block(*records: Any) -> Block:
    return Block(records, (), lambda index: b"", Position(len(records)))


def taken(change: Change, status: str = "updated") -> Mapping[str, Any]:
    kept = samples()
    before = kept.before(status, [change], Stored())  # type: ignore[arg-type]
    shown = kept.take(status, {"size": "2"}, [change], before)  # type: ignore[arg-type]
    assert shown is not None
    (row,) = shown["rows"]  # type: ignore[misc]
    assert isinstance(row, dict)  # type: ignore[has-type]
    return row["values"]  # type: ignore[has-type, no-any-return]


def columns(kept: Samples) -> Mapping[str, str]:
    (file,) = kept.found()["files"]  # type: ignore[misc]
    found: Mapping[str, str] = file["columns"]  # type: ignore[has-type]
    return found


def test_a_changed_row_is_shown_by_what_changes() -> None:
    assert taken(Change(PERSON, "update", 7, {"size": 2})) == {"size": ["1", "2"]}
    assert taken(Change(PERSON, "update", 7, {"tags": None})) == {"tags": ['["a", "b"]', None]}


def test_a_name_is_shown_as_it_is_read() -> None:
    change = Change(PERSON, "update", 7, {"name": '{"first":"Ada","last":"Byron"}'})
    assert taken(change) == {"name": ["Ada Moss", "Ada Byron"]}


def test_a_new_row_has_no_past_and_a_deleted_one_no_future() -> None:
    assert taken(Change(PERSON, "insert", 9, {"size": 3}), "created") == {"size": [None, "3"]}
    assert taken(Change(PERSON, "delete", 7, {}), "deleted")["size"] == ["1", None]


def test_only_so_many_of_a_kind_are_taken() -> None:
    kept = samples(each=2)
    assert [kept.take("created", {}, (), ()) is not None for _ in range(4)] == [True, True, False, False]
    assert kept.lacks("failed")
    assert not kept.lack(Written(1000, 0, 0))
    assert kept.lack(Written(1000, 0, 1))


def test_columns_are_where_their_values_stand() -> None:
    kept = samples()
    kept.look("people", block({"a": "", "b": {"c": [1, 2]}, "d": [{"e": "x"}]}, {"a": "first"}, BadRecord("broken")))
    assert columns(kept) == {"a": "first", "b.c[]": "1", "d[].e": "x"}


def test_a_table_has_its_columns_where_no_row_has_a_value() -> None:
    kept = samples()
    kept.look("people", table_block(("a", "b"), [["1", ""]], [2], lambda index: b"", Position(1)))
    assert columns(kept) == {"a": "1", "b": ""}


def test_what_is_kept_does_not_grow_with_the_file() -> None:
    kept = samples()
    for number in range(20):
        record = {f"column {number} {n}": "x" * 10_000 for n in range(1000)}
        kept.look("people", block(*[record] * 3, {"deep": [[[[[[[[["x" * 10_000]]]]]]]]]}))
        kept.take("created", record, (), ())
    kept.look("people", block(*[{"late": 1}] * (LOOKED_AT + 1)))
    kept.look("people", block({"too late": 1}))
    assert len(columns(kept)) == MOST_COLUMNS
    assert len(orjson.dumps(kept.found())) < 100_000


def test_long_names_are_cut_before_they_are_joined() -> None:
    kept = samples()
    tracemalloc.start()
    try:
        kept.look("people", block({"n" * 1_000_000: dict.fromkeys(map(str, range(10_000)), "x"), "m" * 1_000_000: 1}))
        shown = kept.take("failed", {"n" * 1_000_000: {"a" * 1_000_000: 1}}, (), ())
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert next(iter(columns(kept))) == "n" * 500 + "….0"
    assert shown is not None
    assert shown["read"] == {"n" * 500 + "…." + "a" * 500 + "…": "1"}


def test_one_record_shows_a_bounded_part_of_itself() -> None:
    shown = samples().take("failed", {f"column {n}": "x" * 10_000 for n in range(10_000)}, (), ())
    assert len(orjson.dumps(shown)) < 20_000


def test_any_value_has_a_text() -> None:
    assert text_of("x" * 500) == "x" * 200 + "…"
    assert text_of({"a": 2**70}) == '{"a": 1180591620717411303424}'
    assert text_of("\ud800") == "?"


def test_a_changed_model_has_another_digest() -> None:
    other = parse_model({**DOCUMENT, "label": "Other"}, "people.json")
    assert digest_of(MODEL) == digest_of(parse_model(DOCUMENT, "elsewhere.json")) != digest_of(other)
