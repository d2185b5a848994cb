"""The import rules hold, and each one is seen to fail on a planted violation."""

import graphlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

PROJECT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

# contract -> modules to plant or extend, each with the import that is written into it
PLANTED = {
    "floors": {"server/readers/planted.py": "server.engine"},
    "settings": {"server/settings.py": "storage.errors"},
    "storage-alone": {"storage/digest.py": "aiohttp"},
    "storage-floors": {"storage/errors.py": "storage.blobs"},
    "engine-floors": {"server/engine/uploads/planted.py": "server.engine.batches"},
    "queue-by-its-protocol": {"server/engine/batches/planted.py": "storage.queues.jobs"},
    "vendors-apart": {"server/engine/vendors/folio/planted.py": "server.engine.vendors.voss"},
    "engine-knows-no-vendor": {"server/engine/batches/planted.py": "server.engine.vendors.folio.job_executions"},
    "mapping-floors": {"server/mapping/values/planted.py": "server.mapping.record"},
    "readers-floors": {"server/readers/text/planted.py": "server.readers.xml"},
    "catalog-floors": {"storage/catalog/cql/planted.py": "storage.catalog.sql"},
    "dialects-apart": {"server/dialects/planted.py": "server.dialects.haplo"},
    "engine-pure": {"server/engine/planted.py": "aiohttp"},
    "mapping-pure": {"server/mapping/planted.py": "sqlite3"},
    "through-the-engine": {"server/dialects/haplo/planted.py": "storage.digest"},
    "no-cycles-server": {"server/web/planted.py": "server.web.other", "server/web/other.py": "server.web.planted"},
    "no-cycles-storage": {"storage/planted.py": "storage.other", "storage/other.py": "storage.planted"},
}


def lint(folder: Any, *arguments: Any) -> Any:
    program = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def plant(folder: Any, imports: Any) -> None:
    for package in ("server", "storage"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    for path, imported in imports.items():
        with (folder / path).open("a") as file:
            file.write(f"\nimport {imported}\n")


def test_the_import_rules_hold() -> None:
    ran = lint(PROJECT)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("contract", CONTRACTS, ids=[contract["id"] for contract in CONTRACTS])
def test_the_rule_fails_on_a_planted_violation(tmp_path: Path, contract: Any) -> None:
    plant(tmp_path, PLANTED[contract["id"]])
    ran = lint(tmp_path, "--contract", contract["id"])
    assert ran.returncode == 1
    assert f"{contract['name']} BROKEN" in ran.stdout


def test_no_module_imports_itself_through_others() -> None:
    graph = grimp.build_graph("server", "storage", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, naming the cycle
