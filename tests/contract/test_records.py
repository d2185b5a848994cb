"""The contract of the record store: one test for each sentence of storage/records/base.py."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storage.errors import RowRefused, Superseded
from storage.records.base import Checkpoint, Column, Origin, RecordStore, Session, Table, Upserts, Written
from storage.records.sqlite import SqliteRecords

PEOPLE = Table(
    "people",
    (Column("email"), Column("name"), Column("age", "integer")),
    keys=(("email",),),
    lookups=("name",),
)
BOOKS = Table("books", (Column("title"), Column("author", "integer")), references=(("author", "people"),))
TABLES = (PEOPLE, BOOKS)
COLUMNS = ("email", "name", "age")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRecords]:
    records = SqliteRecords(tmp_path / "records.db")
    records.ensure(TABLES)
    yield records
    records.close()


@pytest.fixture(params=["real", "dry"])
def session(store: SqliteRecords, request: pytest.FixtureRequest) -> Iterator[Session]:
    """Both kinds of session keep the same promises."""
    opened = store.session("job", TABLES, dry_run=request.param == "dry")
    yield opened
    opened.close()


def write(session: Session, *rows: tuple[object, ...], key: tuple[str, ...] | None = ("email",)) -> Written:
    with session.chunk(Checkpoint()) as chunk:
        return chunk.upsert_many(Upserts("people", COLUMNS, key, rows))  # type: ignore[arg-type]


def stored(store: RecordStore) -> list[tuple[object, ...]]:
    return [tuple(row.values[c] for c in COLUMNS) for row in store.rows("people")]


def fill(store: SqliteRecords, *rows: tuple[object, ...]) -> None:
    session = store.session("earlier", TABLES)
    write(session, *rows)
    session.close()


def test_ensure_creates_tables_and_adds_columns_to_those_that_grew(store: SqliteRecords) -> None:
    store.ensure([Table("people", (*PEOPLE.columns, Column("town")), keys=(("email",),))])
    assert "town" in store.columns("people")
    assert store.tables() == ["books", "people"]


def test_ensure_never_drops_anything(store: SqliteRecords) -> None:
    fill(store, ("a@x", "A", 1, 0))
    store.ensure([Table("people", (Column("email"),))])
    assert stored(store) == [("a@x", "A", 1)]


def test_a_key_added_over_rows_that_break_it_is_refused_and_changes_nothing(store: SqliteRecords) -> None:
    fill(store, ("a@x", "A", 1, 0), ("b@x", "A", 2, 1))
    with pytest.raises(RowRefused, match="cannot become unique"):
        store.ensure([Table("people", (*PEOPLE.columns, Column("town")), keys=(("name",),))])
    assert "town" not in store.columns("people")


def test_upserts_count_created_updated_and_unchanged(session: Session) -> None:
    assert write(session, ("a@x", "A", 1, 0), ("b@x", "B", 2, 1)) == Written(2, 0, 0)
    assert write(session, ("a@x", "A", 1, 0), ("b@x", "B", 3, 1), ("c@x", "C", 1, 2)) == Written(1, 1, 1)


def test_an_upsert_leaves_what_it_has_no_value_for(session: Session) -> None:
    write(session, ("a@x", "A", 1, 0))
    assert write(session, ("a@x", None, 2, 0)) == Written(0, 1, 0)
    with session.chunk(Checkpoint()) as chunk:
        row = chunk.find("people", ("email",), [("a@x",)])[0][0]
    assert (row.values["name"], row.values["age"], row.values["_version"]) == ("A", 2, 2)


def test_one_refused_row_leaves_nothing_of_its_call(session: Session) -> None:
    with session.chunk(Checkpoint()) as chunk:
        with pytest.raises(RowRefused):
            chunk.upsert_many(Upserts("people", COLUMNS, None, [("a@x", "A", 1, 0), ("a@x", "B", 2, 1)]))
        assert chunk.find("people", ("email",), [("a@x",)]) == [[]]


@pytest.mark.parametrize("value", ["\ud800", 2**70])
def test_a_value_no_column_can_hold_is_refused_and_found_nowhere(session: Session, value: object) -> None:
    with session.chunk(Checkpoint()) as chunk:
        with pytest.raises(RowRefused):
            chunk.upsert_many(Upserts("people", COLUMNS, ("email",), [(value, "A", 1, 0)]))  # type: ignore[list-item]
        assert chunk.find("people", ("email",), [(value,)]) == [[]]  # type: ignore[list-item]


def test_find_answers_each_key_oldest_first_up_to_the_limit(session: Session) -> None:
    write(session, ("a@x", "N", 1, 0), ("b@x", "N", 2, 1), ("c@x", "N", 3, 2))
    with session.chunk(Checkpoint()) as chunk:
        found = chunk.find("people", ("name",), [("N",), ("none",), (None,)], limit=2)
    assert [[row.values["email"] for row in rows] for rows in found] == [["a@x", "b@x"], [], []]


@pytest.mark.parametrize(
    ("table", "columns"),
    [("plays", ("title",)), ("plays", ("id",)), ("people", ("nickname",)), ("people", ("name", "nickname"))],
)
def test_a_table_or_a_column_that_is_not_there_yet_holds_nothing(
    session: Session, table: str, columns: tuple[str, ...]
) -> None:
    write(session, ("nickname", "nickname", 1, 0))
    with session.chunk(Checkpoint()) as chunk:
        keys = [columns, tuple(None for _ in columns)]  # a name that is quoted would be a text
        assert chunk.find(table, columns, keys) == [[], []]
        assert chunk.get("plays", 1) is None


def test_a_chunk_sees_its_own_writes(session: Session) -> None:
    with session.chunk(Checkpoint()) as chunk:
        id = chunk.reserve("people")
        chunk.insert("people", id, {"email": "a@x"}, 0)
        chunk.update("people", id, {"age": 7}, 1)
        row = chunk.get("people", id)
        assert row is not None
        assert (row.values["email"], row.values["age"], row.values["_record"]) == ("a@x", 7, 1)
        chunk.delete("people", id)
        assert chunk.get("people", id) is None


def test_a_unique_key_is_refused_by_name_and_value(session: Session) -> None:
    write(session, ("a@x", "A", 1, 0))
    with session.chunk(Checkpoint()) as chunk, pytest.raises(RowRefused, match=r"another row already has email 'a@x'"):
        chunk.insert("people", chunk.reserve("people"), {"email": "a@x"}, 1)


def test_an_id_is_never_handed_out_twice(store: SqliteRecords) -> None:
    session = store.session("job", TABLES)
    with session.chunk(Checkpoint()) as chunk:
        first = chunk.reserve("people")
        chunk.insert("people", first, {"email": "a@x"}, 0)
        chunk.delete("people", first)
    with session.chunk(Checkpoint()) as chunk:
        assert chunk.reserve("people") > first
    session.close()


def test_a_record_that_raises_is_undone_and_the_chunk_goes_on(session: Session) -> None:
    with session.chunk(Checkpoint()) as chunk:
        with suppress(ValueError), chunk.record():
            chunk.insert("people", chunk.reserve("people"), {"email": "a@x"}, 0)
            raise ValueError
        with chunk.record():
            chunk.insert("people", chunk.reserve("people"), {"email": "b@x"}, 1)
        assert [len(rows) for rows in chunk.find("people", ("email",), [("a@x",), ("b@x",)])] == [0, 1]


def test_a_chunk_that_raises_keeps_neither_rows_nor_checkpoint(session: Session) -> None:
    with session.chunk(Checkpoint(position={"file": 1})):
        pass
    with suppress(ValueError), session.chunk(Checkpoint(position={"file": 2})) as chunk:
        chunk.upsert_many(Upserts("people", COLUMNS, ("email",), [("a@x", "A", 1, 0)]))
        raise ValueError
    begun = session.checkpoint()
    assert begun is not None
    assert begun.position == {"file": 1}
    with session.chunk(Checkpoint()) as chunk:
        assert chunk.find("people", ("email",), [("a@x",)]) == [[]]


def test_a_checkpoint_commits_with_its_rows_and_is_found_by_the_next_session(store: SqliteRecords) -> None:
    first = store.session("job", TABLES)
    checkpoint = Checkpoint(position={"record": 1})
    with first.chunk(checkpoint) as chunk:
        chunk.upsert_many(Upserts("people", COLUMNS, ("email",), [("a@x", "A", 1, 0)]))
        checkpoint.counts = {"read": 1}  # set inside, stored all the same
    second = store.session("job", TABLES)
    assert second.checkpoint() == Checkpoint(position={"record": 1}, counts={"read": 1})
    assert stored(store) == [("a@x", "A", 1)]
    first.close()
    second.close()


def test_a_later_session_fences_off_the_earlier_one(store: SqliteRecords) -> None:
    first, second = store.session("job", TABLES), store.session("job", TABLES)
    with pytest.raises(Superseded):
        write(first, ("a@x", "A", 1, 0))
    write(second, ("b@x", "B", 1, 0))
    assert stored(store) == [("b@x", "B", 1)]
    first.close()
    second.close()


def test_a_forgotten_job_has_no_checkpoint(store: SqliteRecords) -> None:
    session = store.session("job", TABLES)
    write(session, ("a@x", "A", 1, 0))
    session.close()
    store.forget("job")
    again = store.session("job", TABLES)
    assert again.checkpoint() is None
    again.close()


def test_begun_names_the_jobs_that_are_not_forgotten_but_no_dry_runs(store: SqliteRecords) -> None:
    for job in ("one", "two", "three"):
        store.session(job, TABLES).close()
    dry = store.session("dry", TABLES, dry_run=True)
    write(dry, ("a@x", "A", 1, 0))
    assert store.begun() == ["one", "three", "two"]
    store.forget("three")
    store.forget("never seen")
    assert store.begun() == ["one", "two"]
    dry.close()


def test_an_open_session_of_a_forgotten_job_is_fenced_off(store: SqliteRecords) -> None:
    session = store.session("job", TABLES)
    store.forget("job")
    with pytest.raises(Superseded):
        write(session, ("a@x", "A", 1, 0))
    assert stored(store) == []
    session.close()


def test_rows_come_in_order_of_insertion_and_can_be_paged(store: SqliteRecords) -> None:
    fill(store, *((f"p{i}@x", "P", i, i) for i in range(2500)))
    ages = [row.values["age"] for row in store.rows("people")]
    assert ages == list(range(2500))
    third = list(store.rows("people", limit=3))[-1]
    assert [row.values["age"] for row in store.rows("people", after=third.id, limit=2)] == [3, 4]
    assert store.count("people") == 2500


def test_a_row_says_which_job_and_record_made_it(store: SqliteRecords) -> None:
    fill(store, ("a@x", "A", 1, 41))
    (row,) = store.rows("people")
    assert (row.values["_job"], row.values["_record"], row.values["_version"]) == ("earlier", 41, 1)
    assert str(row.values["_created_at"]).endswith("Z")


def test_verify_names_references_to_rows_that_are_not_there(store: SqliteRecords) -> None:
    session = store.session("job", TABLES)
    with session.chunk(Checkpoint()) as chunk:
        chunk.insert("books", chunk.reserve("books"), {"title": "T", "author": 99}, 0)
    session.close()
    assert list(store.verify(TABLES)) == ["books row 1: author refers to people row 99, which does not exist"]
    assert list(store.verify()) == []


class TestDryRun:
    def test_changes_nothing(self, store: SqliteRecords) -> None:
        fill(store, ("a@x", "A", 1, 0))
        session = store.session("dry", TABLES, dry_run=True)
        with session.chunk(Checkpoint()) as chunk:
            chunk.upsert_many(Upserts("people", COLUMNS, ("email",), [("a@x", "Z", 9, 0), ("b@x", "B", 1, 1)]))
            chunk.delete("people", 1)
        session.close()
        assert stored(store) == [("a@x", "A", 1)]
        assert store.session("dry", TABLES).checkpoint() is None

    def test_sees_what_is_stored(self, store: SqliteRecords) -> None:
        fill(store, ("a@x", "A", 1, 0))
        session = store.session("dry", TABLES, dry_run=True)
        assert write(session, ("a@x", "A", 1, 0)) == Written(0, 0, 1)
        assert write(session, ("a@x", "B", 1, 0)) == Written(0, 1, 0)
        session.close()

    def test_refuses_what_a_real_import_would_refuse(self, store: SqliteRecords) -> None:
        fill(store, ("a@x", "A", 1, 0))
        session = store.session("dry", TABLES, dry_run=True)
        with session.chunk(Checkpoint()) as chunk, pytest.raises(RowRefused):
            chunk.insert("people", chunk.reserve("people"), {"email": "a@x"}, 0)
        session.close()

    def test_a_deleted_row_stays_deleted(self, store: SqliteRecords) -> None:
        fill(store, ("a@x", "A", 1, 0))
        session = store.session("dry", TABLES, dry_run=True)
        with session.chunk(Checkpoint()) as chunk:
            chunk.delete("people", chunk.find("people", ("email",), [("a@x",)])[0][0].id)
        with session.chunk(Checkpoint()) as chunk:
            assert chunk.find("people", ("email",), [("a@x",)]) == [[]]
            chunk.insert("people", chunk.reserve("people"), {"email": "a@x"}, 0)
        session.close()

    def test_a_key_that_moved_frees_its_old_value(self, store: SqliteRecords) -> None:
        fill(store, ("a@x", "A", 1, 0))
        session = store.session("dry", TABLES, dry_run=True)
        with session.chunk(Checkpoint()) as chunk:
            row = chunk.find("people", ("email",), [("a@x",)])[0][0]
            chunk.update("people", row.id, {"email": "moved@x"}, 0)
            assert chunk.find("people", ("email",), [("a@x",)]) == [[]]
            chunk.insert("people", chunk.reserve("people"), {"email": "a@x"}, 1)
        session.close()

    def test_does_not_make_a_real_import_wait(self, store: SqliteRecords) -> None:
        dry, real = store.session("dry", TABLES, dry_run=True), store.session("real", TABLES)
        with dry.chunk(Checkpoint()) as chunk:
            chunk.upsert_many(Upserts("people", COLUMNS, ("email",), [("a@x", "A", 1, 0)]))
            write(real, ("b@x", "B", 1, 0))
        dry.close()
        real.close()
        assert stored(store) == [("b@x", "B", 1)]

    def test_works_for_a_table_that_does_not_exist_yet(self, tmp_path: Path) -> None:
        empty = SqliteRecords(tmp_path / "empty.db")
        session = empty.session("dry", TABLES, dry_run=True)
        assert write(session, ("a@x", "A", 1, 0)) == Written(1, 0, 0)
        session.close()
        assert empty.tables() == []
        empty.close()


def test_the_file_is_an_ordinary_database_for_others(store: SqliteRecords, tmp_path: Path) -> None:
    fill(store, ("a@x", "A", 1, 0))
    with sqlite3.connect(tmp_path / "records.db") as other:
        assert other.execute("SELECT name, typeof(age) FROM people").fetchall() == [("A", "integer")]
    other.close()


def with_source(path: Path, table: str = "people") -> list[dict[str, object]]:
    """As a program that knows nothing of us sees the view."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}_with_source" ORDER BY id')]
    finally:
        connection.close()


