"""What the code imports is what pyproject.toml asks for, in versions that the constraints name."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
META = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
OPTIONAL = {"uvloop"}  # used where it is installed
SERVED = {"swagger-ui-py"}  # only its files are used


def imported() -> Any:
    found = set()
    for file in [*PROJECT.glob("server/**/*.py"), *PROJECT.glob("storage/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])  # type: ignore[union-attr]
    return found - set(sys.stdlib_module_names) - {"server", "storage"}


def distributions() -> Any:
    known = packages_distributions()
    return {canonicalize_name(known[package][0]) for package in imported()}


def required() -> Any:
    return {canonicalize_name(Requirement(line).name) for line in META["dependencies"]}


def constraints() -> dict[Any, Any]:
    lines = (PROJECT / "scripts/constraints.txt").read_text().splitlines()
    return {canonicalize_name(found[1]): found[2] for line in lines if (found := re.match(r"([\w.-]+)==(\S+)$", line))}


def test_every_import_is_a_dependency() -> None:
    assert distributions() - required() == set()


def test_every_dependency_is_imported() -> None:
    assert required() - distributions() - OPTIONAL - SERVED == set()


def test_every_dependency_has_an_exact_version_that_its_bound_allows() -> None:
    exact = constraints()
    for line in [*META["dependencies"], *(line for extra in META["optional-dependencies"].values() for line in extra)]:
        wanted = Requirement(line)
        assert exact[canonicalize_name(wanted.name)] in wanted.specifier
