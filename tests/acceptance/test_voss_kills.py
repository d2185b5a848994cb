"""kill -9 around a bulk load: rows exactly once, and its transaction ends right after the restart."""

import io
import json
from contextlib import closing
from typing import Any

import openpyxl

from tests.support.server_process import BOUNDARY, Server, Site, answer_on, wait_for

ROWS = 2000
LOAD = "/api/tool/BulkLoad/?hierarchy=sys&method=bulkload_spreadsheet&nowait=true"


def workbook(rows: int) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    for title, first in (("One", 0), ("Two", rows // 2)):
        sheet = book.create_sheet(title)
        sheet.append(["entity:data/Numbers,hierarchy:sys"])
        sheet.append(["# Action", "number"])
        for number in range(first, first + rows // 2):
            sheet.append(["explode" if number % 100 == 7 else None, number])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def ask(server: Server, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    with closing(server.connect()) as connection:
        connection.request(method, path, body, {**server._headers, "Content-Type": kind})
        status, text = answer_on(connection)
    assert status in (200, 202), text
    return json.loads(text)


def upload(server: Server, content: bytes) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="uploadedfile"; filename="N.xlsx"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    ask(server, "POST", "/api/uploadfiles/", body, f"multipart/form-data; boundary={BOUNDARY}")


def transaction(server: Server, id: str) -> dict[str, Any]:
    return dict(ask(server, "GET", f"/api/tool/Transaction/{id}")["data"])


def test_killed_before_and_within_a_load(site: Site) -> None:
    site.key = site.run("keys", "create", "voss", "--scope", "voss").strip()
    site.configure(jobs={"chunk_records": 20})
    server = site.serve()
    upload(server, workbook(ROWS))
    id = ask(server, "POST", LOAD, json.dumps({"bulkload_file": "N.xlsx"}).encode())["transaction_id"]
    server.kill()
    server = site.serve()
    wait_for("some rows", lambda: site.rows("data_Numbers") >= ROWS // 5)
    server.kill()
    server = site.serve()
    ended = wait_for(
        "the end of the load",
        lambda: (found := transaction(server, id))["status"] in ("Success", "Fail") and found,
    )
    good = [number for number in range(ROWS) if number % 100 != 7]
    assert ended["status"] == "Success"  # type: ignore[index]
    assert ended["detail"] == f"[ {len(good)}/{ROWS} ] succeeded from [ 2 ] sheet in N.xlsx."  # type: ignore[index]
    assert [int(row["number"]) for row in site.export("data_Numbers")] == good
    assert [line["message"] for line in ended["log"] if line["severity"] == "info"] == [  # type: ignore[index]
        "N.xlsx is a valid bulk load workbook."
    ]
    rows = ask(server, "GET", ended["rows"]["href"] + "?skip=100&limit=10")["data"]["sub_transactions"]  # type: ignore[index]
    assert [row["status"] for row in rows] == ["Success"] * 7 + ["Fail"] + ["Success"] * 2
    server.stop()
    site.check()