def test_begin_file_says_where_the_records_of_the_chunks_to_come_are_from(store: SqliteRecords, tmp_path: Path) -> None:
    session = store.session("job", TABLES)
    session.begin_file(Origin(0, "ab12", "data0", "people.csv"))
    write(session, ("a", "A", 1, 0), ("b", "B", 2, 1))
    write(session, ("c", "C", 3, 2))
    session.begin_file(Origin(3, "ab12", "data1", None))
    write(session, ("d", "D", 4, 3))
    session.close()
    fill(store, ("e", "E", 5, 0))
    found = [
        (row["email"], row["_batch"], row["_file"], row["_filename"]) for row in with_source(tmp_path / "records.db")
    ]
    assert found == [
        *((email, "ab12", "data0", "people.csv") for email in "abc"),
        ("d", "ab12", "data1", None),
        ("e", None, None, None),
    ]


def test_a_file_that_began_in_a_chunk_that_failed_begins_in_the_next(store: SqliteRecords, tmp_path: Path) -> None:
    session = store.session("job", TABLES)
    session.begin_file(Origin(0, "ab12", "data0", None))
    with suppress(ZeroDivisionError), session.chunk(Checkpoint()):
        raise ZeroDivisionError
    write(session, ("a", "A", 1, 0))
    session.close()
    assert [row["_file"] for row in with_source(tmp_path / "records.db")] == ["data0"]


