"""What an attacker would send."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from sqlalchemy import Connection, update

from server.engine.errors import RequestInvalid
from storage.catalog.tables import keys
from tests.wire.admin.house import AdminHouse, Signed, open_admin

NO_NUMBERS = ["0" * 19 + "1" + "0" * 5000, "9" * 30, "\u0661", "9223372036854775808"]


async def test_an_address_that_browsers_read_otherwise_leads_home(admin: AdminHouse) -> None:
    visitor = await admin.visitor()
    for next in ("/\t/example.org", "/\x0b/example.org", "/\x00", "/é", "/" + "a" * 3000):
        assert (await visitor.sign_in(admin.keys["admin"], next=next)).to == "/admin/", next


async def test_a_number_that_is_none_finds_no_row(site: Signed) -> None:
    await site.imported({"email": "a@example.org"})
    for id in NO_NUMBERS:
        assert (await site.get("/admin/records/people", params={"id": id})).status == 400
        assert (await site.get(f"/admin/records/people/{id}")).status in (400, 404)


async def test_bytes_that_are_no_text_in_a_header_are_no_fault_of_ours(admin: AdminHouse) -> None:
    key = admin.keys["admin"].encode()
    start = b"%s HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer %s\r\nX-Okapi-Token: %s\r\n"
    for asked in (b"GET /admin/", b"GET /metrics", b"GET /data-import/uploadDefinitions", b"POST /admin/sign-in"):
        for header in (b"Content-Type", b"Expect", b"X-Okapi-Tenant", b"Cookie", b"Host", b"Origin"):
            bad = b"%s: \xff\xfe\r\nContent-Length: 1\r\n\r\nx" % header
            assert await _answered(admin.address, start % (asked, key, key) + bad) < 500, (asked, header)


async def _answered(address: str, request: bytes) -> int:
    """The status that these bytes get."""
    return int((await _exchanged(address, request)).split()[1])


async def _exchanged(address: str, request: bytes) -> bytes:
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_every_answer_says_that_it_is_what_it_says(site: Signed) -> None:
    """No bytes of clients become a page or a script of ours, in any browser."""
    batch = await site.imported({"email": "<script>"}, name="data0")
    (file,) = await site.engine.batches.files(batch)
    here = f"/admin/batches/{batch.identifier}"
    downloads = (f"{here}/files/{file.id}", f"{here}/failed/download", "/admin/records/people/export")
    for path in (*downloads, "/admin/models/-/download?model=example:people", "/admin/static/site.js"):
        page = await site.get(path)
        assert (page.status, page.headers["X-Content-Type-Options"]) == (200, "nosniff"), path
    for path in downloads:
        page = await site.get(path)
        assert page.headers["Content-Security-Policy"].endswith("sandbox")
        assert page.headers["Content-Disposition"].startswith("attachment;")


UNKNOWN_JOB = (
    {"Host": "example.org"},
    {"Host": ""},
    {"Origin": "https://example.org"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},  # an image or a link of another site has no Origin
)


async def test_without_keys_no_other_site_reaches_anything_through_a_browser_here(
    tmp_path: Path, imports: Path
) -> None:
    """By its own name for this machine, or with forms and scripts that send here."""
    paths = ("/api/v1/batches", "/metrics", "/openapi.json", "/admin/", "/data-import/uploadDefinitions")
    async with open_admin(tmp_path / "data", imports, no_auth=True) as house:
        visitor = await house.visitor()
        for path in paths:
            for headers in UNKNOWN_JOB:
                assert (await visitor.get(path, headers=headers)).status == 403, (path, headers)
            own = {"Origin": house.address, "X-Okapi-Tenant": "diku", "Sec-Fetch-Site": "same-origin"}
            assert (await visitor.get(path, headers=own)).status == 200, path
        sent = await visitor.ask(
            "POST", "/api/haplo-data-import-standard-api/batch", headers={"Origin": "http://e.org"}
        )
        assert sent.status == 403
        assert "other sites" in sent.text


async def test_without_keys_the_public_address_counts_too(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, no_auth=True, public_url="http://box.test:80") as house:
        visitor = await house.visitor()
        headers = {"Host": "box.test", "Origin": "http://box.test"}
        assert (await visitor.get("/api/v1/batches", headers=headers)).status == 200


async def test_a_key_of_some_tenants_never_sees_those_of_others(site: Signed) -> None:
    """What the native API and the site show belongs to all."""
    for scope in ("native", "admin"):
        fields = {"name": "limited", f"scope-{scope}": "on", "scope-folio": "on", "tenants": "diku"}
        page = await site.post("/admin/keys/new", fields)
        assert (page.status, "see all of them" in page.text) == (400, True)
        with pytest.raises(RequestInvalid, match="sees all tenants"):
            await site.engine.access.keys.create("limited", [scope, "folio"], ["diku"])
    _, older = await site.engine.access.keys.create("older", ["folio"], ["diku"])
    await site.engine.storage.catalog.write(_with_scope_native)
    page = await site.get("/api/v1/batches", headers={"Authorization": f"Bearer {older}"})
    assert page.status == 403


def _with_scope_native(connection: Connection) -> None:
    connection.execute(update(keys).where(keys.c.name == "older").values(scopes=["folio", "native"]))


async def test_a_control_file_of_any_shape_has_its_pages(site: Signed) -> None:
    """A client that may send control files decides what is in them."""
    deep = orjson.loads("[" * 300 + "]" * 300)
    plain = dict(site.engine.definitions.process("people-csv").control)
    files = plain["files"]["DEFAULT"]  # type: ignore[index]
    instructions = plain["instructions"]
    many = [{"source": f"a{n}", "destination": "profile", "name": f"no{n}"} for n in range(20_000)]
    documents: list[dict[str, Any]] = [
        plain | {"more": deep},
        plain
        | {
            "files": {"DEFAULT": {"read": "json-lines"}},
            "instructions": [*instructions, instructions[1] | {"source": "a[]." * 5000}],  # type: ignore[index, misc]
        },
        plain | {"files": {"DEFAULT": files | {"quote": ""}}},
        plain | {"files": {"DEFAULT": {"read": "xlsx-with-name-row", "sheet": 10**9}}},
        plain | {"instructions": instructions + many},  # type: ignore[operator]
        plain | {"files": {f"f{n}": files for n in range(5000)}},
    ]
    for document in documents:
        digest = await site.engine.batches.add_control("admin", json.dumps(document).encode(), "")
        page = await site.get(f"/admin/control-files/{digest}")
        assert (page.status, len(page.body) < 4_000_000) == (200, True)
        asked = await site.get(f"/admin/new-import?control={digest}")
        assert (asked.status, len(asked.body) < 1_000_000) == (200, True)
        assert (await site.get(f"/admin/new-import/template?control={digest}")).status in (200, 404)
        form = aiohttp.FormData({"control": digest})
        form.add_field("file" if "DEFAULT" in document["files"] else "file-0", b"email\na@example.org\n", filename="f")
        sent = await site.send("/admin/new-import", form)
        assert sent.status == 303
        batch = sent.to.rpartition("/")[2]
        await site.engine.jobs.wait((await site.engine.batches.get(None, batch)).job or "")
        for path in sent.to, f"/admin/batches/{batch}", f"/admin/batches/{batch}/failed", f"/api/v1/batches/{batch}":
            assert (await site.get(path)).status == 200, (path, str(document)[:200])


async def test_an_answer_to_head_has_no_body(site: Signed) -> None:
    """What followed it on the connection would pass for the next answer."""
    batch = await site.imported({"email": "a@example.org"}, {"name": "nobody"})
    (file,) = await site.engine.batches.files(batch)
    here = f"/admin/batches/{batch.identifier}"
    cookie = "; ".join(f"{one.key}={one.value}" for one in site.session.cookie_jar)
    for path in f"{here}/failed/download", f"{here}/files/{file.id}", "/admin/records/people/export", "/admin/":
        request = f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        head, _, body = (await _exchanged(site.address, request.encode())).partition(b"\r\n\r\n")
        assert (head.split()[1], body) == (b"200", b""), path


async def test_who_is_not_signed_in_cannot_send_much(admin: AdminHouse) -> None:
    page = await (await admin.visitor()).post("/admin/sign-in", {"key": "k" * 20_000})
    assert page.status == 413


async def test_a_name_that_no_address_can_hold_is_not_saved(site: Signed) -> None:
    """Its page could not be opened; and no name is a way out of the folder."""
    names = {path.name for path in site.house.imports.rglob("*")}
    for name in ("..", ".", "a/../b", "/etc/x", "-/new", "a\nb", "a\0b", " a", "a//b", "x" * 201):
        page = await site.post("/admin/models/-/save", {"text": json.dumps({"name": name, "destinations": []})})
        assert (page.status, "has no address" in page.text) == (400, True), name
    assert {path.name for path in site.house.imports.rglob("*")} == names


async def test_an_export_of_large_rows_goes_out_in_small_parts(site: Signed) -> None:
    """Every reader holds one part for as long as he takes it."""
    await site.imported(*({"email": f"{n}@example.org", "name": "x" * 300_000} for n in range(40)))
    parts = [len(part) async for part in site.engine.records.browser.export("people", "jsonl")]
    assert sum(parts) > 40 * 300_000
    assert max(parts) < 4 << 20
