"""`scripts/bench` names what it can run, and installs what its benchmarks import."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2]
META = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
BENCHMARKS = sorted(PROJECT.glob("scripts/benchmarks/*.py"))
WORD = {"imports": "import"}  # `import` cannot name a module
IN = {"multipart": "python-multipart", "python_multipart": "python-multipart", "sqlite_utils": "sqlite-utils"}


def test_the_usage_line_names_every_benchmark() -> None:
    programs = {WORD.get(path.stem, path.stem) for path in BENCHMARKS if "ArgumentParser" in path.read_text("utf-8")}
    usage = re.search(r"usage: scripts/bench ([\w|]+)", (PROJECT / "scripts/bench").read_text("utf-8"))
    assert usage
    assert set(usage[1].split("|")) == programs


def test_everything_that_benchmarks_import_is_installed_for_them() -> None:
    lines = [*META["dependencies"], *META["optional-dependencies"]["bench"]]
    known = {Requirement(line).name for line in lines} | {"server", "storage", "scripts"}
    imported = {name for path in BENCHMARKS for name in packages(ast.parse(path.read_text("utf-8")))}
    assert {IN.get(name, name) for name in imported - sys.stdlib_module_names} - known == set()


def packages(tree: ast.Module) -> set[str]:
    """The packages that a module imports."""
    nodes = list(ast.walk(tree))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    of = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in plain | of}