def test_a_dry_run_leaves_no_origin(store: SqliteRecords, tmp_path: Path) -> None:
    fill(store, ("a", "A", 1, 0))
    session = store.session("job", TABLES, dry_run=True)
    session.begin_file(Origin(0, "ab12", "data0", None))
    write(session, ("b", "B", 2, 0))
    session.close()
    assert [row["_batch"] for row in with_source(tmp_path / "records.db")] == [None]


def test_the_view_has_columns_that_come_later(store: SqliteRecords, tmp_path: Path) -> None:
    with_source(tmp_path / "records.db")
    store.ensure([Table("people", (*PEOPLE.columns, Column("town")), keys=(("email",),))])
    fill(store, ("a", "A", 1, 0))
    assert "town" in with_source(tmp_path / "records.db")[0]
    assert store.tables() == ["books", "people"]


def test_a_table_may_be_called_like_a_view(store: SqliteRecords, tmp_path: Path) -> None:
    taken = Table("people_with_source", (Column("x"),))
    store.ensure([taken])
    assert store.columns("people_with_source")[:2] == ["id", "x"]
    assert with_source(tmp_path / "records.db", "people_with_source") == []
    store.close()
    store = SqliteRecords(tmp_path / "records.db")
    assert store.tables() == ["books", "people", "people_with_source"]
    store.close()


