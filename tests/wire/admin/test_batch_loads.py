"""The pages of VOSS's bulk loads, and of what a batch leaves to be done: mails and callbacks."""

import io

import openpyxl

from server.engine.vendors.voss.transactions import LoadRequest
from storage.catalog.base import Batch
from tests.wire.admin.house import Signed
from tests.wire.admin.test_batch_failed import downloaded, failures, told

HEAD = ("# Comment", "# Action", "# Search Fields", "name", "code")
ROWS = [
    "entity:data/Towns,hierarchy:sys",
    HEAD,
    (None, None, None, "T1", 7),
    (None, "modify", "name:nobody", None, "x"),
    ("# not this one", "modify", "name:nobody", None, None),
    (),
    (None, "explode", None, "T2", "c2"),
    "entity:data/Villages,hierarchy:sys",
    ("name",),
    ("V1",),
]
OTHER = ["entity:data/Rivers,hierarchy:sys", HEAD, (None, "delete", "name:none", None, None)]
QUIET = ["entity:data/Lakes,hierarchy:sys", ("name",), ("L1",)]


def workbook(**sheets: object) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:  # type: ignore[attr-defined]
            sheet.append([row] if isinstance(row, str) else list(row))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


async def loaded(site: Signed, content: bytes) -> Batch:
    (key,) = [key for key in await site.engine.access.keys.list() if "voss" in key.scopes]
    pieces = [content, b""]

    async def read() -> bytes:
        return pieces.pop(0)

    upload = await site.engine.uploads.receive_octets(read, filename="DEMO.xlsx")
    await site.engine.voss.receive(upload, key, "sys")
    state = await site.engine.voss.load(LoadRequest(file="DEMO.xlsx", hierarchy="sys"), key)
    await site.engine.jobs.wait(state.job.id)
    return await site.engine.batches.of_job(state.job)


async def test_a_load_shows_its_transaction_and_its_rows(site: Signed) -> None:
    batch = await loaded(site, workbook(A=ROWS, B=OTHER))
    page = await site.get(f"/admin/batches/{batch.identifier}")
    assert page.status == 200
    assert "[ 2/5 ] succeeded from [ 2 ] sheet in DEMO.xlsx." in page.text
    for words in ("Execute Bulk Load", "Create the load", "data/Towns: no row matches name:nobody", "Rows 1 to 5 of 5"):
        assert words in page.text
    assert str(batch.properties["transaction"]) in page.text
    assert "Load again…" in page.links
    assert "Copy as new batch…" not in page.links


async def test_rows_of_a_load_are_paged(site: Signed) -> None:
    rows = ["entity:data/Towns", ("name",), *((f"T{n}",) for n in range(120))]
    batch = await loaded(site, workbook(A=rows))
    page = await site.get(f"/admin/batches/{batch.identifier}?rows=100")
    assert "Rows 101 to 120 of 120" in page.text
    assert page.links["Previous page"].endswith("?rows=50#transaction")
    assert (await site.get(f"/admin/batches/{batch.identifier}?rows={10**17}")).status == 200


async def test_a_load_can_be_done_again(site: Signed) -> None:
    batch = await loaded(site, workbook(A=ROWS))
    path = f"/admin/batches/{batch.identifier}"
    assert (await site.get(f"{path}/copy")).status == 409
    done = await site.post(f"{path}/load-again")
    assert done.status == 303
    assert done.to.partition("?")[0] != path
    assert (await site.get(done.to)).status == 200


async def test_failed_rows_come_back_as_a_workbook(site: Signed) -> None:
    first = await loaded(site, workbook(A=ROWS, Q=QUIET, B=OTHER))
    before = await failures(site, first)
    content, headers = await downloaded(site, first, "DEMO.xlsx")
    assert 'filename="DEMO-failed.xlsx"' in headers["Content-Disposition"]
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["A", "B"]
    second = await loaded(site, content)
    after = await failures(site, second)
    assert len(before) == 3
    assert [told(one) for one in after] == [told(one) for one in before]
    job = await site.engine.jobs.get(str(second.job))
    assert (job.state, job.counts.read) == ("done", 3)


async def test_an_errand_says_what_it_is(site: Signed) -> None:
    """A mail waits for a mail server, and none is set."""
    pieces = [b'{"email": "a@b.example", "name": "A"}\n', b""]

    async def read() -> bytes:
        return pieces.pop(0)

    upload, _ = await site.engine.uploads.receive_lines(read, filename="people.jsonl")
    mail = {"kind": "mail", "payload": {"success": ["x@example.org"]}, "attempts": 2}
    batch = await site.engine.batches.submit_rows(
        "learningbuilder", upload, process="people", comment="People", after=[mail]
    )
    await site.engine.jobs.wait(str(batch.job))
    page = await site.get(f"/admin/batches/{batch.identifier}")
    (task,) = [href for href in page.links.values() if href.startswith("/admin/jobs/")]
    shown = await site.get(task)
    assert shown.headings == ["E-mail at the end of a batch"]
    assert "of 2" in shown.text
    assert f"/admin/batches/{batch.identifier}" in shown.links.values()
