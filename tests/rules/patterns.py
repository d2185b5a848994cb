"""Every regular expression of the product, with the way it is asked; and the same as JavaScript writes it."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import _constants as sre
from re import _parser as parser
from typing import Any

PROJECT = Path(__file__).parents[2]
ANCHORED = {"match": "^(?:{})", "fullmatch": "^(?:{})$"}
ASKED = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer", "scanner")
_CLASSES = {
    sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_PLACES = {
    sre.AT_BEGINNING: "^", sre.AT_BEGINNING_STRING: "^", sre.AT_END: "$", sre.AT_END_STRING: "$",
    sre.AT_BOUNDARY: r"\b", sre.AT_NON_BOUNDARY: r"\B",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """`place` is the module, with the name or the line there; `asked` how the pattern is used."""

    place: str
    pattern: str | bytes
    flags: int
    asked: str

    @property
    def text(self) -> str:
        return self.pattern if isinstance(self.pattern, str) else self.pattern.decode("latin-1")


def modules() -> Iterator[Any]:
    for package in ("server", "storage"):
        yield importlib.import_module(package)
        for info in pkgutil.walk_packages([str(PROJECT / package)], f"{package}."):
            if not info.name.endswith(("__main__", "migrations.env")):  # those run when they are imported
                yield importlib.import_module(info.name)


def found_in(module: Any) -> Iterator[Found]:
    """Patterns that the module holds, and those that stand in calls of `re`."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    for name, value in vars(module).items():
        for pattern, asked in held(value):
            ways = [asked] if asked else sorted(asked_of(tree, name)) or ["search"]
            yield from (Found(f"{module.__name__}.{name}", pattern.pattern, pattern.flags, way) for way in ways)
    for call in calls(tree):
        if isinstance(call.args[0], ast.Constant) and call.func.attr in ASKED:
            yield Found(f"{module.__name__}:{call.lineno}", call.args[0].value, 0, call.func.attr)  # type: ignore[arg-type]


def held(value: Any, depth: int = 0) -> Iterator[tuple[re.Pattern[Any], str]]:
    if isinstance(value, re.Pattern):
        yield value, ""
    elif isinstance(getattr(value, "__self__", None), re.Pattern):
        yield value.__self__, value.__name__
    elif isinstance(value, Mapping | tuple | list | set | frozenset) and depth < 3:
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from held(inner, depth + 1)


def asked_of(tree: ast.Module, name: str) -> set[str]:
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ASKED]
    return {n.attr for n in attributes if isinstance(n.value, ast.Name) and n.value.id == name}


def calls(tree: ast.AST) -> list[Any]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return [
        n
        for n in found
        if isinstance(n.func.value, ast.Name) and n.func.value.id == "re" and is_asking(n.func.attr)  # type: ignore[attr-defined]
    ]


def is_asking(name: str) -> bool:
    return name in (*ASKED, "compile")


def made_at_run_time(module: Any) -> set[str]:
    """Functions that make a pattern of what they are given."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    makers = [f.name for f in functions for call in calls(f) if not isinstance(call.args[0], ast.Constant | ast.Name)]
    named = [
        f.name
        for f in functions
        for call in calls(f)
        if isinstance(call.args[0], ast.Name) and not is_constant(call, module)
    ]
    return {f"{module.__name__}.{name}" for name in (*makers, *named)}


def is_constant(call: ast.Call, module: Any) -> bool:
    return isinstance(vars(module).get(call.args[0].id), str | bytes)  # type: ignore[attr-defined]


# as JavaScript writes it


def as_javascript(found: Found) -> tuple[str, str]:
    """The pattern and its flags, anchored as it is asked."""
    tree = parser.parse(found.pattern, found.flags & ~re.UNICODE if isinstance(found.pattern, str) else found.flags)
    flags = tree.state.flags
    text = "".join(map(_written, tree))
    given = "".join(letter for flag, letter in ((re.I, "i"), (re.S, "s"), (re.M, "m")) if flags & flag)
    return ANCHORED.get(found.asked, "{}").replace("{}", text), given


def _written(item: tuple[Any, Any]) -> str:
    kind, value = item
    return WRITTEN[kind](value)  # type: ignore[no-untyped-call]


def _all(items: Iterable[tuple[Any, Any]]) -> str:
    return "".join(map(_written, items))


def _character(code: int) -> str:
    return re.sub(r"[^0-9A-Za-z]", lambda sign: f"\\u{ord(sign[0]):04x}", chr(code)) if code < 0x10000 else "\\uffff"


def _set(items: Iterable[tuple[Any, Any]]) -> str:
    parts = list(items)
    negated = parts[:1] == [(sre.NEGATE, None)]
    return f"[{'^' if negated else ''}{''.join(map(_member, parts[negated:]))}]"


def _member(item: tuple[Any, Any]) -> str:
    kind, value = item
    if kind is sre.RANGE:
        return f"{_character(value[0])}-{_character(value[1])}"
    return _CLASSES[value] if kind is sre.CATEGORY else _character(value)


def _repeat(value: tuple[int, Any, Any], lazy: str = "") -> str:
    least, most, items = value
    return f"(?:{_all(items)}){{{least},{'' if most is sre.MAXREPEAT else most}}}{lazy}"


def _look(value: tuple[int, Any], sign: str) -> str:
    direction, items = value
    return f"(?{'<' if direction < 0 else ''}{sign}{_all(items)})"


WRITTEN = {
    sre.LITERAL: _character,
    sre.NOT_LITERAL: lambda code: f"[^{_character(code)}]",
    sre.ANY: lambda _: ".",
    sre.IN: _set,
    sre.AT: _PLACES.__getitem__,
    sre.BRANCH: lambda value: f"(?:{'|'.join(map(_all, value[1]))})",
    sre.SUBPATTERN: lambda value: f"({'?:' if value[0] is None else ''}{_all(value[3])})",
    sre.GROUPREF: lambda number: f"(?:\\{number})",
    sre.MAX_REPEAT: _repeat,
    sre.MIN_REPEAT: lambda value: _repeat(value, "?"),
    # JavaScript has neither of these two: without giving back they are quicker than what is checked in their place
    sre.POSSESSIVE_REPEAT: _repeat,
    sre.ATOMIC_GROUP: lambda items: f"(?:{_all(items)})",
    sre.ASSERT: lambda value: _look(value, "="),
    sre.ASSERT_NOT: lambda value: _look(value, "!"),
}


def kinds_in(found: Found) -> Iterator[tuple[Any, Any]]:
    """Every node of the parsed pattern."""
    tree = parser.parse(found.pattern, found.flags & ~re.UNICODE if isinstance(found.pattern, str) else found.flags)
    yield from _nodes(tree)


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    for item in value:
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], type(sre.LITERAL)):
            yield item
        if isinstance(item, tuple | list | parser.SubPattern):
            yield from _nodes(item)
