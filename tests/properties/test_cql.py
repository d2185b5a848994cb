"""CQL on random queries: nothing but an answer or a refusal, and the database agrees with a plain reading."""

import contextlib
import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, column, insert, select, table, text
from sqlalchemy.types import String

from server.dialects.folio.cql import QueryInvalid, parse
from server.engine.vendors.folio.searches import (
    Both,
    Comparison,
    Condition,
    Either,
    Everything,
    Search,
    SortKey,
    Without,
)
from storage.catalog.cql.searching import order_by, where
from storage.database import Database

NAMES = ["", "a", "A", "á", "B a", "ab", "a b", "a.b", "10", "9", "é", "e\u0301", "x\ny", None]
FIELDS = {"a": column("a", String), "b": column("b", String)}
ROWS = table("rows", column("id"), *FIELDS.values())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database(Path(tmp_path_factory.mktemp("cql")) / "rows.db")
    pairs = [(a, b) for a in NAMES for b in NAMES]

    def fill(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE rows (id INTEGER PRIMARY KEY, a TEXT, b TEXT)"))
        connection.execute(insert(ROWS), [{"id": id, "a": a, "b": b} for id, (a, b) in enumerate(pairs)])

    opened.write_now(fill)
    yield opened
    opened.close_now()


def plain(value: str) -> str:
    """Without case and accents."""
    return "".join(c for c in unicodedata.normalize("NFD", value) if not unicodedata.combining(c)).lower()


def words(value: str) -> list[str]:
    return re.findall(r"\w+", plain(value))


def holds(condition: Condition, row: dict[str, str | None]) -> bool:
    """A plain reading of the language, for terms without wildcards."""
    match condition:
        case Everything():
            return True
        case Both(left, right):
            return holds(left, row) and holds(right, row)
        case Either(left, right):
            return holds(left, row) or holds(right, row)
        case Without(left, right):
            return holds(left, row) and not holds(right, row)
    value, term = row.get(condition.field), condition.term
    if value is None:
        return False
    match condition.relation:
        case "==":
            return plain(value) == plain(term)
        case "<>":
            return plain(value) != plain(term)
        case "any":
            return not words(term) or any(word in words(value) for word in words(term))
        case "all":
            return all(word in words(value) for word in words(term))
    found, wanted = words(value), words(term)
    return any(found[i : i + len(wanted)] == wanted for i in range(len(found) + 1))


terms = st.text("aAáb .", max_size=4)
comparisons = st.builds(
    Comparison, st.sampled_from(["a", "b", "absent"]), st.sampled_from(["==", "=", "<>", "any", "all", "adj"]), terms
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    comparisons | st.just(Everything()),
    lambda below: st.one_of(*(st.builds(join, below, below) for join in (Both, Either, Without))),
    max_leaves=8,
)


def written(condition: Condition) -> str:
    match condition:
        case Everything():
            return "cql.allRecords=1"
        case Comparison():
            modifiers = "/respectCase" * condition.case + "/respectAccents" * condition.accents
            return f'{condition.field} {condition.relation}{modifiers} "{condition.term}"'
    joint = {Both: "and", Either: "or", Without: "not"}[type(condition)]
    return f"({written(condition.left)}) {joint} ({written(condition.right)})"


@given(conditions, st.lists(st.builds(SortKey, st.sampled_from(["a", "b.c"]), st.booleans()), max_size=3))
def test_what_is_written_is_read_back(condition: Condition, order: list[SortKey]) -> None:
    keys = "".join(f" {key.field}{'/sort.descending' * key.descending}" for key in order)
    query = written(condition) + (f" sortBy{keys}" if keys else "")
    assert parse(query) == Search(condition, tuple(order))


@given(st.text() | st.text('ab=<>/"()\\*? andortsby', max_size=30))
def test_any_text_is_read_or_refused(query: str) -> None:
    with contextlib.suppress(QueryInvalid):
        assert isinstance(parse(query), Search)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conditions)
def test_the_database_agrees_with_a_plain_reading(database: Database, condition: Condition) -> None:
    def ask(connection: Connection) -> tuple[list[int], list[int]]:
        every = [row._asdict() for row in connection.execute(select(ROWS))]
        found = connection.execute(select(ROWS.c.id).where(where(condition, FIELDS)).order_by(ROWS.c.id))
        return list(found.scalars()), [row["id"] for row in every if holds(condition, row)]

    found, wanted = database.read_now(ask)
    assert found == wanted


def ids(database: Database, query: str, names: list[str | None]) -> set[str | None]:
    """Which of the names field `a` has in the rows found."""

    def ask(connection: Connection) -> set[str | None]:
        search = parse(query)
        statement = select(ROWS.c.a).where(where(search.condition, FIELDS)).order_by(*order_by(search, FIELDS))
        return set(connection.execute(statement).scalars())

    found = database.read_now(ask)
    assert found <= set(names)
    return found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("a==a*", {"a", "A", "á", "ab", "a b", "a.b"}),
        ("a==?b", {"ab"}),
        ("a==a?b", {"a b", "a.b"}),
        (r"a==a\?b", set()),
        ('a=="*"', {name for name in NAMES if name is not None}),
        ('a=""', {name for name in NAMES if name is not None}),
        ('a==""', {""}),
        ("a==/respectCase A", {"A"}),
        ("a==/respectAccents a", {"a", "A"}),
        ("a==/respectAccents é", {"é", "e\u0301"}),
        ("a==e", {"é", "e\u0301"}),
        ("a==x*y", {"x\ny"}),
        ("a=b*", {"B a", "a b", "a.b"}),
        ("a=*b", {"ab", "B a", "a b", "a.b"}),
        ("a<10", {"9", ""}),
        ("a<=9 and a>0", {"9"}),
        ("a>=9 and a<a", {"9", "10"}),
        ('a>"a" and a<"b"', {"a b", "a.b", "ab"}),
        ("a<>a", {name for name in NAMES if name not in (None, "a", "A", "á")}),
        ('cql.allRecords=1 not a=""', {None}),
        ("nothing==1 or nothing<>1 or nothing>1", set()),
        ("a==9 sortBy nothing a/sort.descending", {"9"}),
        ("a==\"1' OR '1'='1\"", set()),
    ],
)
def test_relations_and_wildcards(database: Database, query: str, found: set[str | None]) -> None:
    assert ids(database, query, NAMES) == found


def test_the_longest_query_is_answered(database: Database) -> None:
    joints = ["and", "or"] * 49 + ["not"]
    query = "a==a" + "".join(f" {joint} b==b{number}" for number, joint in enumerate(joints))
    assert ids(database, query, NAMES) == set()


def test_wildcards_cost_no_more_than_their_number(database: Database) -> None:
    """Backtracking would take longer than the universe has been there."""
    long = Comparison("a", "==", "*a" * 40 + "*b")
    for relation in ("==", "="):
        condition = Comparison(long.field, relation, long.term)
        begun = time.monotonic()
        database.read_now(
            lambda c, condition=condition: c.execute(  # type: ignore[misc]
                select(where(condition, {"a": select(text("'" + "a" * 3000 + "'")).scalar_subquery()}))
            ).all()
        )
        assert time.monotonic() - begun < 5
