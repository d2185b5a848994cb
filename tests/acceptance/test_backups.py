"""A backup taken while a server imports, and what comes of it elsewhere."""

import os
import shutil
from pathlib import Path

import pytest

from storage.backup import write_backup
from storage.blobs.local import LocalBlobs
from tests.acceptance.imports import begin, entries, people, schedule, upload
from tests.support.server_process import Server, Site, wait_for

RECORDS = 8_000


pytestmark = pytest.mark.timeout(180)  # two imports the long way, and five commands


def elsewhere(site: Site, folder: Path) -> Site:
    """The same settings and imports folder, and no data yet."""
    shutil.copytree(site.folder, folder, ignore=shutil.ignore_patterns("data"))
    other = Site(folder, site.key)
    other.servers = site.servers  # the fixture ends them all, also after a failure
    return other


def importing(server: Server, content: bytes, kind: str) -> str:
    batch = begin(server, kind)
    upload(server, batch, content)
    schedule(server, batch)
    return batch


def test_a_backup_of_a_server_at_work_goes_on_elsewhere_as_if_nothing_had_happened(site: Site, tmp_path: Path) -> None:
    site.configure(jobs={"chunk_records": 100})
    server = site.serve()
    first = importing(server, entries(0, 500), "load")
    site.ended(first)
    batch = importing(server, people(RECORDS), "slow")
    wait_for("some people", lambda: site.rows("people") >= RECORDS // 80)
    file = tmp_path / "all.tar"
    write_backup(site.data_dir, LocalBlobs(site.data_dir), file)  # a command would take longer to start than this
    taken = site.rows("people")
    assert os.stat(file).st_mode & 0o777 == 0o600
    site.ended(batch)

    other = elsewhere(site, tmp_path / "elsewhere")
    assert "restored" in other.run("restore", str(file))
    assert 0 < other.rows("people") <= taken
    assert other.job(batch)["state"] == "running", "the import ended before the backup was taken"
    other.serve()
    ended = other.ended(batch)
    assert (ended["state"], ended["count_read"], ended["count_created"]) == ("done", RECORDS, RECORDS)
    assert [row["e-mail" if "e-mail" in row else "email"] for row in other.export("people")] == [
        f"{number}@example.org" for number in range(RECORDS)
    ]
    assert len(other.export("entries")) == 500
    assert other.show(first)["job"]["counts"] == site.show(first)["job"]["counts"]
    other.close()
    other.check()


def test_nothing_is_written_over(site: Site, tmp_path: Path) -> None:
    server = site.serve()
    site.ended(importing(server, entries(0, 10), "load"))
    server.stop()
    file = tmp_path / "all.tar"
    assert str(file) in site.run("backup", str(file))
    before = file.read_bytes()
    site.run("backup", str(file), code=1)
    assert file.read_bytes() == before
    site.run("restore", str(file), code=1)  # its own data are still there
    assert len(site.export("entries")) == 10
