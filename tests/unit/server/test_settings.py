"""Flags win over environment over file over defaults; a wrong setting is named with its place and the way out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings, SettingsWrong, read_settings, section_fields


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Any]:
    def write(text: str, name: str = "penstock.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)


def problems(folder: Path, **more: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsWrong) as caught:
        read_settings(folder=folder, **more)
    return caught.value.problems


def test_defaults_stand_beside_the_working_folder(tmp_path: Path) -> None:
    settings = read_settings(folder=tmp_path)
    assert settings.server.port == 8080
    assert settings.storage.data_dir == tmp_path / "data"
    assert settings.imports.dir == tmp_path / "imports"


@pytest.mark.parametrize(
    ("flag", "variable", "expected"),
    [(3, "4", 3), (None, "4", 4), (None, None, 5)],
    ids=["flag", "environment", "file"],
)
def test_the_nearer_source_wins(
    write: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: int | None,
    variable: str | None,
    expected: int,
) -> None:
    write("[jobs]\nslots = 5\nattempts = 7\n")
    if variable:
        monkeypatch.setenv("PENSTOCK_JOBS__SLOTS", variable)
    settings = read_settings(flags={"jobs": {"slots": flag}} if flag else None, folder=tmp_path)
    assert (settings.jobs.slots, settings.jobs.attempts) == (expected, 7)


def test_paths_of_the_file_are_relative_to_the_file(
    write: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    config = write('[storage]\ndata_dir = "d"\n[imports]\ndir = "/abs"\n', "etc/p.toml")
    monkeypatch.chdir(tmp_path)
    settings = read_settings(config)
    assert settings.storage.data_dir == tmp_path / "etc" / "d"
    assert str(settings.imports.dir) == "/abs"


def test_the_sender_is_written_from(write: Callable[..., Any], tmp_path: Path) -> None:
    write('[smtp]\nfrom = "a@b.example"\n')
    assert read_settings(folder=tmp_path).smtp.sender == "a@b.example"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = read_settings(folder=tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


WRONG = [
    ("[server]\nprot = 1", "[server] prot = 1: no such setting; did you mean port?"),
    ("[server]\nport = 99999", "[server] port = 99999: should be less than or equal to 65535. It is the port"),
    ("[server]\nport = true", "[server] port = true: should not be true or false"),
    ("[server]\nport = 'many'", "[server] port = 'many': should be a valid integer"),
    ("[server]\npublic_url = 'x'", "[server] public_url = 'x': should be a valid URL"),
    ("[jobs]\nslots = 0", "[jobs] slots = 0: should be greater than or equal to 1"),
    ("[haplo]\nx = 0", "[haplo] x = 0: no such setting; there are: none yet"),
    ("[job]\nslots = 1", "[job]: no such section; did you mean jobs?"),
    ("server = 1", "server = 1: server is a section; write [server] and its settings below it"),
    ("[server\nport = 1", "cannot be read as TOML: Expected ']'"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:30] for _, said in WRONG])
def test_a_wrong_setting_names_file_key_value_and_what_is_right(
    write: Callable[..., Any], tmp_path: Path, text: str, said: str
) -> None:
    path = write(text)
    (problem,) = problems(tmp_path)
    assert problem.startswith(f"{path}: ")
    assert said in problem


def test_every_problem_is_said(write: Callable[..., Any], tmp_path: Path) -> None:
    write("[server]\nport = -1\n[jobs]\nslots = 0\nslot = 2\n")
    assert len(problems(tmp_path)) == 3


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PENSTOCK_JOBS__SLOTS", "no", "environment: PENSTOCK_JOBS__SLOTS = 'no': should be a valid integer"),
        ("PENSTOCK_JOBS__SLOT", "1", "environment: PENSTOCK_JOBS__SLOT = '1': no such setting; did you mean slots?"),
        ("PENSTOCK_JOB__SLOTS", "1", "environment: PENSTOCK_JOB__SLOTS: no such setting; the form is"),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert problems(tmp_path)[0].startswith(said)


def test_a_wrong_flag_is_named_as_it_is_typed(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, flags={"storage": {"data_dir": 5}})
    assert problem.startswith("flags: --data-dir = 5: ")


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, config=tmp_path / "other.toml")
    assert problem == f"{tmp_path}/other.toml: no such file; `penstock init` writes one"


def test_every_setting_says_what_it_is() -> None:
    for section in Settings.model_fields:
        assert all(description for description, _ in section_fields(section).values())
