"""The commands of the manual, run as a reader types them: files are written where a page says, output is compared."""

import json
import logging
import os
import re
import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from string import Template
from typing import Any

import pytest
import structlog

from server.cli import run
from tests.support.manual import MANUAL, Block, blocks
from tests.support.server_process import PENSTOCK, Site, wait_for

BATCH = re.compile(r"\b[A-Za-z0-9_-]{44}\b")
SENDERS = ("haplo-batch", "haplo-standard", "folio", "learningbuilder", "voss")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def _logs_as_before() -> Iterator[None]:
    """A command sets how this process logs."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs_as_before")
@pytest.mark.parametrize("page", ["first-import.md", "commands.md"])
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{PENSTOCK.parent}:{os.environ['PATH']}")
    shell = Shell(tmp_path, monkeypatch)
    for block in blocks(MANUAL / page):
        if block.role == "file":
            shell.write(block)
        if block.words[:1] == ["console"]:
            assert shell.run(block) == plain(block.text), f"{page}:{block.line}"


class Shell:
    """A terminal in a folder of its own. Once `penstock init DIR` has made a folder, commands run inside it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        patch.chdir(folder)

    def write(self, block: Block) -> None:
        path = self._folder / block.words[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")

    def run(self, block: Block) -> str:
        """Runs the commands of a block, the lines that begin with `$`; gives them with what they print."""
        commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
        return plain("".join(f"$ {command}\n{self._output(command)}" for command in commands))

    def _output(self, command: str) -> str:
        said = _said_here(command) if command.startswith("penstock ") else _said_by_a_shell(command)
        if found := BATCH.search(said):
            self._patch.setenv("BATCH", found[0])
        if command.startswith("penstock init "):
            self._folder /= command.split()[-1]
            self._patch.chdir(self._folder)
        return said.replace(f"{self._folder}/", "")


def _said_here(command: str) -> str:
    """In this process, which has imported everything already."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        run(shlex.split(Template(command).substitute(os.environ))[1:])
    return said.getvalue()


def _said_by_a_shell(command: str) -> str:
    ran = subprocess.run(["/bin/sh", "-c", f"{command} 2>&1"], stdout=subprocess.PIPE, text=True, timeout=100)
    return ran.stdout


def plain(text: str) -> str:
    """Without what differs each time: identifiers of batches, times, blanks at the ends of lines."""
    shown = TIME.sub("TIME", BATCH.sub("BATCH", text))
    return "\n".join(line.rstrip() for line in shown.splitlines())


def test_every_api_answers_the_calls_that_the_manual_shows(site: Site) -> None:
    """Each section ends in a batch, and its job is done."""
    scopes = [word for scope in (*SENDERS, "native") for word in ("--scope", scope)]
    key = site.run("keys", "create", "manual", *scopes).strip()
    server = site.serve()
    environment = {**os.environ, "KEY": key, "SERVER": f"http://{server.address}"}
    for block in blocks(MANUAL / "sending.md"):
        if block.role == "run":
            command = ["/bin/sh", "-euc", block.text]
            subprocess.run(command, cwd=site.folder / "imports/sample", env=environment, check=True, timeout=100)

    def done() -> list[dict[str, Any]]:
        asked = urllib.request.Request(
            f"http://{server.address}/api/v1/jobs", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            jobs = [job for job in json.load(answer)["jobs"] if job["state"] == "done"]
        return jobs if len(jobs) == len(SENDERS) else []

    assert sorted(job["api"] for job in wait_for("the jobs", done)) == sorted(SENDERS)
    server.stop()
