"""Processes on the site: what each does and how programs call it, and writing one."""

import asyncio
import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.wire.admin.house import Signed
from tests.wire.admin.test_control_files import messages

SHORT = """{
  "id": "a feed/1",
  "label": "A feed",
  "description": "Of people",
  "model": "example:people",
  "destination": "profile",
  "read": "csv-with-name-row",
  "write": "upsert",
  "columns": {
    "E-mail": "email",
    "Years": "age"
  }
}
"""


async def save(site: Signed, text: str, **fields: str) -> Any:
    return await site.post("/admin/processes/-/save", {"text": text, **fields})


async def test_the_list_says_what_each_process_does(site: Signed) -> None:
    batch = await site.imported({"email": "a@example.org"})
    page = await site.get("/admin/processes")
    assert page.links["People"] == "/admin/processes/people"
    assert page.links["People from a spreadsheet"] == "/admin/processes/people-csv"
    assert f"/admin/batches/{batch.identifier}" in page.links.values()
    assert "csv-with-name-row" in page.text
    assert "creates" in page.text
    assert "complete" in page.text


async def test_no_page_shows_an_import_with_failed_records_as_a_plain_success(site: Signed) -> None:
    batch = await site.imported({"email": "a@example.org"}, {"email": "nobody"})
    for path in (
        "/admin/",
        "/admin/batches",
        f"/admin/batches/{batch.identifier}",
        "/admin/processes",
        "/admin/processes/people",
        f"/admin/control-files/{batch.control}",
    ):
        page = await site.get(path)
        assert ", 1 failed" in page.text, path
        for plain in ("complete", "done"):
            assert f'<span class="badge {plain}">' not in page.body, path


async def test_a_new_process_is_saved_and_in_force_at_once(site: Signed) -> None:
    saved = await save(site, SHORT)
    assert saved.to == "/admin/processes/a%20feed/1?notice=process-saved"
    page = await site.get(saved.to)
    assert page.headings[0] == "A feed"
    for words in ("Of people", "creates or updates", "csv-with-name-row", "E-mail", "email of profile", "people .age"):
        assert words in page.text
    assert page.links["New import…"] == "/admin/new-import?process=a%20feed/1"
    assert "upsert" in page.text.partition("The control file that it runs with")[2]
    assert site.house.imports.joinpath("processes/a-feed-1.json").read_text() == SHORT