def test_a_file_of_before_gets_its_views_when_it_is_opened(store: SqliteRecords, tmp_path: Path) -> None:
    fill(store, ("a", "A", 1, 0))
    store.close()
    with sqlite3.connect(tmp_path / "records.db") as connection:
        connection.executescript("DROP VIEW people_with_source; DROP VIEW books_with_source; DROP TABLE _sources")
    connection.close()
    SqliteRecords(tmp_path / "records.db").close()
    (row,) = with_source(tmp_path / "records.db")
    assert (row["email"], row["_job"], row["_batch"]) == ("a", "earlier", None)


def test_a_column_that_refers_to_a_table_says_so(store: SqliteRecords, tmp_path: Path) -> None:
    more = (*BOOKS.columns, Column("editor", "integer"), Column("others"))
    references = (("author", "people"), ("editor", "people"), ("others", "people"))
    store.ensure([Table("books", more, references=references)])
    with sqlite3.connect(tmp_path / "records.db") as connection:
        found = {(row[3], row[2], row[4]) for row in connection.execute("PRAGMA foreign_key_list(books)")}
    connection.close()
    assert found == {("author", "people", "id"), ("editor", "people", "id")}  # `others` holds a list


def test_a_row_may_come_before_the_one_that_it_refers_to(session: Session) -> None:
    with session.chunk(Checkpoint()) as chunk:
        chunk.insert("books", chunk.reserve("books"), {"title": "T", "author": 99}, 0)
        assert chunk.find("books", ("author",), [(99,)])[0][0].values["title"] == "T"
