"""Commands on a real data directory: what they print where, and the exit code."""

import csv
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from server.cli import COMMANDS, run
from server.cli.commands.imports import role_of
from server.dialects import SCOPES

HELPED = (
    ["import"],
    ["batches", "list"],
    ["batches", "results"],
    ["keys", "create"],
    ["models", "check"],
    ["processes", "check"],
    ["records", "export"],
)
KEY = re.compile(r"[A-Za-z0-9_-]{44}\n")


@pytest.fixture
def _logs_as_before() -> Iterator[None]:
    """Commands say how this process logs."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def penstock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], _logs_as_before: Any
) -> Callable[..., Any]:
    """Runs a command in a folder of its own; gives exit code, stdout, stderr."""
    for name in list(os.environ):
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def penstock(*arguments: Any) -> tuple[Any, ...]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return penstock


@pytest.fixture
def example(penstock: Callable[..., Any]) -> Any:
    assert penstock("init")[0] == 0
    return penstock


@pytest.fixture
def used(example: Any) -> Any:
    """With a data directory."""
    ok(example("keys", "create", "first", "--scope", "voss"))
    return example


def ok(result: Any) -> Any:
    code, out, err = result
    assert code == 0, err
    return out


# init


def test_init_overwrites_nothing(penstock: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text("[server]\nport = 1\n")
    code, _, err = penstock("init")
    assert code == 1
    assert "penstock.toml is already there; nothing was written" in err
    assert os.listdir(tmp_path) == ["penstock.toml"]


def test_init_writes_into_a_new_folder_what_models_check_accepts(penstock: Callable[..., Any], tmp_path: Path) -> None:
    ok(penstock("init", tmp_path / "new"))
    assert "example:people" in ok(penstock("models", "check", "--config", tmp_path / "new/penstock.toml"))


# keys


def test_a_key_is_printed_alone_and_never_again(example: Any) -> None:
    secret = ok(example("keys", "create", "feed", "--scope", "haplo-batch", "--scope", "voss", "--expires", "90d"))
    assert KEY.fullmatch(secret)
    listed = ok(example("keys", "list", "--json"))
    assert secret.strip()[16:] not in listed
    (key,) = json.loads(listed)
    assert (key["name"], key["state"], key["scopes"]) == ("feed", "active", ["haplo-batch", "voss"])
    assert key["created"].endswith("Z")
    assert key["expires"] > key["created"]


def test_a_revoked_key_is_listed_as_revoked(example: Any) -> None:
    ok(example("keys", "create", "feed", "--scope", "native"))
    code, out, err = example("keys", "revoke", "1")
    assert (code, out) == (0, "")
    assert "key 1 (feed) is revoked" in err
    assert json.loads(ok(example("keys", "list", "--json")))[0]["state"] == "revoked"


def test_a_rotated_key_has_a_successor_and_an_end(example: Any) -> None:
    ok(example("keys", "create", "feed", "--scope", "native"))
    assert KEY.fullmatch(ok(example("keys", "rotate", "1", "--overlap", "2h")))
    keys = {key["id"]: key for key in json.loads(ok(example("keys", "list", "--json")))}
    assert keys[1]["replaced_by"] == 2
    assert keys[1]["expires"] is not None
    assert keys[2]["scopes"] == ["native"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["keys", "create", "x"], 2, "--scope"),
        (["keys", "create", "x", "--scope", "no"], 2, "unknown scope 'no'"),
        (["keys", "create", "x", "--scope", "voss", "--expires", "soon"], 2, "'soon' is not a time span"),
        (["keys", "revoke", "9"], 1, "Key not found: 9"),
        (["batches", "show", "nope"], 1, "Batch not found: nope"),
        (["jobs", "show", "nope"], 1, "Job not found: nope"),
        (["jobs", "log", "nope"], 1, "Job not found: nope"),
        (["jobs", "cancel", "nope"], 1, "Job not found: nope"),
        (["records", "export", "nope"], 1, "there is no table nope; there are: books, people"),
        (["import", "penstock.toml", "--process", "nope"], 1, "Import process not found: nope;"),
        (["import", "penstock.toml", "--process", "nope"], 1, "imports has: example-standard-api, people-feed"),
        (["batches", "list", "--process", "nope"], 1, "imports has: example-standard-api, people-feed"),
        (["batches", "list", "--api", "nope"], 2, "'nope' is unknown; known are: haplo-batch, haplo-standard"),
        (["batches", "list", "--state", "nope"], 2, "'nope' is unknown; known are: uploading, ready, scheduled"),
        (["import", "no.jsonl", "--process", "people-feed"], 1, "no.jsonl: cannot be read: No such file or directory"),
        (["control", "check", "penstock.toml"], 1, "penstock.toml:1: cannot be read as JSON"),
        (["processes", "check", "penstock.toml"], 1, "penstock.toml:1: cannot be read as JSON"),
        (["models", "check", "none.json"], 1, "none.json: cannot be read: No such file or directory"),
        (["serve", "--no-auth", "--host", "0.0.0.0"], 2, "everybody who reaches 0.0.0.0 could import"),
        (["serve", "--port", "99999"], 2, "flags: --port = 99999: should be less than or equal to 65535"),
        (["keys", "list", "--config", "other.toml"], 2, "other.toml: no such file"),
        (["frobnicate"], 2, "No such command 'frobnicate'"),
    ],
)
def test_what_goes_wrong_is_one_clear_line(used: Any, arguments: list[str], code: int, said: str) -> None:
    got, out, err = used(*arguments)
    assert got == code
    assert said in re.sub(r"[│\s]+", " ", err)
    assert "Traceback" not in out + err


# checks


def edit(path: Any, *changes: Any) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)


def line_of(path: Any, text: str) -> Any:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_models_check_tells_every_mistake_with_its_line(example: Any, tmp_path: Path) -> None:
    path = tmp_path / "imports/models/people.json"
    edit(path, ('"kind": "object"', '"kind": "objekt"'), ('"email-address"', '"e-mail"'), ('"optional"', '"optoinal"'))
    code, out, err = example("models", "check", path)
    assert (code, out) == (1, "")
    assert f'{path}:{line_of(path, "objekt")}: destinations[0].kind: "objekt" is wrong, should be one of object' in err
    assert f'{path}:{line_of(path, "e-mail")}: destinations[0].names.email.type: "e-mail" is wrong, should be' in err
    assert f"{path}:{line_of(path, 'optoinal')}: destinations[1].optoinal: unknown key; did you mean optional?" in err


def test_control_check_accepts_the_example(example: Any) -> None:
    assert ok(example("control", "check", "imports/sample/control.json")) == "imports/sample/control.json: good\n"


def test_control_check_says_what_the_api_would_say(example: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    code, _, err = example("control", "check", "bad.json")
    assert code == 1
    assert err.splitlines()[0].startswith("penstock: bad.json:1: Not a control file")
    assert len(err.splitlines()) == 4


def test_control_check_tells_every_mistake_at_once_with_its_line_and_the_way_out(example: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(
        """{"dataImportControlFileVersion": "0",
        "model": "no:such",
        "files": {"DEFAULT": {"read": "csv"},
                  "b": {"read": "exel"}},
        "instructions": [
            {"action": "nwe", "destination": "person"},
            {"source": "a", "destination": "person"},
            {"action": "within", "source": "x", "instructions": [
                {"source": "a", "destination": "person", "name": "n", "filters": ["one", "haplo:to-string", "two"]}]}
        ]}"""
    )
    code, _, err = example("control", "check", "bad.json")
    assert code == 1
    lines = err.splitlines()
    for line, place, said in [
        (1, "dataImportControlFileVersion", "Bad version of control file, should be 0"),
        (2, "model", "Model not implemented: no:such; the models are: example:people"),
        (3, "files.DEFAULT.read", "Unknown reader for file DEFAULT: csv; the readers are: csv-with-name-row, "),
        (4, "files.b.read", "Unknown reader for file b: exel; the readers are: csv-with-name-row, "),
        (6, "instructions[0].action", "Unknown action in instruction: nwe; the actions are: abort-record, "),
        (7, "instructions[1]", "Expected property not found in field instruction: name"),
        (9, "instructions[2].instructions[0].filters[0]", "Filter one is not available; the filters are: haplo:"),
        (9, "instructions[2].instructions[0].filters[2]", "Filter two is not available; the filters are: haplo:"),
    ]:
        start = f"penstock: bad.json:{line}: {place}: {said}"
        assert any(each.startswith(start) for each in lines), (start, lines)
    assert len(lines) == 8


def test_control_check_says_what_a_run_would_log(example: Any, tmp_path: Path) -> None:
    text = (tmp_path / "imports/sample/control.json").read_text()
    (tmp_path / "bad.json").write_text(text.replace('"name": "isbn"', '"name": "isbm"'))
    line = line_of(tmp_path / "bad.json", '"isbm"')
    code, _, err = example("control", "check", "bad.json")
    assert code == 1
    assert f"bad.json:{line}: when it runs: instructions[" in err
    assert "Unknown name in field isbm for destination book" in err


SHORT = """{"id": "short",
  "label": 5,
  "model": "example:people",
  "destination": "profile",
  "read": "csv",
  "write": "replace",
  "columns": {"E-mail": "emial"}}"""


def test_processes_check_accepts_the_example(example: Any) -> None:
    said = ok(example("processes", "check"))
    assert "imports/processes/people-feed.json: people-feed, model example:people\n" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("where", ["imports/processes/short.json", "elsewhere.json"])
def test_processes_check_tells_every_mistake_with_its_line(example: Any, tmp_path: Path, where: str) -> None:
    path = tmp_path / where
    path.write_text(SHORT)
    inside = where.startswith("imports")
    for arguments in [["processes", "check", path], *([["processes", "check"]] if inside else [])]:
        code, _, err = example(*arguments)  # type: ignore[misc]
        assert code == 1
        assert f"{path}:2: label: 5 is wrong, should be a text" in err
        assert f'{path}:6: write: "replace" is wrong, should be one of create, update, upsert' in err
        assert f'{path}:7: columns.E-mail: "emial" is wrong, should be one of title, ' in err


def test_the_server_says_what_processes_check_says(example: Any, tmp_path: Path) -> None:
    edit(tmp_path / "imports/processes/people-feed.json", ('"label"', '"lable"'))
    code, _, checked = example("processes", "check")
    assert code == 1
    assert "people-feed.json:3: lable: unknown key; did you mean label?" in checked
    code, _, refused = example("import", "imports/sample/people.jsonl", "--process", "people-feed")
    assert code == 1
    assert "people-feed.json: lable: unknown key; did you mean label?" in refused


def test_a_process_is_checked_with_the_control_file_that_it_names(example: Any, tmp_path: Path) -> None:
    control, process = (
        tmp_path / "imports/processes" / name for name in ("people.control.json", "example-standard-api.json")
    )
    edit(control, ('"name": "isbn"', '"name": "isbm"'), ('"read": "json"', '"read": "jsno"'))
    edit(process, ('"label"', '"lable"'))
    code, _, err = example("processes", "check")
    assert code == 1
    assert "lable: unknown key" in err
    assert "control: Unknown reader for file data0: jsno; the readers are: " in err
    edit(control, ("jsno", "json"))
    edit(process, ('"lable"', '"label"'))
    code, _, err = example("processes", "check")
    assert code == 1
    assert "example-standard-api.json: when it runs: Unknown name in field isbm" in err


# import, batches, jobs, records


def test_an_import_without_a_server_ends_in_rows(example: Any) -> None:
    code, out, err = example("import", "imports/sample/people.jsonl", "--process", "people-feed", "--wait")
    assert code == 1
    assert "1 of 3 records failed" in err
    assert "3 records read: 2 created, 0 updated, 0 unchanged, 0 deleted, 1 failed, 0 skipped" in err

    batch = json.loads(ok(example("batches", "show", out.strip(), "--json")))
    assert (batch["id"], batch["api"], batch["process"], batch["state"]) == (
        out.strip(),
        "cli",
        "people-feed",
        "complete",
    )
    assert batch["files"][0].keys() == {"id", "name", "filename", "digest", "size"}
    assert batch["log"].startswith("START: ")
    assert batch["errors"] >= 1
    assert batch["job"]["counts"] == {
        "read": 3, "created": 2, "updated": 0, "unchanged": 0, "deleted": 0, "failed": 1, "skipped": 0,
        "with_warnings": 0,
    }  # fmt: skip
    job = batch["job"]["id"]
    assert ok(example("jobs", "log", job)).strip() == batch["log"]
    lines = json.loads(ok(example("jobs", "log", job, "--json")))
    assert "\n".join(line["message"] for line in lines) == batch["log"]
    assert {line["level"] for line in lines} == {"info", "error"}
    assert "complete, 1 failed" in ok(example("batches", "list"))
    assert "complete, 1 failed" in ok(example("batches", "show", out.strip()))
    assert "done, 1 failed" in ok(example("jobs", "list"))
    assert json.loads(ok(example("jobs", "show", job, "--json")))["state"] == "done"

    tables = json.loads(ok(example("records", "tables", "--json")))
    assert tables == [{"table": "books", "rows": 0}, {"table": "people", "rows": 2}]
    rows = [json.loads(line) for line in ok(example("records", "export", "people")).splitlines()]
    assert rows[0] == {
        "_id": 1,
        "title": {"first": "Ada", "last": "Moss"},
        "email": "ada.moss@example.org",
        "phone": "+44 20 7946 0018",
        "active": True,
    }
    assert ok(example("fsck", "--deep")) == "no damage found\n"


WARNED = {
    "name": "example:warned",
    "destinations": [
        {"name": "thing", "table": "things", "kind": "dictionary", "names": {"code": {}, "size": {"type": "integer"}}}
    ],
}


def test_records_with_values_lost_are_counted_shown_and_given_back(example: Any, tmp_path: Path) -> None:
    (tmp_path / "imports/models/warned.json").write_text(json.dumps(WARNED))
    short = {"id": "warned", "model": WARNED["name"], "destination": "thing", "read": "csv-with-name-row"}
    process = tmp_path / "imports/processes/warned.json"
    process.write_text(json.dumps({**short, "write": "create", "on_bad_value": "drop"}))
    (tmp_path / "sizes.csv").write_text("code,size\na,1\nb,many\nc,2\n")
    code, out, err = example("import", "sizes.csv", "--process", "warned", "--wait")
    assert code == 0, err
    assert "3 created" in err
    assert "1 of those stored with warnings" in err
    batch = out.strip()
    assert "complete, 1 with warnings" in ok(example("batches", "show", batch))
    shown = json.loads(ok(example("batches", "show", batch, "--json")))
    assert shown["job"]["counts"]["with_warnings"] == 1
    ok(example("batches", "results", batch, "--kind", "warnings", "--output", "again.csv"))
    assert (tmp_path / "again.csv").read_text() == "code,size\nb,many\n"
    code, _, err = example("batches", "results", batch, "--kind", "failed", "--output", "none.csv")
    assert (code, "no record of this batch has failed" in err) == (1, True)
    assert not (tmp_path / "none.csv").exists()
    assert example("batches", "results", batch, "--kind", "lost")[0] == 2

    process.write_text(json.dumps({**short, "write": "create"}))
    code, _, err = example("import", "sizes.csv", "--process", "warned", "--wait")
    assert (code, "1 of 3 records failed" in err) == (1, True)


def short_process(folder: Any, **fields: Any) -> None:
    """A process that reads things with a size from CSV."""
    (folder / "imports/models/warned.json").write_text(json.dumps(WARNED))
    short = {"id": "things", "model": WARNED["name"], "destination": "thing", "read": "csv-with-name-row"}
    (folder / "imports/processes/things.json").write_text(json.dumps({**short, "write": "create", **fields}))


def test_the_end_of_an_import_says_what_went_wrong_in_which_line_and_the_way_out(example: Any, tmp_path: Path) -> None:
    short_process(tmp_path)
    (tmp_path / "sizes.csv").write_text("code,size\na,1\nb,many\n" + "c,none\n" * 9)
    code, _, err = example("import", "sizes.csv", "--process", "things", "--wait")
    assert code == 1
    assert 'sizes.csv, line 3: size: "many" is not stored as integer, should be' in err
    assert "sizes.csv, line 7: " in err
    assert "sizes.csv, line 8: " not in err  # the first records are enough
    assert "10 of 11 records failed" in err


def test_the_end_of_an_import_says_what_is_odd_about_a_file_that_went_well(example: Any, tmp_path: Path) -> None:
    short_process(tmp_path)
    (tmp_path / "sizes.csv").write_text("code,size,size\na,1,2\n")
    code, out, err = example("import", "sizes.csv", "--process", "things", "--wait")
    assert code == 0, err
    assert 'sizes.csv: more than one column is called "size"' in err
    assert f"penstock: see: penstock batches show {out.strip()}" in err


def test_a_likely_charset_is_named_and_can_be_chosen(example: Any, tmp_path: Path) -> None:
    short_process(tmp_path)
    (tmp_path / "sizes.csv").write_bytes("code,size\nGröße,1\n".encode("cp1252"))
    code, _, err = example("import", "sizes.csv", "--process", "things", "--wait")
    assert (code, "1 of 1 record failed" in err) == (1, True)
    assert "seems to be in windows-1252" in err
    ok(example("import", "sizes.csv", "--process", "things", "--wait", "--charset", "windows-1252"))
    assert '"Größe"' in ok(example("records", "export", "things"))


def test_a_decimal_mark_and_a_quote_can_be_chosen_for_one_import(example: Any, tmp_path: Path) -> None:
    short_process(tmp_path)
    (tmp_path / "sizes.csv").write_text("code;size\n'a;b';1.250\n")
    where = ("import", "sizes.csv", "--process", "things", "--wait", "--separator", ";", "--quote", "'")
    assert example(*where)[0] == 1
    ok(example(*where, "--decimal", "comma"))
    assert json.loads(ok(example("records", "export", "things"))) == {"_id": 1, "code": "a;b", "size": 1250}
    code, _, err = example(*where, "--decimal", ";")
    assert (code, 'decimal: \';\' is no decimal mark, should be one of "." and ","' in err) == (2, True)


def test_the_example_control_file_fills_both_tables(example: Any, tmp_path: Path) -> None:
    ok(example("import", "imports/sample/data.json", "--process", "example-standard-api", "--wait"))
    rows = [json.loads(line) for line in ok(example("records", "export", "books")).splitlines()]
    assert [(row["_parent"], row["year"]) for row in rows] == [(1, 2021), (1, 2024)]
    ok(example("records", "export", "people", "--format", "csv", "--output", "people.csv"))
    with (tmp_path / "people.csv").open(newline="", encoding="utf-8") as file:
        people = list(csv.DictReader(file))
    assert [row["email"] for row in people] == ["ada.moss@example.org", "ben.okafor@example.org", "chloe@example.org"]
    assert orjson.loads(people[0]["tags"]) == ["staff", "library"]
    assert people[2]["active"] == "false"


def test_a_dry_run_leaves_no_row(example: Any) -> None:
    ok(example("import", "imports/sample/data.json", "--process", "example-standard-api", "--wait", "--dry-run"))
    assert ok(example("records", "export", "people")) == ""
    (batch,) = json.loads(ok(example("batches", "list", "--json")))
    assert batch["state"] == "dry-run"


def test_a_table_without_room_for_a_column_ends_the_import_at_its_first_try(example: Any, tmp_path: Path) -> None:
    model = {"name": "free", "destinations": [{"name": "d", "table": "free", "kind": "dictionary", "open": True}]}
    (tmp_path / "imports/models/free.json").write_text(json.dumps(model))
    for name in ("id", "ID"):
        control = {
            "dataImportControlFileVersion": 0,
            "model": "free",
            "files": {"DEFAULT": {"read": "json-lines"}},
            "instructions": [{"action": "new", "destination": "d"}, {"source": "a", "destination": "d", "name": name}],
        }
        process = {"id": f"p-{name}", "control": control}
        (tmp_path / f"imports/processes/p-{name}.json").write_text(json.dumps(process))
    (tmp_path / "a.jsonl").write_text('{"a": "1"}')
    ok(example("import", "a.jsonl", "--process", "p-id", "--wait"))
    code, _, err = example("import", "a.jsonl", "--process", "p-ID", "--wait")
    assert code == 1
    assert "the table free has a column id_, so it cannot have a column ID_" in err
    job = json.loads(ok(example("jobs", "list", "--json")))[0]
    assert (job["state"], job["attempts"]) == ("failed", 1)


def test_a_queued_job_can_be_cancelled(example: Any) -> None:
    batch = ok(example("import", "imports/sample/people.jsonl", "--process", "people-feed")).strip()
    (job,) = json.loads(ok(example("jobs", "list", "--json")))
    assert job["state"] == "queued"
    ok(example("jobs", "cancel", job["id"]))
    assert json.loads(ok(example("batches", "show", batch, "--json")))["state"] == "cancelled"


def test_flags_say_how_files_are_read_this_once(example: Any, tmp_path: Path) -> None:
    process = {"id": "table", "model": "example:people", "destination": "profile", "write": "create"}
    process["read"] = "csv-with-name-row"
    columns = {"mail": "email", "first": "title.first", "last": "title.last"}
    (tmp_path / "imports/processes/table.json").write_text(json.dumps({**process, "columns": columns}))
    (tmp_path / "people.csv").write_bytes("mail;first;last\na@b;Zoë;Ø\n".encode("cp1252"))
    flags = ("--process", "table", "--separator", ";", "--charset", "windows-1252", "--wait")
    _, out, err = example("import", "people.csv", *flags)
    assert "1 record read: 1 created" in err
    assert "Zoë" in ok(example("records", "export", "people"))
    assert KEY.fullmatch(out)
    code, out, err = example("import", "people.csv", "--process", "table", "--charset", "klingon")
    assert (code, out) == (2, "")
    assert "Unknown charset 'klingon'" in err


def test_an_import_that_cannot_be_read_fails(example: Any, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("[{")
    code, out, err = example("import", "data.json", "--process", "example-standard-api", "--wait")
    assert code == 1
    assert KEY.fullmatch(out)
    assert "the import ended as failed" in err


def test_two_files_of_one_name_are_not_imported_as_one(used: Any, tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_text("{}")
    code, out, err = used("import", "people.jsonl", "imports/sample/people.jsonl", "--process", "people-feed")
    assert (code, out) == (2, "")
    assert "several files of one name: people.jsonl" in " ".join(err.split())
    assert json.loads(ok(used("batches", "list", "--json"))) == []


@pytest.mark.parametrize("bad", ["no.jsonl", "imports"])
def test_a_file_that_cannot_be_read_leaves_no_batch_and_nothing_in_flight(
    example: Any, tmp_path: Path, bad: str
) -> None:
    code, out, err = example("import", "imports/sample/people.jsonl", bad, "--process", "people-feed")
    assert (code, out) == (1, "")
    assert f"{bad}: cannot be read: " in err
    assert json.loads(ok(example("batches", "list", "--json"))) == []
    assert [path.name for path in (tmp_path / "data/incoming").iterdir() if path.name != ".lock"] == []


def test_batches_can_be_picked_by_state_process_and_api(example: Any) -> None:
    ok(example("import", "imports/sample/people.jsonl", "--process", "people-feed"))
    for flags, found in [
        (["--state", "scheduled"], 1),
        (["--state", "complete"], 0),
        (["--process", "people-feed"], 1),
        (["--process", "example-standard-api"], 0),
        (["--api", "cli"], 1),
        (["--api", "voss"], 0),
    ]:
        assert len(json.loads(ok(example("batches", "list", *flags, "--json")))) == found


READING = [
    ["keys", "list"],
    ["keys", "revoke", "1"],
    ["batches", "list"],
    ["batches", "show", "x"],
    ["jobs", "list"],
    ["jobs", "cancel", "x"],
    ["records", "tables"],
    ["fsck"],
    ["backup", "out.tar"],
]


@pytest.mark.parametrize("arguments", READING)
def test_a_command_that_reads_refuses_a_directory_that_is_none(example: Any, tmp_path: Path, arguments: Any) -> None:
    (tmp_path / "empty").mkdir()
    for folder, said in [("mistyped", "no such directory"), ("empty", "not a data directory of Penstock")]:
        code, out, err = example(*arguments, "--data-dir", folder)
        assert (code, out) == (1, "")
        assert f"{folder}: {said}" in err
    assert not (tmp_path / "mistyped").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_hints_carry_the_flags(example: Any, tmp_path: Path) -> None:
    said = ok(example("init", tmp_path / "a place"))
    assert said.endswith(f"penstock keys create NAME --scope SCOPE --config '{tmp_path}/a place/penstock.toml'\n")
    where = ["--data-dir", tmp_path / "its data"]
    _, _, err = example("import", "imports/sample/people.jsonl", "--process", "people-feed", "--wait", *where)
    assert re.search(rf"see: penstock batches show \S+ --data-dir '{tmp_path}/its data'", err)


# what clients sent, on a screen

HOSTILE = "see [/nope] [red]x[/red] [link=http://evil/]y[/link] \x1b]0;owned\x07\x1b[31m \x9b2J \u202ecod.exe\r\nnext"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def hostile(used: Any, tmp_path: Path) -> Any:
    """A batch with such a file name, comment and values."""
    path = tmp_path / "\x1b[31mfile[b].jsonl"
    path.write_bytes(orjson.dumps({"title": {"last": HOSTILE}, "email": HOSTILE}) + b"\n")
    used("import", path, "--process", "people-feed", "--wait")
    return first_batch(used)


def steering(text: Any) -> list[Any]:
    return [c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or 0x202A <= ord(c) <= 0x202E]


def test_nothing_that_clients_sent_steers_a_screen(
    used: Any, hostile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "300")
    document = orjson.loads(ok(used("batches", "show", hostile, "--json")))
    assert document["comment"] == "\x1b[31mfile[b].jsonl"  # a program gets it as it is
    job = document["job"]["id"]
    commands = [
        ["batches", "list"],
        ["batches", "list", "--json"],
        ["batches", "show", hostile],
        ["batches", "rows", hostile],
        ["jobs", "list"],
        ["jobs", "log", job],
        ["records", "export", "people", "--format", "csv"],
        ["import", tmp_path / "\x1b[31mgone", "--process", "people-feed"],
        ["import", tmp_path / "\x1b[31mfile[b].jsonl", "--process", "people-feed"],
    ]
    for command in commands:
        shown = shown_by(monkeypatch, *command)
        assert steering(shown) == [], (command, shown)
    assert "\\u001b[31mfile[b].jsonl" in shown_by(monkeypatch, "batches", "list")  # type: ignore[operator]
    orjson.loads(shown_by(monkeypatch, "batches", "list", "--json"))


def shown_by(monkeypatch: pytest.MonkeyPatch, *command: Any) -> bytes:
    """All that a command writes where both streams are a terminal."""
    screen = Screen()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        run([str(argument) for argument in command])
    return screen.getvalue()  # type: ignore[return-value]


def test_a_list_shows_markup_as_it_is_and_a_line_for_each_row(used: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ok(used("keys", "create", HOSTILE, "--scope", "voss"))
    listed = ok(used("keys", "list"))
    assert len(listed.splitlines()) == 3
    assert "see [/nope] [red]x[/red] [link=http://evil/]y[/link] \\u001b]0;owned\\u0007" in listed


def test_fsck_finds_a_lost_blob(example: Any, tmp_path: Path) -> None:
    ok(example("import", "imports/sample/people.jsonl", "--process", "people-feed"))
    digest = json.loads(ok(example("batches", "show", first_batch(example), "--json")))["files"][0]["digest"]
    (tmp_path / "data/blobs/sha256" / digest[:2] / digest[2:4] / digest).unlink()
    code, out, _ = example("fsck")
    assert code == 1
    assert digest in out


def first_batch(penstock: Callable[..., Any]) -> Any:
    return json.loads(ok(penstock("batches", "list", "--json")))[0]["id"]


CONTROL = {"files": {"people": {}, "b.json": {}, "DEFAULT": {}}}  # type: ignore[var-annotated]


@pytest.mark.parametrize(
    ("file", "control", "role"),
    [
        ("people.json", CONTROL, "people"),
        ("b.json", CONTROL, "b.json"),
        ("other.json", CONTROL, "other.json"),
        ("other.json", {"files": {"data0": {}}}, "data0"),
    ],
)
def test_a_file_finds_its_name_in_the_control_file(
    tmp_path: Path, file: str, control: dict[str, Any], role: str
) -> None:
    assert role_of(tmp_path / file, control, alone=True) == role


# the face of it all


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command_and_imports_none(penstock: Callable[..., Any], flag: str) -> None:
    out = ok(penstock(flag))
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_short_form_of_help(penstock: Callable[..., Any], name: Any) -> None:
    assert ok(penstock(name, "-h")) == ok(penstock(name, "--help"))


def test_the_version_is_that_of_the_package(penstock: Callable[..., Any]) -> None:
    assert ok(penstock("--version")) == f"penstock {version('penstock')}\n"


def test_help_of_a_new_key_lists_the_scopes(penstock: Callable[..., Any]) -> None:
    out = ok(penstock("keys", "create", "-h"))
    assert all(scope in out for scope in SCOPES)


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_no_terminal_is_too_narrow_for_whole_words(
    penstock: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for command in ([], ["batches"], *HELPED):
        shown = penstock(*command, "-h")[1]
        assert not re.search(r"-\n|…|[a-z]\.\.\.\n", shown), shown  # broken at a hyphen, or cut
    for wrong in (["batches", "list", "--api", "nobody's"], ["keys", "create", "x", "--scope", "y", "--expires", "3"]):
        code, _, err = penstock(*wrong)
        assert (code, len(err.splitlines()[-1]) > 60) == (2, True)  # the whole sentence in one line
    assert "--expires: '3' is not a time span" in err


@pytest.mark.parametrize("columns", ["20", "80", "300"])
@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_a_list_shows_every_column_in_every_terminal(
    used: Any, monkeypatch: pytest.MonkeyPatch, columns: str, terminal: str
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("COLUMNS", columns)
    shown = re.sub("\x1b\\[[0-9]*m", " ", shown_by(monkeypatch, "keys", "list").split("\n")[0])  # type: ignore[arg-type, call-overload]
    assert shown.split() == ["id", "name", "state", "scopes", "tenants", "created", "expires", "last_used"]


def test_a_file_that_cannot_be_written_or_read_is_named_as_it_was_given(used: Any, tmp_path: Path) -> None:
    for command, name in (
        (("backup", "gone/all.tar"), "gone/all.tar: cannot be written: there is no directory "),
        (("restore", "gone.tar", "--data-dir", "other"), "gone.tar: No such file or directory"),
        (("records", "export", "people", "--output", "gone/people"), "gone/people: No such file or directory"),
    ):
        code, _, err = used(*command)
        assert (code, err.startswith(f"penstock: {name}")) == (1, True), err


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("penstock ke", "keys"), ("penstock keys cr", "create"), ("penstock batches list --st", "--state")],
)
def test_a_shell_completes_commands_and_flags(typed: str, completed: str) -> None:
    words = {"_PENSTOCK_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    ran = subprocess.run([sys.executable, "-m", "server"], capture_output=True, text=True, env=os.environ | words)
    assert ran.stdout.split() == [completed]


def test_help_needs_nothing_heavy() -> None:
    program = "import sys; from server.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"aiohttp", "sqlalchemy", "pydantic", "server.engine.engine"} & set(ran.stderr.split())
