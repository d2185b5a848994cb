"""Parses CQL, the query language of FOLIO, into a search. Pure.

What a field is called is not checked: a field that nothing has matches nothing and sorts nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, TypeGuard

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from server.engine.errors import Refused
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

MOST_TERMS = 100
DEEPEST = 50
NO_INDEX = "cql.serverChoice requested, but no serverChoiceIndexes defined."

_GRAMMAR = r"""
    start: query sort?
    query: clause (BOOLEAN clause)*
    ?clause: "(" query ")"                  -> group
        | word relation word                -> comparison
        | word relation "(" query ")"       -> shared
        | word                              -> bare
    relation: (SYMBOL | NAMED) modifier*
    modifier: "/" WORD (SYMBOL word)?
    sort: SORTBY key+
    key: word modifier*
    ?word: WORD | STRING

    SYMBOL: "==" | "<>" | "<=" | ">=" | "=" | "<" | ">"
    NAMED.2: /(all|any|adj|exact|within|encloses)(?![^\s()=<>"\/])/i
    BOOLEAN.2: /(and|or|not|prox)(?![^\s()=<>"\/])/i
    SORTBY.2: /sortby(?![^\s()=<>"\/])/i
    WORD: /(\\.|[^\s()=<>"\/\\])+/
    STRING: /"(\\.|[^"\\])*"/s
    %ignore /\s+/
"""
_PARSER = Lark(_GRAMMAR, parser="lalr", propagate_positions=True)

_RELATIONS: Mapping[str, Relation] = {
    "=": "=",
    "==": "==",
    "<>": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "all": "all",
    "any": "any",
    "adj": "adj",
    "exact": "==",
}
_BOOLEANS: Mapping[str, Callable[[Condition, Condition], Condition]] = {"and": Both, "or": Either, "not": Without}
_CASE = {"respectcase": True, "ignorecase": False}
_ACCENTS = {"respectaccents": True, "ignoreaccents": False}
_PLAIN = {"masked", "string", "word"}  # what is done anyway
_DIRECTIONS = {"sort.ascending": False, "sort.descending": True}


_WORDS = re.compile(r"[\w*?]+").findall


class QueryInvalid(Refused):
    """A query that is not CQL, or that uses a part of CQL that is not supported."""


class Asked(NamedTuple):
    """How a term is compared: its field, relation and modifiers."""

    field: str
    relation: Relation
    case: bool
    accents: bool


def parse(query: str) -> Search:
    """Returns the search of a query; raises QueryInvalid with the position of the fault."""
    try:
        tree = _PARSER.parse(query)
    except UnexpectedInput as error:
        raise _misread(query, error) from None
    _check_count(sum(1 for _ in tree.find_pred(lambda found: found.data in ("comparison", "bare"))))
    _check_count(sum(1 for _ in tree.find_data("key")))
    condition = _condition(tree.children[0], None, 0)
    _check_count(_compared(condition))
    return Search(condition, tuple(_sort_keys(tree)))


def _check_count(comparisons: int) -> None:
    if comparisons > MOST_TERMS:
        raise QueryInvalid(f"the query has more than {MOST_TERMS} comparisons; ask for fewer at once")


def _compared(condition: Condition) -> int:
    """Returns the number of comparisons; with `all` and `any` each word is one."""
    match condition:
        case Comparison(relation="all" | "any"):
            return len(_WORDS(condition.term))
        case Both(left, right) | Either(left, right) | Without(left, right):
            return _compared(left) + _compared(right)
    return 1


def _misread(query: str, error: UnexpectedInput) -> QueryInvalid:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        found, position = f"'{error.token}'", error.token.start_pos or 0
    elif isinstance(error, UnexpectedCharacters):
        position = error.pos_in_stream or 0
        found = f"'{query[position]}'"
    else:
        found, position = "end of query", len(query)
    return QueryInvalid(f"the query cannot be understood at position {position + 1}: unexpected {found}")


def _condition(tree: Any, asked: Asked | None, depth: int) -> Condition:
    if depth > DEEPEST:
        raise QueryInvalid(f"the query has more than {DEEPEST} parentheses inside each other")
    match tree.data:
        case "query":
            return _joined(tree.children, asked, depth)
        case "group":
            return _condition(tree.children[0], asked, depth + 1)
        case "shared":
            field, relation, query = tree.children
            return _condition(query, _asked(field, relation), depth + 1)
        case "comparison":
            field, relation, term = tree.children
            return _comparison(_asked(field, relation), term)
        case _:
            if asked is None:
                raise QueryInvalid(f"{NO_INDEX} {_place(tree.children[0])}")
            return _comparison(asked, tree.children[0])


def _joined(children: list[Any], asked: Asked | None, depth: int) -> Condition:
    found = _condition(children[0], asked, depth)
    for joint, right in zip(children[1::2], children[2::2], strict=True):
        join = _BOOLEANS.get(joint.lower())
        if join is None:
            _unsupported(f"the boolean '{joint}'", joint)
        found = join(found, _condition(right, asked, depth))
    return found


def _asked(field: Token, tree: Any) -> Asked:
    name = tree.children[0]
    relation = _RELATIONS.get(name.lower())
    if relation is None:
        _unsupported(f"the relation '{name}'", name)
    case = accents = False
    for modifier in tree.children[1:]:
        word = modifier.children[0].lower()
        case = _CASE.get(word, case)
        accents = _ACCENTS.get(word, accents)
        if len(modifier.children) > 1 or word not in {*_CASE, *_ACCENTS, *_PLAIN}:
            _unsupported(f"the modifier '/{modifier.children[0]}'", modifier.children[0])
    asked = Asked(_plain(field), relation, case, accents)
    if asked.field == "id" and (relation not in ("=", "==") or len(tree.children) > 1):
        _unsupported(f"'{name}' with modifiers or with another relation than = and == on the field 'id'", name)
    return asked


def _comparison(asked: Asked, token: Token) -> Condition:
    term = _term(token)
    if asked.field == "cql.allRecords":
        return Everything()
    if asked.field == "id":
        return _identity(term, token)
    return Comparison(asked.field, asked.relation, term, asked.case, asked.accents)


def _identity(term: str, token: Token) -> Condition:
    """Compares an id as a whole; only its end may be a wildcard."""
    if term in ("", "*"):
        return Everything()
    if "*" in term[:-1] or "?" in term:
        _unsupported(f"a wildcard within '{term}' on the field 'id'", token)
    return Comparison("id", "==", term)


def _sort_keys(tree: Tree[Token]) -> Any:
    for key in tree.find_data("key"):
        field, *modifiers = key.children
        words = [str(modifier.children[0]).lower() for modifier in modifiers if _is_tree(modifier)]
        for word in words:
            if not word.startswith("sort.") and word not in {*_CASE, *_ACCENTS}:
                _unsupported(f"the sort modifier '/{word}'", field)
        yield SortKey(_plain(field), any(_DIRECTIONS.get(word, False) for word in words))


def _is_tree(found: object) -> TypeGuard[Tree[Token]]:
    return isinstance(found, Tree)


def _term(token: Token) -> str:
    """Returns a term without quotes. Backslashes stay: they say what is not a wildcard."""
    return token[1:-1] if token.type == "STRING" else str(token)


def _plain(token: Any) -> str:
    term = _term(token)
    return term.replace("\\", "")


def _place(token: Token) -> str:
    return f"('{token}' at position {(token.start_pos or 0) + 1})"


def _unsupported(what: str, token: Any) -> NoReturn:
    raise QueryInvalid(f"{what} is not supported {_place(token)}")
