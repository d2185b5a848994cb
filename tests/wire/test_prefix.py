"""A public address with a path: all links to this server begin with it, whether the proxy keeps it or takes it off."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import openpyxl
import pytest
import pytest_asyncio
from aiohttp import web

from server.app import make_app, make_runner
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.uploads.flow import UploadLimits
from server.settings import SettingsWrong
from tests.support.replay import basic

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE, PREFIX = "https://h.example", "/penstock"
PROCESS = {
    "id": "people",
    "label": "People",
    "model": "people",
    "destination": "one",
    "read": "json-lines",
    "write": "create",
    "columns": {"name": "name"},
}
MODEL = {
    "name": "people",
    "destinations": [{"name": "one", "table": "people", "kind": "dictionary", "names": {"name": {"type": "text"}}}],
}
CODE = re.compile(r"<code.*?</code>", re.DOTALL)
LINK = re.compile(r'\s(?:href|src|action|formaction|data-[a-z-]+)="(/[^"]*|https?:[^"]*)"')
HREF_IN_TEXT = ' href="/not-a-link"'


@dataclass
class House:
    engine: Engine
    port: int
    session: aiohttp.ClientSession
    cookie: str = ""

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, str, Any]:
        headers = {"Host": "h.example", **more.pop("headers", {})}
        if self.cookie:
            headers["Cookie"] = self.cookie
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as answer:
            text = "" if answer.content_type == "text/event-stream" else await answer.text("utf-8", "replace")
            return answer.status, text, answer

    async def key(self, scope: str) -> str:
        return (await self.engine.access.keys.create(scope, [scope]))[1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("prefix")
    for room, document in (("models", MODEL), ("processes", PROCESS)):
        (folder / "imports" / room).mkdir(parents=True)
        (folder / "imports" / room / "people.json").write_text(json.dumps(document))
    async with AsyncExitStack() as stack:
        limits = UploadLimits(min_free_bytes=0)
        opened = open_engine(
            folder / "data", EngineConfig(imports=folder / "imports", uploads=limits, public_url=SITE + PREFIX)
        )
        engine = await stack.enter_async_context(opened)
        await asyncio.to_thread(engine.definitions.load)
        runner = make_runner(make_app(engine))
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        house = House(engine, runner.addresses[0][1], session)
        await _furnish(house)
        yield house


async def _furnish(house: House) -> None:
    batch = await house.engine.batches.create("haplo-standard", process="people", comment=HREF_IN_TEXT)
    pieces = [b'{"name": "Ada"}\n{"name": 5, "x": []}\n', b""]

    async def read() -> bytes:
        return pieces.pop(0)

    upload = await house.engine.uploads.receive_octets(read, filename="people.jsonl")
    await house.engine.batches.add_file("haplo-standard", batch.identifier, "data0", upload)
    job = await house.engine.batches.schedule("haplo-standard", batch.identifier, "import")
    await house.engine.jobs.wait(job.id)


async def test_the_whole_site_stays_below_the_path(house: House) -> None:
    key = await house.key("admin")
    status, _, answer = await house.ask("GET", "/admin/")
    assert (status, answer.headers["Location"][:24]) == (303, f"{PREFIX}/admin/sign-in?")
    form = {"key": key, "next": "/admin/"}
    status, text, answer = await house.ask("POST", "/admin/sign-in", data=form, headers={"Origin": SITE})
    assert (status, answer.headers["Location"]) == (303, f"{PREFIX}/admin/"), text
    ((name, cookie),) = answer.cookies.items()
    assert name.startswith("__Secure-")
    assert (cookie["path"], cookie["secure"], cookie["httponly"]) == (f"{PREFIX}/", True, True)
    house.cookie = f"{name}={cookie.value}"
    seen = await walk(house, f"{PREFIX}/admin/")
    house.cookie = ""
    assert len(seen) > 40
    assert f"{PREFIX}/docs/assets/start.js" in seen


async def walk(house: House, begin: str) -> set[str]:
    """Follows every link; each is asked for as one proxy sends it or the other."""
    seen, waiting = set(), [begin]  # type: ignore[var-annotated]
    while waiting:
        address = waiting.pop()
        if address in seen or len(seen) > 400:
            continue
        seen.add(address)
        path = address if len(seen) % 2 else address.removeprefix(PREFIX)
        status, text, answer = await house.ask("GET", path, headers={"Accept": "text/html"})
        assert status in (200, 302, 303, 400, 404, 405), address
        if "Location" in answer.headers:
            waiting.append(answer.headers["Location"])
        if answer.content_type == "text/html":
            found = [link.partition("#")[0].replace("&amp;", "&") for link in LINK.findall(text)]
            assert [link for link in found if not link.startswith(f"{PREFIX}/")] == [], address
            assert f"{PREFIX}{PREFIX}" not in CODE.sub(
                "", text
            )  # the manual writes paths such as /etc/penstock/penstock.toml
            waiting += [link for link in found if link]
    return seen


async def test_text_of_clients_is_never_taken_for_a_link(house: House) -> None:
    key = await house.key("native")
    _, text, _ = await house.ask("GET", "/api/v1/batches", headers={"Authorization": f"Bearer {key}"})
    assert json.loads(text)["batches"][0]["comment"] == HREF_IN_TEXT.strip() or HREF_IN_TEXT in text.replace('\\"', '"')


async def test_the_documentation_knows_the_address(house: House) -> None:
    headers = {"Authorization": f"Bearer {await house.key('native')}"}
    _, text, _ = await house.ask("GET", "/openapi.json", headers=headers)
    assert json.loads(text)["servers"] == [{"url": SITE + PREFIX}]
    status, text, _ = await house.ask("GET", "/docs", headers=headers)
    assert (status, f'src="{PREFIX}/docs/assets/start.js"' in text) == (200, True)


async def test_upload_addresses_are_public(house: House) -> None:
    headers = {"x-okapi-token": await house.key("folio"), "x-okapi-tenant": "t"}
    status, text, _ = await house.ask("GET", "/data-import/uploadUrl?fileName=a.mrc", headers=headers)
    assert status == 200, text
    url = json.loads(text)["url"]
    assert url.startswith(f"{SITE}{PREFIX}/data-import/parts/")
    assert (await house.ask("PUT", url.removeprefix(SITE), data=b"x"))[0] == 200
    body = {"fileDefinitions": [{"name": "a.mrc"}]}
    status, text, answer = await house.ask("POST", "/data-import/uploadDefinitions", json=body, headers=headers)
    assert status == 201, text
    assert answer.headers["Location"].startswith(f"{PREFIX}/data-import/") or "Location" not in answer.headers


async def test_folio_cookies_stay_below_the_path(house: House) -> None:
    secret = await house.key("folio")
    body = {"username": "folio", "password": secret}
    status, text, answer = await house.ask(
        "POST", "/authn/login-with-expiry", json=body, headers={"x-okapi-tenant": "t"}
    )
    assert status == 201, text
    paths = {name: (cookie["path"], cookie["secure"]) for name, cookie in answer.cookies.items()}
    assert paths == {"folioAccessToken": (f"{PREFIX}/", True), "folioRefreshToken": (f"{PREFIX}/authn", True)}


async def test_hrefs_of_transactions_are_public(house: House) -> None:
    headers = basic("x", await house.key("voss"))
    form = aiohttp.FormData()
    form.add_field("uploadedfile", countries(), filename="countries.xlsx")
    status, text, _ = await house.ask("POST", "/api/uploadfiles/", data=form, headers=headers)
    assert status == 202, text
    meta = {"external_reference": '"href": "/api/tool/"'}
    load = {"bulkload_file": "countries.xlsx", "execute_immediately": True, "request_meta": meta}
    path = "/api/tool/BulkLoad/?method=bulkload_spreadsheet&hierarchy=sys&format=json"
    seen = [(await house.ask("POST", f"{path}&nowait=true", json=load, headers=headers))[1]]
    id = json.loads(seen[0])["transaction_id"]
    paths = ("", f"{id}/", f"{id}/rows/", "?view=", "?limit=1&format=json")
    seen += [(await house.ask("GET", f"/api/tool/Transaction/{path}", headers=headers))[1] for path in paths]
    found = [href for text in seen for href in hrefs(json.loads(text))]
    assert len(found) > len(seen)
    assert {href[: len(PREFIX) + 5] for href in found} == {f"{PREFIX}/api/"}


def hrefs(value: object) -> Iterator[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and isinstance(value.get("href"), str):
        yield value["href"]
    for each in inner:
        yield from hrefs(each)


def countries() -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["entity:data/Countries"], ["country_name"], ["Germany"]):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


async def test_the_page_of_a_learningbuilder_batch_is_public(house: House) -> None:
    headers = {"Authorization": f"apikey {await house.key('learningbuilder')}"}
    path = "/API/WorkflowImportQueue/CreateBatch?importProcessId=people&creationPath=ACME&fileName=x"
    status, text, _ = await house.ask("POST", path, data=b'{"name": "Ada"}\n', headers=headers)
    assert status == 200, text
    assert json.loads(text)["queueBatchDetails"].startswith(f"{SITE}{PREFIX}/admin/batches/")


@pytest.mark.parametrize("path", ["/api", "/admin/x", "/docs", "/data-import", "/API/WorkflowImportQueue"])
async def test_a_path_of_our_own_is_refused_at_the_start(tmp_path: Path, path: str) -> None:
    async with open_engine(tmp_path, EngineConfig(imports=tmp_path / "imports", public_url=SITE + path)) as engine:
        with pytest.raises(SettingsWrong, match="use another, such as /penstock"):
            make_app(engine)
