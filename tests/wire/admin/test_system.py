"""System: what runs here, whether it is well, the definitions in force, and a check of all that is stored."""

import json
import os
import platform
from pathlib import Path

import pytest

from server.admin.site import Facts
from server.settings import MASK, Settings, shown
from storage.catalog.preparing import REVISION
from tests.wire.admin.conftest import MODEL
from tests.wire.admin.house import AdminHouse, Signed, open_admin

ENDED_EARLY = "the checking process was killed before it finished; the log may say more"
ADA = {"email": "ada@example.org"}


async def test_the_program_the_data_and_the_settings_are_shown(tmp_path: Path, imports: Path) -> None:
    settings = Settings(smtp={"host": "mail.example.org", "user": "me", "password": "h0rse"})  # type: ignore[arg-type]
    facts = Facts("1.2.3", shown(settings))
    async with open_admin(tmp_path / "data", imports, facts=facts) as house:
        site = await house.signed()
        await site.imported(ADA)
        page = await site.get("/admin/system")
        assert f"Penstock 1.2.3 Python CPython {platform.python_version()}" in page.text
        assert f"Folder {tmp_path / 'data'}" in page.text
        assert "catalog.db " in page.text
        assert "Files received 2, " in page.text  # and the control file
        assert f"Catalog schema {REVISION}" in page.text
        assert "host mail.example.org" in page.text
        assert f"password {MASK}" in page.text
        assert "h0rse" not in page.body
        assert "ok Every part answers." in page.text


async def test_what_does_not_work_is_said_with_the_way_out(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, jobs_run=False) as house:
        page = await (await house.signed()).get("/admin/system")
        assert "jobs : the dispatcher is not running. What to do:" in page.text
        assert "Every part answers" not in page.text


async def test_definitions_are_read_again(site: Signed, imports: Path) -> None:
    assert "Processes 2" in (await site.get("/admin/system")).text
    (imports / "processes" / "people-csv.json").unlink()
    page = await site.post("/admin/system/reload")
    assert (page.status, page.to) == (303, "/admin/system?notice=definitions-reloaded")
    after = await site.get(page.to)
    assert "The imports folder is reloaded and in force." in after.text
    assert "Processes 1" in after.text
    assert "people-csv" not in site.engine.definitions.processes


async def test_mistakes_are_listed_and_the_old_definitions_stay(site: Signed, imports: Path) -> None:
    path = imports / "models" / "people.json"
    path.write_text(json.dumps({**MODEL, "destinations": [{"name": "<b>"}]}))
    page = await site.post("/admin/system/reload")
    assert page.to == "/admin/system"
    after = await site.get(page.to)
    assert "the earlier definitions stay in force" in after.text
    assert str(path) in after.text
    assert "<b>" not in after.body.replace("&lt;b&gt;", "")
    assert "example:people" in site.engine.definitions.models
    path.write_text(json.dumps(MODEL))
    assert (await site.post("/admin/system/reload")).to.endswith("notice=definitions-reloaded")
    assert "stays in force" not in (await site.get("/admin/system")).text


@pytest.mark.parametrize("deep", [False, True])
async def test_a_check_of_a_whole_house_finds_no_damage(site: Signed, deep: bool) -> None:
    await site.imported(ADA)
    assert "No check has run since the server started." in (await site.get("/admin/system")).text
    page = await site.post("/admin/system/check", {"deep": "on"} if deep else {})
    assert (page.status, page.to) == (303, "/admin/system?notice=check-started")
    during = await site.get(page.to)
    assert "A deep check is running" in during.text if deep else "A check is running" in during.text
    assert "/admin/system/check" not in [form.action for form in during.forms]
    assert (await site.post("/admin/system/check")).to == "/admin/system?notice=check-running"
    await site.engine.operations.fsck_process.wait()
    after = await site.get("/admin/system")
    assert "ok No damage found." in after.text
    assert ("Deep check of" if deep else "Check of 2") in after.text


async def test_damage_is_listed(site: Signed, admin: AdminHouse) -> None:
    batch = await site.imported(ADA)
    (file,) = await site.engine.batches.files(batch)
    _, path = await site.engine.batches.stored(batch.identifier, file.id)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    stray = admin.data_dir / "blobs" / "sha256" / "aa" / "aa" / ("a" * 64)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"")
    await site.post("/admin/system/check")
    await site.engine.operations.fsck_process.wait()
    shallow = await site.get("/admin/system")
    assert "No damage found." in shallow.text
    assert "1 note (no damage)" in shallow.text
    assert f"blob {'a' * 64} is not needed by anything" in shallow.text
    await site.post("/admin/system/check", {"deep": "on"})
    await site.engine.operations.fsck_process.wait()
    deep = await site.get("/admin/system")
    assert "1 problem found" in deep.text
    assert file.digest in deep.text


async def test_a_check_ends_with_the_server(tmp_path: Path, imports: Path) -> None:
    """It is held in the middle: one of the files that it reads is a pipe into which nothing is written."""
    async with open_admin(tmp_path / "data", imports) as house:
        site = await house.signed()
        batch = await site.imported(ADA)
        pipe = house.data_dir / "blobs" / "sha256" / batch.control[:2] / batch.control[2:4] / batch.control  # type: ignore[index, operator]
        pipe.unlink()
        os.mkfifo(pipe)
        await site.post("/admin/system/check", {"deep": "on"})
        fsck = house.engine.operations.fsck_process
        assert fsck.running is not None
    assert fsck.running is None
    assert fsck.last is not None
    assert (fsck.last.found, fsck.last.failure) == (None, ENDED_EARLY)


async def test_a_check_that_cannot_be_made_says_why(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[object]:
        raise OSError("the disk went away")

    monkeypatch.setattr(site.engine.operations.fsck_process, "_tables", broken)
    await site.post("/admin/system/check")
    await site.engine.operations.fsck_process.wait()
    page = await site.get("/admin/system")
    assert "The check did not finish: OSError: the disk went away." in page.text
    assert page.form("/admin/system/check").method == "post"  # another check can be started
