"""Rules about the source text: one reader of the environment, no text that becomes code, no sleeping tests, no
overgrown modules or functions."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from server.readers.formats import FORMATS

PROJECT = Path(__file__).parents[2]
SOURCES = sorted([*PROJECT.glob("server/**/*.py"), *PROJECT.glob("storage/**/*.py")])
TESTS = sorted(PROJECT.glob("tests/**/*.py"))
LONGEST_FUNCTION = 60
LONGEST_MODULE = 500


# modules that still pass on names of storage in this way; the list only gets shorter
PASS_ON = {
    "server/engine/access/keys.py",
    "server/engine/batches/listing.py",
    "server/engine/batches/schedules.py",
    "server/engine/documents.py",
    "server/engine/events.py",
    "server/engine/vendors/folio/file_extensions.py",
    "server/engine/vendors/folio/job_executions.py",
    "server/engine/vendors/folio/job_queries.py",
    "server/engine/vendors/folio/searches.py",
    "server/engine/vendors/folio/staged_uploads.py",
    "server/engine/vendors/folio/upload_definitions.py",
    "server/engine/vendors/voss/bulk_plan.py",
    "server/engine/vendors/voss/transaction_states.py",
    "server/readers/sniff.py",
}


def named(node: Any) -> Any:
    """A dotted name, as far as the text tells."""
    if isinstance(node, ast.Attribute):
        return f"{named(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def environment_reads(tree: Any) -> list[Any]:
    return [n.lineno for n in ast.walk(tree) if named(n) in ("os.environ", "os.getenv", "environ", "getenv")]  # type: ignore[attr-defined]


def runs_text(tree: Any) -> Any:
    """Text that becomes code: the built-in functions for it, under their own name or through `builtins`."""
    places = [
        n for n in ast.walk(tree) if named(n).removeprefix("builtins.") in ("exec", "eval", "compile", "__import__")
    ]
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    modules = [n.lineno for n in imports if CODE_MODULES & {*(a.name for a in n.names), getattr(n, "module", None)}]
    return [n.lineno for n in places] + modules  # type: ignore[attr-defined]


CODE_MAKERS = ("exec", "eval", "compile", "__import__")
CODE_MODULES = {"builtins", "code", "codeop", "marshal", "pickle", "runpy", "shelve"}


def formats_texts(tree: Any) -> list[Any]:
    """Formats that are not written where they are filled in, nor in a constant."""
    calls = [n.func.value for n in ast.walk(tree) if isinstance(n, ast.Call) and is_format(n.func)]  # type: ignore[attr-defined]
    return [n.lineno for n in calls if not (isinstance(n, ast.Constant) or root(n).lstrip("_").isupper())]


def is_format(function: Any) -> Any:
    """A class may have a method of that name."""
    own = isinstance(function, ast.Attribute) and ast.unparse(function.value) in ("self", "super()")
    return isinstance(function, ast.Attribute) and function.attr in ("format", "format_map") and not own


def root(node: Any) -> Any:
    """The name that an expression begins with; of Markup("…") the constant counts."""
    while not isinstance(node, ast.Name | ast.Constant):
        if isinstance(node, ast.Call) and named(node.func) == "Markup":
            node = node.args[0]
        else:
            node = next(ast.iter_child_nodes(node))
    return "CONSTANT" if isinstance(node, ast.Constant) else node.id


def guesses_formats(tree: Any) -> list[Any]:
    """Work on the content of files: in the worker it harms its own job, in the server it would block all requests."""
    modules = {"server.readers.sniff", "server.readers.file_fit"}
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module in modules]


def names_formats(tree: Any) -> list[Any]:
    """A second list of formats begins with a name. `json` is also a type of values and a form of the log."""
    names = FORMATS.keys() - {"json"}
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in names]


def sleeps(tree: Any) -> list[Any]:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return [c.lineno for c in calls if named(c.func) == "time.sleep" or (named(c.func) == "asyncio.sleep" and naps(c))]


def naps(call: Any) -> bool:
    """`asyncio.sleep(0)` only gives way."""
    return not (isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)


def passes_on(tree: Any) -> list[Any]:
    """`import X as X`, which makes a name look as if it were from here."""
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    return [n.lineno for n in imports if any(alias.name == alias.asname for alias in n.names)]


def long_functions(tree: Any) -> list[Any]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [n for n in ast.walk(tree) if isinstance(n, kinds)]
    return [f"{n.name} ({n.end_lineno - n.lineno + 1})" for n in found if n.end_lineno - n.lineno >= LONGEST_FUNCTION]  # type: ignore[operator]


@cache
def parsed(file: Any) -> Any:
    return ast.parse(file.read_text("utf-8"))


def offenders(files: Any, rule: Any) -> dict[Any, Any]:
    found = {str(file.relative_to(PROJECT)): rule(parsed(file)) for file in files}
    return {file: lines for file, lines in found.items() if lines}


def test_only_settings_read_the_environment() -> None:
    assert set(offenders(SOURCES, environment_reads)) == {"server/settings.py"}


def test_no_text_becomes_code() -> None:
    assert offenders(SOURCES, runs_text) == {}


def test_no_text_of_a_client_is_a_format() -> None:
    assert set(offenders(SOURCES, formats_texts)) == {"server/settings.py"}  # of a place within the settings


def test_only_the_worker_looks_into_files() -> None:
    assert set(offenders(SOURCES, guesses_formats)) == {
        "server/readers/file_fit.py",
        "server/engine/execution/control_import.py",
    }


def test_only_readers_name_formats() -> None:
    others = [file for file in SOURCES if not file.is_relative_to(PROJECT / "server/readers")]
    assert offenders(others, names_formats) == {}


def test_no_test_sleeps() -> None:
    texts = [file for file in TESTS if "sleep" in file.read_text("utf-8")]
    assert offenders(texts, sleeps) == {}


def test_functions_are_short() -> None:
    assert offenders(SOURCES, long_functions) == {}


def test_names_are_imported_from_where_they_are_declared() -> None:
    modules = [file for file in SOURCES if file.name != "__init__.py"]
    assert set(offenders(modules, passes_on)) - PASS_ON == set()


def test_modules_are_short() -> None:
    lengths = {str(f.relative_to(PROJECT)): len(f.read_text("utf-8").splitlines()) for f in SOURCES}
    assert {file: length for file, length in lengths.items() if length >= LONGEST_MODULE} == {}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (environment_reads, "import os\nos.environ['A']"),
        (environment_reads, "from os import getenv\ngetenv('A')"),
        (runs_text, "exec('pass')"),
        (runs_text, "def f(text): return eval(text, {})"),
        (runs_text, "run = compile"),
        (runs_text, "import builtins\nbuiltins.exec('')"),
        (runs_text, "from builtins import exec as run"),
        (runs_text, "import pickle"),
        (formats_texts, "def f(text): return text.format(v=1)"),
        (formats_texts, "def f(cell): return cell.test.format_map({})"),
        (formats_texts, "str.format('{}', 1)"),
        (guesses_formats, "from server.readers.sniff import sniff"),
        (names_formats, "def f(read): return read == 'json-lines'"),
        (sleeps, "import time\ntime.sleep(1)"),
        (sleeps, "import asyncio\nasync def f(): await asyncio.sleep(0.1)"),
        (passes_on, "from a import b as c, d as d"),
        (long_functions, "def f():\n" + " pass\n" * LONGEST_FUNCTION),
    ],
)
def test_each_rule_sees_its_offence(rule: Any, text: str) -> None:
    assert rule(ast.parse(text))
