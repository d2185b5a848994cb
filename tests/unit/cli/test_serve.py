"""The real process: what `serve` says on stdout, and how it ends."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.engine.execution.dispatcher import JobLimits
from server.engine.uploads.flow import UploadLimits
from server.settings import section_fields


@contextmanager
def serving(folder: Any, *flags: Any) -> Iterator[Any]:
    """A server, and what it has said on stdout up to the line that it listens."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    command = [sys.executable, "-m", "server", "serve", "--port", "0", *flags]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        said = []
        for line in process.stdout:  # type: ignore[union-attr]
            said.append(line)
            if line.startswith("penstock: listening on "):
                break
        assert said, (folder / "log").read_text()
        yield process, said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def ends_well(process: Any, number: Any) -> None:
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stdout.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_on_stdout_and_a_clean_end(tmp_path: Path, number: Any) -> None:
    with serving(tmp_path) as (process, said):
        assert len(said) == 1
        address = re.fullmatch(r"penstock: listening on (http://127\.0\.0\.1:[1-9][0-9]*)\n", said[0])[1]  # type: ignore[index]
        assert urllib.request.urlopen(address + "/livez").read() == b"ok"
        ends_well(process, number)
    assert not (tmp_path / "penstock.toml").exists()


def test_the_first_start_writes_an_example_and_shows_a_key_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--welcome") as (process, said):
        secret = re.search(r"^    ([\w-]{44})$", "".join(said), re.M)[1]  # type: ignore[index]
        address = said[-1].split()[-1]
        assert f"curl --user haplo:{secret} -d kind=example-standard-api {address}/api/" in "".join(said)
        ends_well(process, signal.SIGTERM)
    assert (tmp_path / "imports/processes/example-standard-api.json").exists()
    assert secret not in (tmp_path / "log").read_text()
    with serving(tmp_path, "--welcome") as (process, said):
        assert len(said) == 1


def test_an_example_is_not_written_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[storage]\ndata_dir = "elsewhere"\n')
    with serving(tmp_path, "--welcome"):
        assert (tmp_path / "elsewhere/catalog.db").exists()
    assert not (tmp_path / "imports").exists()


def test_log_lines_can_be_json(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-format", "json") as (process, said):
        urllib.request.urlopen(said[0].split()[-1] + "/livez").read()
        ends_well(process, signal.SIGTERM)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (request,) = (line for line in lines if line["event"] == "request")
    assert (request["route"], request["status"], request["level"]) == ("/livez", 200, "info")


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, said):
        port = said[0].strip().rpartition(":")[2]
        command = [sys.executable, "-m", "server", "serve", "--port", port, "--data-dir", "other"]
        second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "address already in use" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(("section", "limits"), [("limits", UploadLimits), ("jobs", JobLimits)])
def test_settings_have_the_defaults_of_the_room_they_are_for(section: str, limits: type[Any]) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(limits)}
    for key, (_, default) in section_fields(section).items():
        assert defaults[key] == default
