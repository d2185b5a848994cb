"""The commands of the manual, run as a reader types them: files are written where a page says, output is compared."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.manual import MANUAL, Block, blocks
from tests.support.server_process import PENSTOCK, Site

BATCH = re.compile(r"\b[A-Za-z0-9_-]{44}\b")
SENDERS = ("haplo-batch", "haplo-standard", "folio", "learningbuilder", "voss")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.mark.parametrize("page", ["first-import.md", "commands.md"])
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for block in blocks(MANUAL / page):
        if block.role == "file":
            shell.write(block)
        if block.words[:1] == ["console"]:
            assert shell.run(block) == plain(block.text), f"{page}:{block.line}"


def test_every_api_answers_the_calls_that_the_manual_shows(site: Site) -> None:
    """Each section ends in a batch whose records were imported, as far as the example is good."""
    key = site.run("keys", "create", "manual", *(word for scope in SENDERS for word in ("--scope", scope))).strip()
    server = site.serve()
    environment = {**os.environ, "KEY": key, "SERVER": f"http://{server.address}"}
    for block in blocks(MANUAL / "sending.md"):
        if block.role == "run":
            command = ["/bin/sh", "-euc", block.text]
            subprocess.run(command, cwd=site.folder / "imports/sample", env=environment, check=True, timeout=100)
    batches = json.loads(site.run("batches", "list", "--json"))
    assert sorted(batch["api"] for batch in batches) == sorted(SENDERS)
    assert [site.ended(batch["id"])["state"] for batch in batches] == ["done"] * len(SENDERS)
    server.stop()


class Shell:
    """A terminal in a folder of its own. Once `penstock init DIR` has made a folder, commands run inside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        mine = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self._environment = {**mine, "PATH": f"{PENSTOCK.parent}:{mine['PATH']}", "PYTHONUNBUFFERED": "1"}

    def write(self, block: Block) -> None:
        path = self._folder / block.words[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")

    def run(self, block: Block) -> str:
        """Runs the commands of a block, the lines that begin with `$`; gives them with what they print."""
        commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
        return plain("".join(f"$ {command}\n{self._output(command)}" for command in commands))

    def _output(self, command: str) -> str:
        ran = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        if found := BATCH.search(ran.stdout):
            self._environment["BATCH"] = found[0]
        if command.startswith("penstock init "):
            self._folder /= command.split()[-1]
        return ran.stdout.replace(f"{self._folder}/", "")


def plain(text: str) -> str:
    """Without what differs each time: identifiers of batches, times, blanks at the ends of lines."""
    shown = TIME.sub("TIME", BATCH.sub("BATCH", text))
    return "\n".join(line.rstrip() for line in shown.splitlines())
