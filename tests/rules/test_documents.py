"""Every command, setting, scope, endpoint and metric is in the documents; the example has the true defaults."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client import ProcessCollector

from server.cli import COMMANDS, make_app
from server.dialects import DIALECTS, SCOPES
from server.metrics import Metrics
from server.metrics.families import Snapshot, families
from server.settings import Settings, section_fields

PROJECT = Path(__file__).parents[2]
MANUAL = PROJECT / "server/manual"
COMMAND_LINE = (MANUAL / "commands.md").read_text("utf-8")
OPERATIONS = (MANUAL / "operations.md").read_text("utf-8")
MONITORING = (MANUAL / "monitoring.md").read_text("utf-8")
EXAMPLE = (PROJECT / "server/cli/example/penstock.toml").read_text("utf-8")
EVERYWHERE = {"--config", "--data-dir", "--json", "--help"}


def leaves(command: Any, path: list[Any]) -> Iterator[Any]:
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, [*path, name])
    if not hasattr(command, "commands"):
        yield " ".join(path), command


def commands() -> Iterator[Any]:
    for name in COMMANDS:
        group = typer.main.get_command(make_app(name)).commands[name]  # type: ignore[attr-defined]
        yield from leaves(group, ["penstock", name])


def paragraph(command: Any) -> Any:
    """The lines of a command in the list of commands, its continuation lines too."""
    found = re.search(rf"^    {re.escape(command)}( .*)?$(\n {{20,}}.*)*", COMMAND_LINE, re.M)
    return found[0] if found else ""


def test_every_command_is_described() -> None:
    assert [name for name, _ in commands() if not paragraph(name)] == []


def test_every_flag_is_described() -> None:
    missing = []
    for name, command in commands():
        flags = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")}
        missing += [f"{name} {flag}" for flag in flags - EVERYWHERE if flag not in paragraph(name)]
    assert missing == []


def test_flags_of_every_command_are_described_once() -> None:
    assert all(flag in COMMAND_LINE for flag in EVERYWHERE - {"--help"})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: Any) -> None:
    command = typer.main.get_command(make_app(name)).commands[name]  # type: ignore[attr-defined]
    assert command.help == COMMANDS[name][2]


@pytest.mark.parametrize("section", Settings.model_fields)
def test_every_setting_is_described(section: Any) -> None:
    assert f"`[{section}]`" in OPERATIONS
    assert [key for key in section_fields(section) if f"`{key}`" not in OPERATIONS] == []


def test_every_scope_is_described() -> None:
    assert [scope for scope in SCOPES if f"`{scope}`" not in COMMAND_LINE] == []


def test_every_endpoint_is_described() -> None:
    documents = "".join(path.read_text("utf-8") for path in PROJECT.glob("server/dialects/*/README.md"))
    for make in DIALECTS:
        for route in make(None, None).routes():  # type: ignore[arg-type]
            path = re.sub(r"\{(\w+)[^}]*\}", lambda found: found[1].upper(), route.path)
            assert path in documents


def test_every_endpoint_for_operators_is_described() -> None:
    assert [path for path in Metrics.prefixes if f"`GET {path}`" not in MONITORING] == []


def test_every_metric_is_described_with_its_labels_and_no_other() -> None:
    empty = Snapshot({}, 0, {}, 0, 0, {}, 0, None, None)
    ours = {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families(empty)}
    process = {sample.name for family in ProcessCollector(registry=None).collect() for sample in family.samples}
    rows = [row.split("|") for row in MONITORING.splitlines() if re.match(r"\| `(penstock|process)_", row)]
    described = {name: row[2].strip() for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert set(described) == set(ours) | process
    assert {name: described[name] for name in ours} == {name: ", ".join(ours[name]._labelnames) for name in ours}  # type: ignore[attr-defined]


def example_lines(section: Any) -> Any:
    found = re.search(rf"^\[{section}\]\n((?:#.*\n)*)", EXAMPLE, re.M)
    return found[1].splitlines() if found else []


@pytest.mark.parametrize("section", [name for name in Settings.model_fields if section_fields(name)])
def test_the_example_has_every_setting_with_its_default(section: Any) -> None:
    lines = "\n".join(line.removeprefix("# ") for line in example_lines(section))
    values = tomllib.loads(lines)
    fields = section_fields(section)
    assert set(values) == set(fields)
    for key, (description, default) in fields.items():
        shown = list(default) if isinstance(default, tuple) else default
        assert default is None or str(values[key]) == str(shown)
        assert re.search(rf"^# {key} = .*# {re.escape(description)}$", "\n".join(example_lines(section)), re.M)
