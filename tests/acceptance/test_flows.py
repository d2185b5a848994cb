"""What the documentation of each API promises, from the first call to the rows."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.server_process import Site

# the steps of the vendor's example (Haplo: Batch import API): control file, batch, file, schedule
UPLOADING = r"""
set -eu
cd imports/sample
post() { curl --silent --show-error --user "haplo:$KEY" --request POST "$@"; }

control=$(post -F 'comment=An example' -F file=@control.json "$API/control")
batch=$(post -d 'comment=A first import' -d "control=$control" "$API/batch")
file=$(post -F "batch=$batch" -F name=data0 -F file=@data.json "$API/file")
answer=$(post -d "batch=$batch" $MODE "$API/schedule")
printf '%s\n' "$control" "$batch" "$file" "$answer"
"""


@pytest.mark.parametrize(("mode", "state", "people"), [("-d mode=dry-run", "dry-run", 0), ("", "complete", 3)])
def test_the_batch_api_with_curl(site: Site, mode: str, state: str, people: int) -> None:
    server = site.serve()
    control, batch, file, answer = curl(site, f"http://{server.address}/api/haplo-data-import-batch", mode)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in (control, file))
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{42}[A-Za-z0-9]", batch)
    assert answer == "SCHEDULED"
    assert site.ended(batch)["state"] == "done"
    shown = site.show(batch)
    assert (shown["state"], shown["job"]["counts"]["created"], shown["errors"]) == (state, 3, 0)
    assert site.rows("people") == people
    server.stop()
    site.check()


def curl(site: Site, api: str, mode: str) -> list[str]:
    environment = {"API": api, "KEY": site.key, "MODE": mode, "PATH": "/usr/bin:/bin"}
    script = ["/bin/sh", "-c", UPLOADING]
    return subprocess.run(
        script, cwd=site.folder, env=environment, check=True, capture_output=True, text=True, timeout=30
    ).stdout.splitlines()


def test_the_standard_api_with_the_example_process(site: Site) -> None:
    server = site.serve()
    api = "/api/haplo-data-import-standard-api"
    status, batch = server.post(f"{api}/batch", {"kind": "example-standard-api", "comment": "Example import"})
    assert status == 200
    data = Path(site.folder, "imports/sample/data.json").read_bytes()
    assert server.post(f"{api}/file", {"batch": batch, "name": "data0"}, data)[0] == 200
    assert server.post(f"{api}/schedule", {"batch": batch}) == (200, "SCHEDULED")
    assert site.ended(batch)["batch_state"] == "complete"
    people, books = site.export("people"), site.export("books")
    assert [person["email"] for person in people] == [
        "ada.moss@example.org",
        "ben.okafor@example.org",
        "chloe@example.org",
    ]
    assert [(book["title"], book["_parent"]) for book in books] == [
        ("Rivers and Their Gates", people[0]["_id"]),
        ("A Short Guide to Sluices", people[0]["_id"]),
    ]
    server.stop()
    site.check()


def test_a_push_is_answered_when_its_rows_are_there(site: Site) -> None:
    server = site.serve()
    answer = subprocess.run(
        [
            *("curl", "--silent", "--user", f"haplo:{site.key}", "--data-binary", '{"number": 1, "text": "one"}'),
            *("--header", "Content-Type: application/json", f"http://{server.address}/api/push-data/entries"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert '"result":"success"' in answer.stdout.replace(" ", "")
    assert site.export("entries") == [{"_id": 1, "number": 1, "text": "one"}]
    server.stop()
    site.check()
