"""Everything that people read is in plain present-day English: the site, the documents, docstrings and comments."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD_WORDS = re.compile(
    r"\b(whoever|whatever|somebody|nobody|anybody|lest|whence|is told|let go|comes round)\b", re.IGNORECASE
)
LONGEST_LINE = 120
SITE_FILES = sorted(
    path
    for folder in ("admin/templates", "admin/static", "web/reference")
    for path in (ROOT / "server" / folder).iterdir()
    if path.suffix in (".html", ".css", ".js", ".svg")
)
ROOMS = ("server", "storage", "tests", "scripts")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
SHOWN = [
    ROOT / "README.md",
    *(path for room in ROOMS for kind in ("html", "md") for path in ROOT.glob(f"{room}/**/*.{kind}")),
]
SOURCES = [path for room in ROOMS for path in ROOT.glob(f"{room}/**/*.py") if path.name != "test_words.py"]


def read_by_people(path: Path) -> str:
    """Docstrings and comments of a module, the whole text of anything else."""
    return "\n".join(_said(path)) if path.suffix == ".py" else path.read_text("utf-8")


def _said(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8")
    if not OLD_WORDS.search(text):
        return
    yield from (ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED))
    with path.open("rb") as file:
        yield from (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT)


def test_no_word_is_old_fashioned() -> None:
    found = {str(path.relative_to(ROOT)): OLD_WORDS.findall(read_by_people(path)) for path in [*SHOWN, *SOURCES]}
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize(
    "text", ["# Nobody knows.\n", '"""Whoever asks is told."""\n', 'def f() -> None:\n    """Let go."""\n']
)
def test_the_rule_sees_docstrings_and_comments(tmp_path: Path, text: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert OLD_WORDS.findall(read_by_people(path))


def test_texts_of_programs_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('NAME = "nobody"\n')
    assert OLD_WORDS.findall(read_by_people(path)) == []


@pytest.mark.parametrize("path", SITE_FILES, ids=lambda path: path.name)
def test_no_line_of_the_site_is_too_long(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert [number for number, line in lines if len(line) > LONGEST_LINE] == []