async def test_the_command_lines_work_as_they_are_shown(site: Signed, tmp_path: Path) -> None:
    process = json.loads(SHORT) | {"read": "json-lines", "push": {"url": "feed"}}
    assert (await save(site, json.dumps(process))).status == 303
    page = await site.get("/admin/processes/a%20feed/1")
    (tmp_path / "FILE").write_text('{"E-mail": "z@example.org", "Years": 7}\n')
    scopes = {"standard": "haplo-standard", "WorkflowImportQueue": "learningbuilder"}
    for begin, scope in scopes.items():
        command = next(text for text in blocks(page.body) if begin in text)
        script = ["bash", "-euc", f"KEY={shlex.quote(site.house.keys[scope])}\n{command}"]
        done = await asyncio.to_thread(subprocess.run, script, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "SCHEDULED" in done.stdout or "queueBatchId" in done.stdout
    made = await site.engine.batches.list()
    assert [batch.process for batch in made] == ["a feed/1", "a feed/1"]
    for batch in made:
        assert batch.job is not None
        assert (await site.engine.jobs.wait(batch.job)).counts.read == 1
    assert f"curl --user haplo:$KEY --data-binary @FILE {site.address}/api/push-data/feed" in blocks(page.body)


def blocks(body: str) -> list[str]:
    """The texts of the blocks that show commands."""
    found = [part.partition(">")[2].partition("</pre>")[0] for part in body.split("<pre")[1:]]
    return [
        text.replace("&#34;", '"').replace("&#39;", "'").replace("&amp;", "&").replace("&lt;", "<") for text in found
    ]


WRONG: Mapping[str, tuple[str, Mapping[int, str]]] = {
    "column": (SHORT.replace('"age"', '"years"'), {11: "columns.Years:"}),
    "reader": (SHORT.replace("csv-with", "papyrus-with"), {7: "control: Unknown reader for file DEFAULT"}),
    "destination": (SHORT.replace('"profile"', '"nobody"'), {6: "destination:"}),
    "key": (SHORT.replace('"E-mail": "email",', ""), {9: "columns: no column goes to email"}),
    "unknown key": (SHORT.replace('"write"', '"writes"'), {1: "write: missing", 8: "writes: unknown key"}),
}


@pytest.mark.parametrize("name", WRONG)
async def test_each_mistake_stands_under_its_line(site: Signed, name: str) -> None:
    text, expected = WRONG[name]
    page = await save(site, text)
    assert page.status == 400
    found = messages(page)
    assert found.keys() == expected.keys()
    assert all(any(said.startswith(begin) for said in found[line]) for line, begin in expected.items())
    assert (await site.get("/admin/processes/a%20feed/1")).status == 404


async def test_mistakes_of_a_control_file_within_have_their_lines(site: Signed) -> None:
    document = {
        "id": "long",
        "control": {
            "dataImportControlFileVersion": 0,
            "model": "example:people",
            "files": {"DEFAULT": {"read": "json"}},
            "instructions": [{"action": "new", "destination": "profile"}, {"source": "a", "name": "email"}],
        },
    }
    page = await save(site, json.dumps(document, indent=1))
    assert messages(page) == {16: ["control: Expected property not found in field instruction: destination"]}


async def test_what_a_run_would_say_must_be_seen_first(site: Signed) -> None:
    document = json.loads(site.house.imports.joinpath("processes/people.json").read_text())
    document |= {"id": "other"}
    document["control"]["instructions"].append({"source": "x", "destination": "profile", "name": "shoe"})
    page = await save(site, json.dumps(document, indent=1))
    assert page.status == 400
    assert "process other: Unknown name in field shoe for destination profile" in page.text
    assert (await save(site, json.dumps(document, indent=1), anyway="on")).status == 303


async def test_a_control_file_beside_the_process_is_changed_within_it(site: Signed) -> None:
    folder = site.house.imports / "processes"
    control = json.loads(folder.joinpath("people.json").read_text())["control"]
    folder.joinpath("beside.control.json").write_text(json.dumps(control))
    folder.joinpath("beside.json").write_text('{"id": "beside", "control": "beside.control.json"}')
    assert await asyncio.to_thread(site.engine.definitions.reload) == []
    digest = site.engine.definitions.process("beside").control_digest
    page = await site.get("/admin/processes/-/change?id=beside")
    written = page.body.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0].replace("&#34;", '"')
    assert json.loads(written)["control"] == control
    fields = page.form("/admin/processes/-/save").fields
    assert (await save(site, written, replaces=fields["replaces"])).status == 303
    assert site.engine.definitions.process("beside").control_digest == digest


async def test_a_process_of_a_name_that_is_taken_is_asked_for_first(site: Signed) -> None:
    await save(site, SHORT)
    page = await save(site, SHORT.replace("Of people", "Of nobody"))
    assert "There is a process a feed/1 already." in page.text
    await save(site, SHORT.replace("a feed/1", "a feed 1"))  # its file would be called the same
    names = {path.name for path in site.house.imports.glob("processes/a-feed*")}
    assert names == {"a-feed-1.json", "a-feed-1-2.json"}


async def test_two_processes_of_one_push_address_are_refused(site: Signed) -> None:
    pushed = json.loads(SHORT) | {"push": {"url": "feed"}}
    await save(site, json.dumps(pushed))
    page = await save(site, json.dumps(pushed | {"id": "second"}, indent=1))
    assert page.status == 400
    assert "is already in use by process" in page.text


async def test_a_queued_import_keeps_the_control_file_it_was_made_with(site: Signed) -> None:
    await save(site, SHORT)
    batch = await site.engine.batches.create("haplo-standard", process="a feed/1", comment="x")
    page = await site.get("/admin/processes/-/change?id=a%20feed/1")
    fields = page.form("/admin/processes/-/save").fields
    changed = SHORT.replace('"Years"', '"Age"')
    assert (await save(site, changed, replaces=fields["replaces"])).status == 303
    assert site.engine.definitions.process("a feed/1").control_digest != batch.control
    assert (await site.get(f"/admin/control-files/{batch.control}")).status == 200


async def test_what_is_not_there_is_a_page_that_says_so(site: Signed) -> None:
    for path in ("/admin/processes/nobody", "/admin/processes/-/change?id=nobody", "/admin/processes/-/change"):
        page = await site.get(path)
        assert page.status == 404
        assert "Import process not found" in page.text
