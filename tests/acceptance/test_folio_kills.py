"""kill -9 around FOLIO's data import: an uploaded file stays, and every record is in the table once."""

import json
from contextlib import closing
from typing import Any

import pymarc

from tests.support.server_process import Server, Site, answer_on, wait_for

RECORDS = 3000
BROKEN = range(7, RECORDS, 500)
PROFILE = {"id": "e34d7b92-9b83-11eb-a8b3-0242ac130003", "name": "Default", "dataType": "MARC"}


def library(count: int) -> bytes:
    """Records of MARC 21, a few of them with a directory that points nowhere."""
    found = []
    for number in range(count):
        record = pymarc.Record()
        record.add_field(pymarc.Field("001", data=f"{number:08d}"))
        title = [pymarc.Subfield("a", f"The {number}th book")]
        record.add_field(pymarc.Field("245", indicators=pymarc.Indicators("0", "0"), subfields=title))
        raw = record.as_marc()
        found.append(raw if number not in BROKEN else raw[:30] + b"xxxx" + raw[34:])
    return b"".join(found)


class Folio:
    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._headers = {"x-okapi-tenant": "diku", "x-okapi-token": token}

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
        with closing(self._server.connect()) as connection:
            connection.request(method, path, body, {**self._headers, "Content-Type": kind})
            status, text = answer_on(connection)
        assert status < 300, text
        return json.loads(text) if text else None


def test_killed_after_the_upload_and_while_records_are_read(site: Site) -> None:
    token = site.run("keys", "create", "librarian", "--scope", "folio").strip()
    site.configure(jobs={"chunk_records": 100})
    server = site.serve()
    folio = Folio(server, token)
    named = json.dumps({"fileDefinitions": [{"name": "books.mrc"}]}).encode()
    definition = folio.ask("POST", "/data-import/uploadDefinitions", named)
    (file,) = definition["fileDefinitions"]
    place = f"/data-import/uploadDefinitions/{definition['id']}"
    folio.ask("POST", f"{place}/files/{file['id']}", library(RECORDS), "application/octet-stream")
    server.kill()

    server = site.serve()
    folio = Folio(server, token)
    loaded = folio.ask("GET", place)
    assert [(one["status"], one["name"]) for one in loaded["fileDefinitions"]] == [("UPLOADED", "books.mrc")]
    body = json.dumps({"uploadDefinition": loaded, "jobProfileInfo": PROFILE}).encode()
    folio.ask("POST", f"{place}/processFiles?defaultMapping=true", body)
    wait_for("some records", lambda: site.rows("source_records") >= RECORDS // 10)
    server.kill()
    assert site.rows("source_records") < RECORDS

    server = site.serve()
    folio = Folio(server, token)
    job = wait_for(
        "the end of the job",
        lambda: (
            (found := folio.ask("GET", f"/change-manager/jobExecutions/{file['jobExecutionId']}"))["status"]
            in ("COMMITTED", "ERROR")
            and found
        ),
    )
    assert (job["status"], job["progress"]) == (  # type: ignore[index]
        "ERROR",
        {**job["progress"], "current": RECORDS, "total": RECORDS},  # type: ignore[index]
    )
    rows = site.export("source_records")
    assert [row["order"] for row in rows] == list(range(RECORDS))
    assert [row["order"] for row in rows if "error" in row] == list(BROKEN)
    server.stop()
    site.check()
