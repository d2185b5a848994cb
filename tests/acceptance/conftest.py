"""A folder as `penstock init` makes it, with a key and an import whose rows can be counted."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_process import PENSTOCK, Site

SCOPES = ("haplo-batch", "haplo-standard", "haplo-push")

MODEL = {
    "name": "example:load",
    "label": "Entries",
    "destinations": [
        {
            "name": "entry",
            "table": "entries",
            "kind": "dictionary",
            "optional": True,
            "names": {"number": {"type": "integer"}, "text": {}},
        },
        {
            "name": "once",
            "table": "onces",
            "kind": "dictionary",
            "optional": True,
            "key": ["number"],
            "names": {"number": {"type": "integer"}},
        },
    ],
}


def process(id: str, destination: str, *names: str, **more: object) -> dict[str, object]:
    columns = {name: name for name in names}
    shape = {"model": MODEL["name"], "destination": destination, "read": "json-lines", "write": "create"}
    return {"id": id, "label": id, **shape, "columns": columns, **more}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Made once, copied for each test."""
    folder = tmp_path_factory.mktemp("made") / "site"
    subprocess.run([PENSTOCK, "init", folder], check=True, capture_output=True, timeout=30)
    site = Site(folder, "")
    site.define("models", "load", MODEL)
    site.define("processes", "load", process("load", "entry", "number", "text"))
    site.define("processes", "once", process("once", "once", "number"))
    site.define("processes", "push", process("push", "entry", "number", "text", push={"url": "entries"}))
    control = json.loads((folder / "imports/processes/people.control.json").read_bytes())
    control["files"] = {"DEFAULT": {"read": "json-lines"}}
    control["instructions"][-1]["instructions"][0]["action"] = "new"  # the books here have no key to be found by
    site.define("processes", "slow", {"id": "slow", "label": "slow", "control": control})
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    return folder, site.run("keys", "create", "tests", *scopes).strip()


@pytest.fixture
def site(made: tuple[Path, str], tmp_path: Path) -> Iterator[Site]:
    folder, key = made
    shutil.copytree(folder, tmp_path / "site")
    here = Site(tmp_path / "site", key)
    try:
        yield here
        here.close()
    finally:
        for server in here.servers:
            if server.process.poll() is None:
                server.process.kill()
