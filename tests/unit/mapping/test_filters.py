"""Filters, one by one."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from server.mapping.model.model import Destination, Model, Name
from server.mapping.values import filters as filters_module
from server.mapping.values.filters import Filters, available
from server.mapping.values.javascript import NOTHING
from server.mapping.values.types.refs import Ref
from tests.support.mapping_world import RecordScope, World

PEOPLE = Destination(
    "person",
    "people",
    "object",
    {n: Name(n, column=n) for n in ("code", "user", "mail")},
    lookups={"behaviour": "code", "username": "user", "email": "mail"},
)
MODELS = {"m": Model("m", {"person": PEOPLE})}


def put_through(name: Any, value: Any, models: Any = MODELS) -> Any:
    world = World()
    world.add("people", 1, code="p:ada", user="ada", mail="ada@example.org")
    world.add("people", 2, code="p:cb", user="Charles", mail="CB@example.org")
    return Filters(models).get(name)(value, RecordScope(world))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("haplo:string-to-ref", "12", Ref(None, 12)),
        ("haplo:string-to-ref", Ref("people", 1), Ref("people", 1)),
        ("haplo:string-to-ref", "012", NOTHING),
        ("haplo:string-to-ref", "0", NOTHING),
        ("haplo:string-to-ref", "-1", NOTHING),
        ("haplo:string-to-ref", "٤", NOTHING),
        ("haplo:string-to-ref", "9223372036854775808", NOTHING),
        ("haplo:string-to-ref", "abc", NOTHING),
        ("haplo:string-to-ref", 12, NOTHING),
        ("haplo:string-to-ref", None, NOTHING),
        ("haplo:code-to-ref", "p:ada", Ref("people", 1)),
        ("haplo:code-to-ref", Ref("people", 9), Ref("people", 9)),
        ("haplo:code-to-ref", "p:nobody", NOTHING),
        ("haplo:code-to-ref", ["p:ada"], NOTHING),
        ("haplo:username-to-ref", "ADA", Ref("people", 1)),
        ("haplo:username-to-ref", "Charles", Ref("people", 2)),
        ("haplo:username-to-ref", "nobody", NOTHING),
        ("haplo:username-to-ref", 5, NOTHING),
        ("haplo:email-to-ref", "Ada@Example.org", Ref("people", 1)),
        ("haplo:email-to-ref", "CB@example.org", Ref("people", 2)),
        ("haplo:fix-up-url", "example.org/a", "https://example.org/a"),
        ("haplo:fix-up-url", "https://example.org", "https://example.org"),
        ("haplo:fix-up-url", "example2.org", "example2.org"),
        ("haplo:fix-up-url", "x", "x"),
        ("haplo:fix-up-url", 5, NOTHING),
        ("haplo:to-lower-case", "ABC", "abc"),
        ("haplo:to-lower-case", 5, 5),
        ("haplo:to-upper-case", "abc", "ABC"),
        ("haplo:to-upper-case", None, None),
        ("haplo:to-string", 4.0, "4"),
        ("haplo:to-string", True, "true"),
        ("haplo:to-string", Ref("people", 3), "3"),
        ("haplo:to-string", NOTHING, NOTHING),
        ("haplo:to-string", None, None),
    ],
)
def test_filter(name: str, value: Any, result: Any) -> None:
    found = put_through(name, value)
    assert found == result
    assert type(found) is type(result)


def test_look_ups_find_nothing_where_none_is_configured() -> None:
    bare = {"m": Model("m", {})}
    assert put_through("haplo:username-to-ref", "ada", bare) is NOTHING
    assert put_through("haplo:code-to-ref", "p:ada", bare) is NOTHING


def shouting(models: Any) -> Callable[..., Any]:
    """Puts an exclamation mark behind"""
    return lambda value, scope: f"{value}!"


def test_a_distribution_can_bring_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("acme:shout", f"{__name__}:shouting", "penstock.filters")
    monkeypatch.setattr(filters_module, "entry_points", lambda group: [entry] if group == "penstock.filters" else [])
    filters_module._plugins.cache_clear()
    try:
        assert available(MODELS)["acme:shout"] == "Puts an exclamation mark behind"
        assert put_through("acme:shout", "a") == "a!"
    finally:
        filters_module._plugins.cache_clear()
