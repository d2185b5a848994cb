"""Clients of FOLIO as their users have them: the importer from PyPI, unmodified, and curl with jq.

They bring the files that pymarc is tested with, which come from its source distribution.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import PATIENCE, Server, Site

IMPORTER = Path(sys.executable).with_name("folio-marc-import")
SCRIPT = Path(__file__).with_name("folio_load.sh")
PROFILE = "Default - Create instance and SRS MARC Bib"
TENANT = "diku"
USER = "librarian"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="session")
def samples(request: pytest.FixtureRequest) -> Path:
    """pymarc's own test files; fetched once and kept in pytest's cache."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir(f"pymarc-{version('pymarc')}")
    if not list(folder.glob("*.tar.gz")):
        _fetch(folder)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz") / "test"


def _fetch(folder: Path) -> None:
    wanted = f"pymarc=={version('pymarc')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", wanted]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        if "CI" in os.environ:
            pytest.fail(f"pymarc's source distribution cannot be had: {done.stderr}")
        pytest.skip("pymarc's source distribution cannot be had")


@pytest.fixture
def token(site: Site) -> str:
    return site.run("keys", "create", USER, "--scope", "folio").strip()


def load(server: Server, token: str, file: Path) -> dict[str, Any]:
    command = [str(SCRIPT), f"http://{server.address}", TENANT, token, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def records(site: Site, job: str) -> list[dict[str, Any]]:
    return [row for row in site.export("source_records") if row["job"] == job]


def test_the_importer_from_pypi_imports_and_reports_every_record(
    site: Site, token: str, samples: Path, tmp_path: Path
) -> None:
    for name in ("marc.dat", "test.dat"):
        shutil.copy(samples / name, tmp_path)
    server = site.serve()
    options = {
        "--gateway-url": f"http://{server.address}",
        "--tenant-id": TENANT,
        "--username": USER,
        "--password": token,
        "--marc-file-paths": str(tmp_path / "*.dat"),
        "--import-profile-name": PROFILE,
        "--batch-size": "8",
    }
    words = [word for pair in options.items() for word in pair]
    command = [str(IMPORTER), *words, "--no-progress", "--file-names-in-di-logs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Total records imported: 30" in said
    jobs = (tmp_path / "marc_import_job_ids.txt").read_text().split()
    rows = Counter(row["job"] for row in site.export("source_records"))
    assert [rows[job] for job in jobs] == [20, 10]
    assert {path.name for path in (tmp_path / "import_complete").iterdir()} == {"marc.dat", "test.dat"}
    for job, count in zip(jobs, (20, 10), strict=True):
        assert [row["order"] for row in sorted(records(site, job), key=lambda row: row["order"])] == list(range(count))


def test_curl_and_jq_load_a_file(site: Site, token: str, samples: Path) -> None:
    job = load(site.serve(), token, samples / "marc.dat")
    assert (job["status"], job["progress"]["current"], job["fileName"]) == ("COMMITTED", 20, "marc.dat")
    rows = records(site, job["id"])
    assert [row["order"] for row in rows] == list(range(20))
    assert "".join(row["raw"] for row in rows) == (samples / "marc.dat").read_text("utf-8")
    assert all(row["parsed"]["leader"] == row["leader"] and row["title"] for row in rows)


def test_of_the_bad_records_two_are_committed_and_seven_failed_with_reasons(
    site: Site, token: str, samples: Path
) -> None:
    job = load(site.serve(), token, samples / "bad_records.mrc")
    assert (job["status"], job["progress"]["current"], job["progress"]["total"]) == ("ERROR", 9, 9)
    rows = records(site, job["id"])
    assert Counter("error" in row for row in rows) == {False: 2, True: 7}
    assert all(len(row["error"]) > 20 for row in rows if "error" in row)
    (batch,) = json.loads(site.run("batches", "list", "--json"))
    counts = site.show(batch["id"])["job"]["counts"]
    assert (counts["read"], counts["created"], counts["failed"]) == (9, 2, 7)
    assert sum(counts.values()) == 2 * counts["read"]


@pytest.mark.parametrize(
    ("name", "status", "count"),
    [
        ("batch.xml", "COMMITTED", 2),
        ("batch.json", "COMMITTED", 2),
        ("one.json", "COMMITTED", 1),
        ("one.dat", "COMMITTED", 1),
    ],
)
def test_other_formats_of_the_same_records(
    site: Site, token: str, samples: Path, name: str, status: str, count: int
) -> None:
    job = load(site.serve(), token, samples / name)
    assert (job["status"], len(records(site, job["id"]))) == (status, count)
