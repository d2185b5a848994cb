"""CQL: what is understood, and what is said of what is not."""

import pytest

from server.dialects.folio.cql import QueryInvalid, parse
from server.engine.vendors.folio.searches import (
    Both,
    Comparison,
    Condition,
    Either,
    Everything,
    Relation,
    Search,
    SortKey,
    Without,
)


def is_(field: str, term: str, relation: Relation = "==") -> Comparison:
    return Comparison(field, relation, term)


A, B, C = is_("a", "1"), is_("b", "2"), is_("c", "3")


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("a==1", A),
        ("a = 1", is_("a", "1", "=")),
        ('"a" == "1"', A),
        ("a exact 1", A),
        ("a ANY 1", is_("a", "1", "any")),
        ("any any any", is_("any", "any", "any")),
        ("a==and", is_("a", "and")),
        ("a==android", is_("a", "android")),
        ("metadata.createdByUserId<>x", is_("metadata.createdByUserId", "x", "<>")),
        *((f"a{relation}1", is_("a", "1", relation)) for relation in ("<", "<=", ">", ">=")),
        ('a=="two words"', is_("a", "two words")),
        (r'a=="\"q\" \* \\"', is_("a", r"\"q\" \* \\")),
        ("a==1 and b==2 or c==3", Either(Both(A, B), C)),
        ("a==1 OR b==2 AND c==3", Both(Either(A, B), C)),
        ("a==1 and (b==2 or c==3)", Both(A, Either(B, C))),
        ("a==1 not b==2", Without(A, B)),
        ('status==("NEW" OR "LOADED")', Either(is_("status", "NEW"), is_("status", "LOADED"))),
        ("a==((1) not (2 and b==2))", Without(A, Both(is_("a", "2"), B))),
        ("a==/respectCase 1", Comparison("a", "==", "1", case=True)),
        ("a ==/respectCase/RESPECTACCENTS 1", Comparison("a", "==", "1", case=True, accents=True)),
        ("a==/respectCase/ignoreCase/masked 1", A),
        ("cql.allRecords=1", Everything()),
        ('cql.allRecords=1 NOT a==""', Without(Everything(), is_("a", ""))),
        ("id=x", is_("id", "x")),
        ("id==x*", is_("id", "x*")),
        ('id=""', Everything()),
        ("id=*", Everything()),
    ],
)
def test_a_query_is_understood(query: str, condition: Condition) -> None:
    assert parse(query) == Search(condition)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("a==1 sortBy b", [SortKey("b")]),
        ("a==1 SORTBY b/sort.descending c", [SortKey("b", descending=True), SortKey("c")]),
        ('a==1 sortby "b c"/sort.ascending/ignoreCase', [SortKey("b c")]),
    ],
)
def test_an_order_is_understood(query: str, order: list[SortKey]) -> None:
    assert parse(query) == Search(A, tuple(order))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "the query cannot be understood at position 1: unexpected end of query"),
        ("a=", "the query cannot be understood at position 3: unexpected end of query"),
        ("a==(", "the query cannot be understood at position 5: unexpected end of query"),
        ("a==1 b", "the query cannot be understood at position 6: unexpected 'b'"),
        ("a==1)", "the query cannot be understood at position 5: unexpected ')'"),
        ('a=="1', "the query cannot be understood at position 4: unexpected '\"'"),
        ("a==1 sortby", "the query cannot be understood at position 12: unexpected end of query"),
        ("word", "cql.serverChoice requested, but no serverChoiceIndexes defined. ('word' at position 1)"),
        ("a==1 prox b==2", "the boolean 'prox' is not supported ('prox' at position 6)"),
        ("a within 1", "the relation 'within' is not supported ('within' at position 3)"),
        ("a==/unmasked 1", "the modifier '/unmasked' is not supported ('unmasked' at position 5)"),
        ("a==/respectCase=2 1", "the modifier '/respectCase' is not supported ('respectCase' at position 5)"),
        ("a==1 sortby b/upwards", "the sort modifier '/upwards' is not supported ('b' at position 13)"),
        ("id=*x", "a wildcard within '*x' on the field 'id' is not supported ('*x' at position 4)"),
        ("id=x?", "a wildcard within 'x?' on the field 'id' is not supported ('x?' at position 4)"),
        *(
            (query, f"'{relation}' with modifiers or with another relation than = and == on the field 'id' is not")
            for query, relation in (("id<>1", "<>"), ("id any 1", "any"), ("id==/respectCase 1", "=="))
        ),
    ],
)
def test_what_is_not_understood_is_told(query: str, message: str) -> None:
    with pytest.raises(QueryInvalid) as told:
        parse(query)
    assert str(told.value).startswith(message)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (" or ".join(["a==1"] * 101), "the query has more than 100 comparisons; ask for fewer at once"),
        *(
            (query, "the query has more than 100 comparisons")
            for query in (
                f'a all "{"x " * 101}"',
                f'a any "{"* " * 1000}"',
                f'b==1 and a any ("{"*?* " * 60}" or "{"é-" * 60}")',
                f"a==1 sortby {'b ' * 101}",
            )
        ),
        ("(" * 51 + "a==1" + ")" * 51, "the query has more than 50 parentheses inside each other"),
        ("a==" + "(" * 2000 + "1" + ")" * 2000, "the query has more than 50 parentheses inside each other"),
    ],
)
def test_a_query_has_bounds(query: str, message: str) -> None:
    with pytest.raises(QueryInvalid, match=message):
        parse(query)


def test_the_words_of_a_phrase_are_one_comparison() -> None:
    words = "x " * 500
    assert parse(f'a="{words}" and b all "{"y " * 99}"').condition == Both(
        Comparison("a", "=", words), Comparison("b", "all", "y " * 99)
    )
