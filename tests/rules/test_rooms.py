"""Rules about rooms: each module is named in its room's README, paths in READMEs exist, folders stay small."""

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MOST_MODULES = 12
MODULES = sorted(
    path.relative_to(PROJECT)
    for room in ("server", "storage")
    for path in PROJECT.glob(f"{room}/**/*.py")
    if path.name not in ("__init__.py", "__main__.py") and "migrations" not in path.parts
)
READMES = sorted(
    path.relative_to(PROJECT)
    for top in ("README.md", "server/**/README.md", "storage/**/README.md", "tests/README.md", "scripts/README.md")
    for path in PROJECT.glob(top)
)
PATH = re.compile(r"`((?:[\w-]+/)+[\w-]+\.(?:py|md|toml|sh|html|js|css))`")

# still to be renamed; the list only gets shorter
TWO_OF_ONE_NAME: set[str] = {
    "Action",
    "Answer",
    "Cell",
    "Change",
    "Chunk",
    "Column",
    "ControlFile",
    "Described",
    "Failures",
    "Fault",
    "Filters",
    "Format",
    "Found",
    "Operation",
    "Origin",
    "Part",
    "Place",
    "Plan",
    "Reading",
    "Rows",
    "Running",
    "Scope",
    "Session",
    "Source",
    "State",
    "StoredRow",
    "Target",
    "Transactions",
    "Wanted",
}


def readme_of(module: Path) -> Path:
    """The README nearest above a module."""
    return next(folder / "README.md" for folder in module.parents if (PROJECT / folder / "README.md").exists())


def is_named(module: Path, text: str) -> bool:
    return re.search(rf"`(?:[\w/]+/)?{module.stem}(?:\.py)?`", text) is not None


def exists(path: str, readme: Path) -> bool:
    """Paths are written from the project, from one of its two packages, or from the README's own folder."""
    places = [PROJECT, PROJECT / "server", PROJECT / "storage", PROJECT / readme.parent]
    return any((place / path).exists() for place in places)


def test_every_module_is_named_in_the_readme_of_its_room() -> None:
    texts = {readme: (PROJECT / readme).read_text("utf-8") for readme in READMES}
    assert [str(module) for module in MODULES if not is_named(module, texts[readme_of(module)])] == []


@pytest.mark.parametrize("readme", READMES, ids=str)
def test_every_path_in_a_readme_exists(readme: Path) -> None:
    named = PATH.findall((PROJECT / readme).read_text("utf-8"))
    assert [path for path in named if not exists(path, readme)] == []


def test_no_public_class_shares_its_name() -> None:
    """The dialects are left out: a vendor's words are at home in the vendor's folder."""
    places = defaultdict(list)
    for module in (module for module in MODULES if "dialects" not in module.parts and module.name != "settings.py"):
        for node in ast.parse((PROJECT / module).read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(module))
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in TWO_OF_ONE_NAME} == {}


def test_the_drawing_of_errors_has_every_error_of_the_engine() -> None:
    trees = [ast.parse((PROJECT / module).read_text("utf-8")) for module in MODULES if module.parts[1] == "engine"]
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    errors = {"EngineError"}
    while found := {node.name for node in classes if errors & {ast.unparse(b) for b in node.bases}} - errors:
        errors |= found
    drawing = ast.get_docstring(ast.parse((PROJECT / "server/engine/errors.py").read_text("utf-8"))) or ""
    assert errors <= set(re.findall(r"\w+", drawing))
    drawn = set(re.findall(r"(?:├──|└──) (\w+)", drawing))
    assert drawn == errors - {"EngineError"}


def test_no_folder_has_too_many_modules() -> None:
    sizes = Counter(str(module.parent) for module in MODULES)
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_migrations_are_numbered() -> None:
    names = sorted(path.stem for path in PROJECT.glob("storage/catalog/migrations/versions/*.py"))
    numbers = [name[:4] for name in names if name != "__init__"]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
